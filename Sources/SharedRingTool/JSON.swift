/// A JSON value, to be written on one line.
enum JSON: CustomStringConvertible {
    case null
    case boolean(Bool)
    case integer(Int)
    case position(UInt64)
    /// Finite, written with three decimals at most.
    case number(Double)
    case string(String)
    case array([JSON])
    case members([(String, JSON)])

    static func object(_ members: KeyValuePairs<String, JSON>) -> JSON { .members(members.map { ($0.key, $0.value) }) }

    /// A string with two lower-case digits for each byte.
    static func hexadecimal(_ bytes: [UInt8]) -> JSON {
        .string(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
    }

    var description: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .boolean(let value): text += value ? "true" : "false"
        case .integer(let value): text += "\(value)"
        case .position(let value): text += "\(value)"
        case .number(let value): text += "\((value * 1000).rounded() / 1000)"
        case .string(let value): Self.write(value, to: &text)
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .members(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += "," }
                Self.write(member.0, to: &text)
                text += ":"
                member.1.write(to: &text)
            }
            text += "}"
        }
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case _ where scalar.properties.generalCategory == .control:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

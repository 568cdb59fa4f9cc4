/// Writes one object on one line, its members in the order in which they are added.
package struct JSONWriter {
    private var members: [String] = []

    package init() {}

    package var text: String { "{" + members.joined(separator: ",") + "}" }

    package mutating func add(_ key: String, raw value: String) { members.append(Self.quoted(key) + ":" + value) }
    package mutating func add(_ key: String, _ value: String) { add(key, raw: Self.quoted(value)) }
    package mutating func add(_ key: String, _ value: Int) { add(key, raw: "\(value)") }
    package mutating func add(_ key: String, _ value: Bool) { add(key, raw: "\(value)") }
    package mutating func add(_ key: String, _ value: Double, digits: Int) { add(key, raw: decimal(value, digits)) }
    package mutating func add(_ key: String, _ values: [String]) {
        add(key, raw: "[" + values.map(Self.quoted).joined(separator: ",") + "]")
    }

    private static func quoted(_ string: String) -> String {
        var text = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}

/// Reads one JSON value that is all of a line.
package struct JSONParser {
    /// What is wrong, and at which byte, counted from 1.
    package struct Failure: Error, Equatable {
        package let sentence: String
        package let column: Int
    }

    private let bytes: [UInt8]
    private var place = 0
    private var depth = 0

    package static func parse(_ text: some StringProtocol) throws(Failure) -> JSONValue {
        var parser = JSONParser(text)
        let value = try parser.value()
        parser.skipSpace()
        guard parser.place == parser.bytes.count else { throw parser.failure("something follows the value") }
        return value
    }

    private init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    private func failure(_ sentence: String) -> Failure { Failure(sentence: sentence, column: place + 1) }

    private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || (0x09...0x0d).contains(byte) { place += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func value() throws(Failure) -> JSONValue {
        skipSpace()
        // Results are two levels deep; a file that is not ours must not exhaust the stack.
        guard depth < 32 else { throw failure("too deeply nested") }
        depth += 1
        defer { depth -= 1 }
        switch next {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case nil: throw failure("the line ends where a value should be")
        default: return try word()
        }
    }

    private mutating func object() throws(Failure) -> JSONValue {
        place += 1
        var members: [String: JSONValue] = [:]
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw failure("a key in quotes should be here") }
            let key = try string()
            guard take(":") else { throw failure("':' should be here") }
            guard members.updateValue(try value(), forKey: key) == nil else { throw failure("'\(key)' stands twice") }
        } while take(",")
        guard take("}") else { throw failure("',' or '}' should be here") }
        return .object(members)
    }

    private mutating func array() throws(Failure) -> JSONValue {
        place += 1
        var values: [JSONValue] = []
        if take("]") { return .array(values) }
        repeat { values.append(try value()) } while take(",")
        guard take("]") else { throw failure("',' or ']' should be here") }
        return .array(values)
    }

    private mutating func string() throws(Failure) -> String {
        place += 1
        var text: [UInt8] = []
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw failure("a control character in a string") }
            place += 1
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            text += try escaped()
        }
        guard next != nil else { throw failure("the string does not end") }
        place += 1
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func escaped() throws(Failure) -> [UInt8] {
        defer { place += 1 }
        switch next {
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [next!]
        case UInt8(ascii: "u"):
            guard place + 4 < bytes.count,
                let code = UInt32(String(decoding: bytes[place + 1...place + 4], as: UTF8.self), radix: 16),
                let scalar = Unicode.Scalar(code)
            else { throw failure("not a character: \\u takes four hexadecimal digits") }
            place += 4
            return Array(String(Character(scalar)).utf8)
        default: throw failure("no such escape")
        }
    }

    /// true, false, null or a number.
    private mutating func word() throws(Failure) -> JSONValue {
        let start = place
        while let byte = next, byte > 0x20, !",:[]{}\"".utf8.contains(byte) { place += 1 }
        let text = String(decoding: bytes[start..<place], as: UTF8.self)
        switch text {
        case "true": return .boolean(true)
        case "false": return .boolean(false)
        case "null": return .null
        default:
            // `Double` would take "nan" and "0x1" too.
            guard text.utf8.allSatisfy({ "+-.0123456789eE".utf8.contains($0) }), let number = Double(text), number.isFinite else {
                place = start
                throw failure("'\(text)' is not a value")
            }
            return .number(number)
        }
    }
}

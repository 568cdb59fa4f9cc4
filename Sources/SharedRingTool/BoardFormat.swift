import SharedRing

/// How a board's values are written.
enum BoardFormat: String {
    case text = "--text"
    case hex = "--hex"
    case json = "--json"
    case raw = "--raw"

    /// Whether a value is written as one line that is fit for a terminal, and as no more than that.
    var isOneLine: Bool { self == .text || self == .hex }

    /// A value's bytes as one line.
    func line(_ bytes: [UInt8]) -> String { self == .hex ? bytes.map(Self.digits).joined() : String(escaping: bytes) }

    func write(_ value: BoardValue, of key: String, withKey: Bool) throws {
        let name = withKey ? "\(FileName(key))\t" : ""
        switch self {
        case .text, .hex: try StandardStreams.print("\(name)\(line(value.bytes))\n")
        case .raw: try value.bytes.withUnsafeBytes { try StandardStreams.write($0) }
        case .json:
            let members: [(String, JSON)] = [
                ("key", .string(key)), ("version", .position(value.version)), ("tag", .integer(Int(value.tag))),
                ("written_at", value.stamp.writtenNanoseconds.map { .string(Timestamp($0).iso) } ?? .null),
                ("bytes", .hexadecimal(value.bytes)), ("text", .string(value.text)),
            ]
            try StandardStreams.print("\(JSON.members(members))\n")
        }
    }

    private static func digits(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}

import SharedRing

/// How a tap writes what it saw.
enum TapFormat {
    case text, hex, json

    func text(of message: TappedMessage) -> String {
        switch self {
        case .text: String(escaping: message.bytes) + "\n"
        case .hex: Self.heading(message) + Self.dump(message.bytes)
        case .json: "\(message.json)\n"
        }
    }

    /// Text has no line for it.
    func text(ofEnd lane: Int, _ position: UInt64, isClosed: Bool) -> String {
        let word = isClosed ? "closed" : "died"
        return switch self {
        case .text: ""
        case .hex: "lane \(lane), position \(position): end of stream, \(word)\n"
        case .json: "\(JSON.object(["lane": .integer(lane), "position": .position(position), "end": .string(word)]))\n"
        }
    }

    private static func heading(_ message: TappedMessage) -> String {
        let ticket = message.ticket.map { ", ticket \($0)" } ?? ""
        return "lane \(message.lane), position \(message.position), tag \(message.tag)\(ticket): \(counted(message.bytes.count, "byte"))\n"
    }

    /// As `hexdump -C` writes it, without leaving repeated lines out.
    static func dump(_ bytes: [UInt8]) -> String {
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 16) {
            let line = bytes[start..<min(start + 16, bytes.count)]
            text += hex(start, width: 8) + " "
            for place in 0..<16 {
                if place == 8 { text += " " }
                text += place < line.count ? " " + hex(Int(line[start + place]), width: 2) : "   "
            }
            let characters = line.map { (32...126).contains($0) ? Character(UnicodeScalar($0)) : "." }
            text += "  |\(String(characters))|\n"
        }
        return text + hex(bytes.count, width: 8) + "\n"
    }

    private static func hex(_ value: Int, width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension TappedMessage {
    fileprivate var json: JSON {
        var members: [(String, JSON)] = [("lane", .integer(lane)), ("position", .position(position)), ("tag", .integer(Int(tag)))]
        if let ticket { members.append(("ticket", .position(ticket))) }
        members += [("bytes", .integer(bytes.count)), ("text", .string(String(decoding: bytes, as: UTF8.self)))]
        return .members(members)
    }
}

/// JetStream's answers to publishes to one stream: `{"stream":"S", "seq":7}`, with `"duplicate": true`, or
/// `{"error":{"code":400,"err_code":10071,…},"stream":"S","seq":0}`.
struct PublishAnswer {
    /// The stream's name in quotation marks.
    private let streamText: [UInt8]

    /// - Parameter stream: a name without quotation marks and the like.
    init(stream: String) { streamText = Array("\"\(stream)\"".utf8) }

    func outcome(_ answer: UnsafeRawBufferPointer) -> (Receipt.Outcome, isDuplicate: Bool) {
        if Self.value(of: "\"error\":", in: answer)?.first == 123 {  // '{'
            let code = Self.number(behind: "\"err_code\":", in: answer) ?? 0
            let text = String(decoding: answer, as: UTF8.self)
            switch code {
            case 10070, 10071: return (.wrongSequence, false)
            // The message is too large, or its headers are.
            case 10054, 10097: return (.refused(text), false)
            // The stream is sealed, or is another one.
            case 10109, 10060: return (.closed(text), false)
            default: return (.unavailable(text), false)
            }
        }
        guard let sequence = Self.number(behind: "\"seq\":", in: answer) else {
            return (.unavailable("the broker's answer is none: \(String(decoding: answer.prefix(200), as: UTF8.self))"), false)
        }
        guard let name = Self.value(of: "\"stream\":", in: answer), name.starts(with: streamText) else {
            return (.closed("another stream took the message: \(String(decoding: answer.prefix(400), as: UTF8.self))"), false)
        }
        return (.stored(sequence), Self.value(of: "\"duplicate\":", in: answer)?.starts(with: "true".utf8) ?? false)
    }

    /// The bytes behind a key, without blanks in front: brokers write some.
    private static func value(of key: StaticString, in answer: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
        guard let at = position(of: key, in: answer) else { return nil }
        return answer[(at + key.utf8CodeUnitCount)...].drop { $0 == 32 }
    }

    private static func position(of text: StaticString, in answer: UnsafeRawBufferPointer) -> Int? {
        let text = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard answer.count >= text.count else { return nil }
        return (0...answer.count - text.count).first { start in
            answer[start] == text[0] && UnsafeRawBufferPointer(rebasing: answer[start..<start + text.count]).elementsEqual(text)
        }
    }

    private static func number(behind text: StaticString, in answer: UnsafeRawBufferPointer) -> UInt64? {
        guard let value = value(of: text, in: answer) else { return nil }
        var at = value.startIndex
        return Digits.read(answer, at: &at)
    }
}

import SharedRing

// The calls with streams of `CallTorture`: each part is the call's and in its turn, and a stream that was replied to is whole.

extension CallTorture {
    /// How many parts a call's stream has, which wants them all.
    static func partCount(_ id: Int) -> Int { id % 60 }

    static func part(_ id: Int, _ number: Int) -> [UInt8] {
        let size = 12 + (id &+ number &* 7) % 300
        return (0..<size).map {
            switch $0 {
            case 0..<8: UInt8(truncatingIfNeeded: id >> (8 * $0))
            case 8..<12: UInt8(truncatingIfNeeded: number >> (8 * ($0 - 8)))
            default: UInt8(truncatingIfNeeded: id &* 17 &+ number &+ $0)
            }
        }
    }

    /// The server's side. Returns what is wrong.
    static func stream(_ id: Int, _ request: consuming CallRequest) throws -> String? {
        if id % 16 == 5 { return nil }  // dropped
        var writer = try request.stream()
        do throws(RingError) {
            for number in 0..<partCount(id) {
                let bytes = part(id, number)
                if number % 3 == 0 {
                    while try !writer.trySend(bytes) { try writer.send([]) }
                } else {
                    try writer.send(bytes)
                }
            }
            if id % 16 == 3 { try writer.refuse("no \(id)") } else { try writer.finish(payload(id)) }
            return nil
        } catch {
            return error.code == .streamStopped ? nil : "the stream of call \(id) ended with \(error)"
        }
    }

    /// The client's side: whether the end was seen, and what is wrong.
    static func readStream(_ id: Int, _ client: CallClient, _ timeout: Duration) throws(CallError) -> (end: Bool, wrong: String?) {
        let stopsAt = id % 9 == 0 ? id % 40 : .max
        var stream = try client.stream(payload(id), timeout: timeout)
        var number = 0
        while true {
            if number == stopsAt { return (false, nil) }
            guard try stream.next() else { break }
            // An empty part says that there was no room.
            if stream.byteCount == 0 { continue }
            let found = stream.array
            if found != part(id, number) { return (false, "part \(number) is another: \(found.prefix(16))") }
            number += 1
        }
        guard number == partCount(id) else { return (true, "\(number) parts instead of \(partCount(id))") }
        let reply = stream.takeReply()?.array
        return (true, reply == payload(id) ? nil : "another end: \(String(describing: reply?.prefix(16)))")
    }
}

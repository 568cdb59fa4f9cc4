/// What observers see of a lane.
struct Counts: Equatable, CustomStringConvertible {
    var messages: UInt64 = 0
    var byteCount: UInt64 = 0

    var description: String { "\(messages) messages of \(byteCount) bytes" }

    static func + (first: Counts, second: Counts) -> Counts {
        Counts(messages: first.messages &+ second.messages, byteCount: first.byteCount &+ second.byteCount)
    }
}

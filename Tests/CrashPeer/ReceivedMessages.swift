import SharedRing

/// What a consumer was given: messages, and ends between them.
struct ReceivedMessages {
    var messages: [NumberedMessage] = []
    /// As the ring numbers them: positions in a lane, or tickets.
    var sequences: [UInt64] = []
    /// E closed, D died; and how many messages had come before.
    var ends: [(kind: Character, after: Int)] = []
    /// Ends that a merging consumer has counted.
    var counts: ProducerEnds?
    /// What must not be.
    var problems: [String] = []

    init() {}

    init<Source: Receiving & ~Copyable>(_ source: inout Source) {
        // Twice: in a total order the first look only takes back the ticket floor of a dead producer.
        var fruitless = 0
        while fruitless < 2 && messages.count < 5000 && problems.isEmpty {
            if !take(&source, timeout: .zero) { fruitless += 1 }
        }
        if messages.count == 5000 { problems.append("no end to the messages") }
        counts = source.endCounts
    }

    /// False: nothing came.
    mutating func take<Source: Receiving & ~Copyable>(_ source: inout Source, timeout: Duration) -> Bool {
        do throws(RingError) {
            if let message = try source.next(timeout: timeout) {
                let (bytes, tag, lane, sequence) = (message.array, message.tag, message.lane, message.sequence)
                if let message = NumberedMessage(bytes, tag: tag, lane: lane) {
                    messages.append(message)
                    sequences.append(sequence)
                } else {
                    problems.append("a message of \(bytes.count) bytes with tag \(tag) in lane \(lane), not as it was sent")
                }
            } else {
                ends.append(("E", messages.count))
            }
            return true
        } catch {
            if error.code == .peerDied {
                ends.append(("D", messages.count))
                return true
            }
            if error.code != .timedOut && error.code != .cancelled { problems.append("\(error)") }
            return false
        }
    }

    static func + (first: ReceivedMessages, second: ReceivedMessages) -> ReceivedMessages {
        var sum = first
        sum.messages += second.messages
        sum.sequences += second.sequences
        sum.ends += second.ends.map { ($0.kind, $0.after + first.messages.count) }
        sum.problems += second.problems
        sum.counts = second.counts ?? first.counts
        return sum
    }

    func messages(of lane: Int) -> [NumberedMessage] { messages.filter { $0.lane == lane } }
    var endWord: String { String(ends.map(\.kind)) }
}

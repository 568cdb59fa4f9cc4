/// What the next process must find, as it stood at one point.
struct Expected {
    struct Lane {
        /// Sent for certain, and perhaps.
        let low, high: UInt32
        let lowBytes, highBytes: UInt32
        /// Acknowledged for certain, and perhaps.
        let acknowledged, used: UInt32
    }

    let lanes: [Lane]
    let shape: TestRing.Shape
    let life: Note.Life
    let consumerLife: Note.Life
    let reported: UInt32
    let prior: Situation.Prior
    let priorCount: UInt32

    /// `fromStart`: to one consumer that has seen everything.
    init(_ situation: Situation, _ note: Note, fromStart: Bool = false) {
        shape = situation.shape
        lanes = (0..<shape.lanes).map { lane in
            Lane(
                low: note.low(lane), high: note.high(lane), lowBytes: note.lowBytes(lane), highBytes: note.highBytes(lane),
                acknowledged: fromStart ? 0 : note.acknowledged(lane), used: fromStart ? 0 : note.used(lane))
        }
        life = note.life
        consumerLife = note.consumerLife
        reported = note.reported
        prior = situation.operation.side == .producer ? situation.prior : .none
        priorCount = situation.priorCount
    }

    /// How the streams of the operation's lane may end; a character each.
    func words(endsUnseen: Bool) -> Set<String> {
        let before = prior == .none ? "" : prior == .closed ? "E" : "D"
        var tails: Set<String> =
            switch life {
            case .never: [""]
            case .arriving: ["", "D"]
            case .attached: ["D"]
            case .leaving: ["D", "E"]
            case .closed: ["E"]
            }
        // A consumer that reports all ends at once keeps none before that: the next consumer counts them as well.
        if shape == .spsc {
            if reported == 1 { tails.insert("") }
            if reported == 2 { tails = [""] }
        }
        // Streams without a message may pass unseen, if they follow an end that was unread when they began.
        if endsUnseen && prior != .none && lanes[shape.lane].high == priorCount { tails.insert("") }
        return Set(tails.map { before + $0 })
    }

    /// The messages of every lane: none lost, none doubled, in order, beginning where the consumer may have been.
    func problems(with received: ReceivedMessages) -> [String] {
        var problems = received.problems
        for (lane, bounds) in lanes.enumerated() {
            let messages = received.messages(of: lane)
            for (index, message) in messages.enumerated().dropFirst() where message.number != messages[index - 1].number + 1 {
                problems.append("in lane \(lane) \(message) came after \(messages[index - 1])")
            }
            if let first = messages.first?.number {
                if first < bounds.acknowledged { problems.append("\(messages[0]) came again after it was acknowledged") }
                if first > bounds.used { problems.append("lane \(lane) begins with \(first), though \(bounds.used) was not used up") }
            }
            let end = messages.last.map { $0.number + 1 }
            if let end, end != bounds.low && end != bounds.high {
                problems.append("lane \(lane) goes to \(end), sent were \(bounds.low), or \(bounds.high)")
            }
            if end == nil && bounds.used < bounds.low { problems.append("lane \(lane) is empty, sent were \(bounds.low)") }
        }
        if shape == .total {
            for (first, second) in zip(received.sequences, received.sequences.dropFirst()) where first >= second {
                problems.append("ticket \(second) came after ticket \(first)")
            }
            for (first, second) in zip(received.messages, received.messages.dropFirst()) where first.order > second.order {
                problems.append("\(second) came after \(first), against the order of their sending")
            }
        }
        return problems
    }

    /// The counts: exactly what was committed, whatever its sender had published.
    func problems(with counts: [Counts]) -> [String] {
        zip(lanes, counts).enumerated().flatMap { lane, pair in
            let (bounds, counts) = pair
            let before = Counts(messages: UInt64(bounds.low), byteCount: UInt64(bounds.lowBytes))
            let after = Counts(messages: UInt64(bounds.high), byteCount: UInt64(bounds.highBytes))
            return counts == before || counts == after ? [] : ["lane \(lane) counts \(counts), not \(before), or \(after)"]
        }
    }

    /// And what was counted is what was found.
    func problems(with counts: [Counts], _ received: ReceivedMessages) -> [String] {
        counts.enumerated().flatMap { lane, counts in
            let last = received.messages(of: lane).last { $0.number < Recovery.fresh }
            guard let last, UInt64(last.number) + 1 != counts.messages else { return [String]() }
            return ["lane \(lane) goes to \(last.number + 1), and counts \(counts)"]
        }
    }

    /// The ends: `neighbour` says how the other lane's streams may have ended.
    func problems(withEndsOf received: ReceivedMessages, words: Set<String>, neighbour: Set<String>, final: Set<String>) -> [String] {
        if shape == .spsc {
            var problems = words.contains(received.endWord) ? [] : ["ends '\(received.endWord)', expected one of \(words.sorted())"]
            if prior != .none, let first = received.ends.first, first.after != Int(priorCount) {
                problems.append("the first end came after \(first.after) messages, not \(priorCount)")
            }
            return problems
        }
        var problems: [String] = []
        let sums = words.flatMap { word in neighbour.map { word + $0 } }.map(Self.counts)
        let found = [received.counts?.closed ?? -1, received.counts?.died ?? -1]
        if !sums.contains(found) { problems.append("\(found) producers closed and died, expected one of \(sums)") }
        if !final.contains(received.endWord) {
            problems.append("reported '\(received.endWord)' at the end, expected one of \(final.sorted())")
        }
        return problems
    }

    private static func counts(_ word: String) -> [Int] { [word.count { $0 == "E" }, word.count { $0 == "D" }] }
}

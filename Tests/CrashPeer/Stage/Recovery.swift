import CTestSupport
import Foundation
import SharedRing

/// What the next processes do with a ring in which a process was killed, and whether they get what is promised.
struct Recovery {
    let name: String
    let shape: TestRing.Shape
    let options: RingOptions
    let expected: Expected

    /// Where the numbers of the successors' messages begin.
    static let fresh: UInt32 = 10_000

    private func found() throws -> TestRing { try .open(name, shape, options) }

    /// A consumer comes first, then producers.
    func consumerFirst() -> [String] {
        report("consumer first") {
            let ring = try found()
            let counts = try counts()
            var problems = expected.problems(with: counts)
            var consumer = try ring.makeReceiver()
            let received = consumer.drain()
            problems += expected.problems(with: received) + expected.problems(with: counts, received)
            problems += expected.problems(
                withEndsOf: received, words: expected.words(endsUnseen: false), neighbour: ["D"], final: ["D"])
            return problems + goOn(ring, &consumer, hasNeighbour: false)
        }
            + report("nothing doubled, and removed") {
                let ring = try found()
                var consumer = try ring.makeReceiver()
                let received = consumer.drain()
                try consumer.close()
                try SPSCRing.remove(name, options: options)
                let found = received.messages.count + (received.counts.map { $0.closed + $0.died } ?? received.ends.count)
                return received.problems + (found == 0 ? [] : ["\(received.messages) and '\(received.endWord)' came again"])
            }
    }

    /// Producers take the lanes over before a consumer has read.
    func producerFirst() -> [String] {
        report("producer first") {
            let ring = try found()
            let counts = try counts()
            var first = try ring.makeProducer()
            var sent = [try fill(&first, limit: 3)]
            if shape == .spsc {
                try first.close()
            } else {
                var second = try ring.makeProducer()
                sent.append(try fill(&second, limit: 3))
                try first.close()
                try second.close()
            }
            var consumer = try ring.makeReceiver()
            var received = consumer.drain()
            var problems = freshProblems(received, sent) + countProblems(counts, then: sent.reduce(0, +), try self.counts())
            received.messages.removeAll { $0.number >= Self.fresh }
            problems += expected.problems(with: received)
            func then(_ words: Set<String>, _ count: Int) -> Set<String> {
                Set(words.map { $0 + "E" }).union(count == 0 ? words : [])
            }
            problems += expected.problems(
                withEndsOf: received, words: then(expected.words(endsUnseen: true), sent[shape.lane]), neighbour: then(["D"], sent[0]),
                final: ["D"])
            try consumer.close()
            return problems
        }
    }

    /// New producers, two full laps, an end in order.
    func goOn(_ ring: TestRing, _ consumer: inout Receiver, hasNeighbour: Bool) -> [String] {
        do {
            var problems: [String] = []
            let counts = try counts()
            var sent = 0
            var first = try ring.makeProducer()
            if shape == .spsc || hasNeighbour {
                for _ in 0..<2 { problems += lap(&consumer, [try fill(&first, limit: .max)], &sent) }
                try first.close()
            } else {
                var second = try ring.makeProducer()
                for _ in 0..<2 { problems += lap(&consumer, [try fill(&first, limit: .max), try fill(&second, limit: .max)], &sent) }
                try first.close()
                try second.close()
            }
            problems += countProblems(counts, then: sent, try self.counts())
            let received = consumer.drain()
            problems += received.problems
            let word = hasNeighbour ? "" : "E"
            if received.endWord != word || !received.messages.isEmpty {
                problems.append("after a close in order: \(received.messages), '\(received.endWord)'")
            }
            return problems
        } catch {
            return ["going on: \(error)"]
        }
    }

    /// Lanes that were empty are full; now they are emptied.
    private func lap(_ consumer: inout Receiver, _ sent: [Int], _ sum: inout Int) -> [String] {
        var problems: [String] = []
        sum += sent.reduce(0, +)
        let least = (4096 - 64) / (shape == .total ? 32 : 24)
        for count in sent where count < least { problems.append("an empty lane took only \(count) messages, not \(least)") }
        let received = consumer.drain()
        if !received.ends.isEmpty { problems.append("'\(received.endWord)' was reported in the midst of a stream") }
        return problems + received.problems + freshProblems(received, sent, isLap: true)
    }

    /// What an observer finds counted now, lane by lane.
    func counts() throws -> [Counts] {
        let statistics = try RingStatistics(name, options: options)
        return (0..<shape.lanes).map { number in
            let lane = statistics.lanes.first { $0.number == number }
            return Counts(messages: lane?.messages ?? 0, byteCount: lane?.byteCount ?? 0)
        }
    }

    /// Successors count on from there.
    private func countProblems(_ before: [Counts], then sent: Int, _ after: [Counts]) -> [String] {
        let wanted = before.reduce(Counts(), +) + Counts(messages: UInt64(sent), byteCount: UInt64(sent * NumberedMessage.smallest))
        let found = after.reduce(Counts(), +)
        return found == wanted ? [] : ["the successors count \(found), not \(wanted)"]
    }

    /// As many small messages as fit.
    func fill(_ producer: inout Producer, limit: Int) throws -> Int {
        var count = 0
        while count < limit {
            let message = NumberedMessage(lane: UInt32(producer.lane), number: Self.fresh + UInt32(count), order: Situation.orderAfterwards)
            guard try producer.trySend(message.bytes(), tag: message.number) else { break }
            count += 1
        }
        return count
    }

    /// The successors' messages, all of them, once. In a lap the lanes are those that were filled, in whatever order.
    private func freshProblems(_ received: ReceivedMessages, _ sent: [Int], isLap: Bool = false) -> [String] {
        var counts: [Int] = []
        for lane in 0..<shape.lanes {
            let messages = received.messages(of: lane).filter { $0.number >= Self.fresh }
            if messages.map(\.number) != (0..<UInt32(messages.count)).map({ Self.fresh + $0 }) {
                return ["the successors' messages of lane \(lane) came as \(messages)"]
            }
            counts.append(messages.count)
        }
        let wanted = isLap && sent.count < counts.count ? [0] + sent : sent
        return counts.sorted() == wanted.sorted() ? [] : ["the successors sent \(sent) messages, \(counts) came"]
    }

    private func report(_ what: String, _ body: () throws -> [String]) -> [String] {
        do { return try body().map { "\(what): \($0)" } } catch { return ["\(what): \(error)"] }
    }
}

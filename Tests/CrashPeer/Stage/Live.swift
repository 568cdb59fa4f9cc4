import CTestSupport
import Foundation
import SharedRing

/// Runs an operation to one of its points, with others alive around it. There it is killed, or held up while the others go
/// on and then let go to its end.
struct Live {
    let situation: Situation
    let directory: String
    let holds: Bool

    /// Nil: the operation has no such point.
    func run(to point: Int) -> [String]? {
        do {
            let stage = try Stage(situation, in: directory)
            let sleeping = try stage.putToSleep()
            var seen = stage.drainedBefore
            var stop = Stop.mark
            for turn in 0...point {
                stop = stage.advance()
                if stop == .mark || turn == point { break }
                guard [.changed, .calling, .called, .asleep].contains(stop) else { return ["\(stop) on the way"] }
                if stop == .asleep { seen = try seen + stage.wakeUp() }
            }
            if stop == .mark && point > 0 { return nil }
            var problems: [String] = []
            if holds { problems += try letOthersGoOn(stage, &seen, isSlept: sleeping != nil) }
            let problemsAfter = try afterwards(stage, seen, sleeping)
            return (problems + problemsAfter).map { "point \(point), \(stop): \($0)" }
        } catch {
            return ["point \(point): \(error)"]
        }
    }

    /// Held up after so many instructions, whatever they did: between two points a process may fall asleep on what has come.
    /// Nil: the operation has come to its end, or to its sleep, before.
    func hold(after instructions: Int) -> [String]? {
        do {
            let stage = try Stage(situation, in: directory)
            guard stage.skip(instructions) == .changed else { return nil }
            var seen = stage.drainedBefore
            var problems = try letOthersGoOn(stage, &seen, isSlept: false)
            problems += try afterwards(stage, seen, nil)
            return problems.map { "instruction \(instructions): \($0)" }
        } catch {
            return ["instruction \(instructions): \(error)"]
        }
    }

    /// It stands still at a point, as by SIGSTOP: no process waits for it, and when it goes on it comes to its end.
    private func letOthersGoOn(_ stage: Stage, _ seen: inout ReceivedMessages, isSlept: Bool) throws -> [String] {
        var problems: [String] = []
        if situation.operation.side == .producer {
            if stage.note.life == .attached && situation.operation != .dropProducer {
                problems += isTaken("producer") { () throws(RingError) in _ = try stage.ring!.makeProducer() }
            }
            if !isSlept { seen = seen + stage.drain() }
            if stage.neighbour != nil {
                for _ in 0..<2 { try stage.sendAsNeighbour() }
                if !isSlept { seen = seen + stage.drain() }
                if situation.shape == .mpsc, !isSlept, seen.messages(of: 0).count != Int(stage.note.low(0)) {
                    problems.append("the other lane's messages were held up: \(seen.messages)")
                }
            }
        } else {
            if stage.note.consumerLife == .attached && situation.operation != .dropConsumer {
                problems += isTaken("consumer") { () throws(RingError) in _ = try stage.ring!.makeReceiver() }
            }
            if stage.feeder != nil && (situation.fill == .few || situation.operation == .sleep) {
                for _ in 0..<2 { try stage.feed() }
            }
            if stage.neighbour != nil && situation.operation != .noteDeath { try stage.sendAsNeighbour() }
        }
        try stage.run()
        if situation.operation == .attachProducer { try stage.run() }
        return problems
    }

    private func isTaken(_ role: String, _ take: () throws(RingError) -> Void) -> [String] {
        do throws(RingError) {
            try take()
            return ["a held up process lost its role as \(role)"]
        } catch {
            return error.code == .roleTaken ? [] : ["\(error)"]
        }
    }

    // MARK: After its death

    private func afterwards(_ stage: Stage, _ seen: ReceivedMessages, _ sleeping: Sleeping?) throws -> [String] {
        let isProducers = situation.operation.side == .producer
        let expected = Expected(situation, stage.note, fromStart: isProducers)
        stage.kill()
        let recovery = Recovery(name: Stage.name, shape: situation.shape, options: stage.options, expected: expected)
        let problems = expected.problems(with: try recovery.counts())
        return try problems + (isProducers ? afterProducer(stage, seen, sleeping, recovery) : afterConsumer(stage, recovery))
    }

    private func afterProducer(_ stage: Stage, _ seen: ReceivedMessages, _ sleeping: Sleeping?, _ recovery: Recovery) throws -> [String] {
        let ring = stage.ring!
        var expected = recovery.expected
        var received = seen
        var successors = 0
        if let sleeping {
            // The next sender wakes a consumer that the killed one has left asleep.
            if stage.neighbour != nil {
                try stage.sendAsNeighbour()
                expected = Expected(situation, stage.note, fromStart: true)
            } else {
                var successor = try ring.makeProducer()
                successors = try recovery.fill(&successor, limit: 1)
                try successor.close()
            }
            received = received + sleeping.join(within: 60)
            stage.consumer = sleeping.takeReceiver()
        }
        received = received + stage.drain()
        var problems: [String] = []
        let fresh = received.messages.filter { $0.number >= Recovery.fresh }
        if fresh.count != successors { problems.append("the successor's message did not come") }
        received.messages.removeAll { $0.number >= Recovery.fresh }
        problems += expected.problems(with: received)
        let words = expected.words(endsUnseen: successors > 0)
        problems += expected.problems(
            withEndsOf: received, words: successors > 0 ? Set(words.map { $0 + "E" }) : words, neighbour: [""], final: [""])
        var consumer = stage.consumer.take()!
        problems += recovery.goOn(ring, &consumer, hasNeighbour: stage.neighbour != nil)
        return try problems + endAll(stage, &consumer, someDied: (received.counts?.died ?? 0) > 0)
    }

    private func afterConsumer(_ stage: Stage, _ recovery: Recovery) throws -> [String] {
        let (ring, expected) = (stage.ring!, recovery.expected)
        var problems: [String] = []
        if stage.feeder != nil && expected.consumerLife == .attached {
            problems += learnsOfDeath(&stage.feeder!)
        }
        var consumer = try ring.makeReceiver()
        let received = consumer.drain()
        problems += expected.problems(with: received)
        var words = stage.feeder == nil ? expected.words(endsUnseen: false) : [""]
        if situation.operation == .noteDeath { words = ["", "D"] }  // noted is counted; it must be reported at the end
        problems += expected.problems(withEndsOf: received, words: words, neighbour: [""], final: [""])
        let feederDied = situation.shape != .spsc && stage.feeder == nil
        if let feeder = stage.feeder.take() {
            try feeder.close()
            let rest = consumer.drain()
            let word = situation.shape == .spsc ? "E" : ""
            problems += rest.problems
            if !rest.messages.isEmpty || rest.endWord != word { problems.append("after its close: \(rest.messages), '\(rest.endWord)'") }
        }
        problems += recovery.goOn(ring, &consumer, hasNeighbour: stage.neighbour != nil)
        return try problems + endAll(stage, &consumer, someDied: feederDied)
    }

    /// Told at the end of all streams.
    private func endAll(_ stage: Stage, _ consumer: inout Receiver, someDied: Bool) throws -> [String] {
        guard let neighbour = stage.neighbour.take() else { return [] }
        try neighbour.close()
        let word = consumer.drain().endWord
        return word == (someDied ? "D" : "E") ? [] : ["at the end of all streams '\(word)' was reported, some died: \(someDied)"]
    }

    /// A producer that waits for acknowledgement gets that once, unless there is nothing to wait for.
    private func learnsOfDeath(_ producer: inout Producer) -> [String] {
        do throws(RingError) {
            try producer.waitUntilAcknowledged(timeout: .zero)
            return []
        } catch {
            if error.code != .peerDied { return ["instead of its consumer's death the producer got: \(error)"] }
        }
        do throws(RingError) {
            try producer.waitUntilAcknowledged(timeout: .zero)
            return ["everything is acknowledged, after the consumer's death"]
        } catch {
            return error.code == .timedOut ? [] : ["the producer got it again: \(error)"]
        }
    }
}

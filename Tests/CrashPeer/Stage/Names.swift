import CTestSupport
import Foundation
import SharedRing

/// Operations on names: nothing half-made is ever to be seen, whenever its maker is killed or held up. A directory
/// changes only inside system calls, so it is looked at around those.
struct Names {
    enum Way {
        case watch, kill, hold
    }

    let situation: Situation
    let directory: String

    func run(_ way: Way, to point: Int) -> (outcome: Outcome, hasPoint: Bool) {
        var outcome = Outcome()
        var stop = Stop.mark
        do {
            let stage = try Stage(situation, in: directory)
            for turn in 0...point {
                stop = stage.advanceByCall()
                if way == .watch { outcome.problems += problems(stage).map { "\(stop), call \(turn / 2): \($0)" } }
                if stop == .mark { break }
                guard [.calling, .called].contains(stop) else {
                    outcome.problems.append("\(stop) at point \(turn)")
                    break
                }
                outcome.calls += 1
            }
            switch way {
            case .watch: outcome.images = outcome.calls
            case .kill:
                outcome.kills = 1
                stage.kill()
                outcome.problems += problems(stage) + goOn(stage)
            case .hold where stop != .mark:
                outcome.holds = 1
                outcome.problems += try hold(stage)
            case .hold: break
            }
        } catch {
            outcome.problems.append("\(error)")
        }
        if way != .watch { outcome.problems = outcome.problems.map { "point \(point): \($0)" } }
        return (outcome, stop != .mark)
    }

    private func names(_ stage: Stage) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: stage.directory)) ?? ["?"]).sorted()
    }

    /// The directory holds nothing but whole rings.
    private func problems(_ stage: Stage) -> [String] {
        let names = names(stage)
        if names != [] && names != [Stage.name] { return ["the directory holds \(names)"] }
        let (isMaking, phase) = (![.remove, .removeIfUnused].contains(situation.operation), stage.note.phase)
        if phase == 2 && names.isEmpty == isMaking { return ["it returned, and the directory holds \(names)"] }
        if phase == 0 && names.isEmpty == (![.create, .openOrCreate].contains(situation.operation)) { return ["too early: \(names)"] }
        if names.isEmpty { return [] }
        do throws(RingError) {
            _ = try TestRing.open(Stage.name, situation.shape, stage.options)
            return []
        } catch {
            return ["\(error)"]
        }
    }

    /// The next process makes or finds a ring, uses it and removes it.
    private func goOn(_ stage: Stage) -> [String] {
        do {
            let ring = try TestRing.openOrCreate(Stage.name, situation.shape, stage.options)
            var consumer = try ring.makeReceiver()
            let recovery = Recovery(
                name: Stage.name, shape: situation.shape, options: stage.options, expected: Expected(situation, stage.note))
            var problems = recovery.goOn(ring, &consumer, hasNeighbour: false)
            try consumer.close()
            try SPSCRing.remove(Stage.name, options: stage.options)
            let left = names(stage)
            if !left.isEmpty { problems.append("\(left) was left") }
            return problems
        } catch {
            return ["going on: \(error)"]
        }
    }

    /// Another process takes a role while this one stands still: the holder of a role keeps the name.
    private func hold(_ stage: Stage) throws -> [String] {
        let ring = try TestRing.openOrCreate(Stage.name, situation.shape, stage.options)
        var producer: Producer?
        do throws(RingError) { producer = try ring.makeProducer() } catch {
            // A remover that stands still with every byte in hand keeps others out until it goes on.
            if error.code != .inUse && error.code != .roleTaken { return ["\(error)"] }
        }
        try stage.run()
        stage.kill()
        if producer == nil { return goOn(stage) }
        let message = NumberedMessage(lane: 0, number: 0, order: 0)
        try producer!.send(message.bytes(), tag: 0)
        try producer.take()!.close()
        var consumer = try TestRing.open(Stage.name, situation.shape, stage.options).makeReceiver()
        let received = consumer.drain()
        try consumer.close()
        return received.messages == [message] ? goOn(stage) : ["a message to a ring that has its name was lost: \(received)"]
    }
}

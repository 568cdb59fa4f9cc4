import CTestSupport
import Foundation

/// Tries situations one after the other, and prints a table.
struct Survey {
    let situations: [Situation]
    /// Of a broadcast's operations, those that have one of these words in their name; all, without words.
    let broadcasts: [String]
    let boards: [BoardSituation]
    let calls: [CallSituation]
    /// Kills and holds at every point instead of some.
    let isFull: Bool

    func run() -> Bool {
        let directory = String(cString: ts_make_directory("/dev/shm/sharedring-crash"))
        defer { try? FileManager.default.removeItem(atPath: directory) }
        say(row("situation", "instructions", "changes", "calls", "images", "kills", "holds", "violations"))
        var sum = Outcome()
        for situation in situations {
            let outcome = outcome(of: situation, in: directory)
            sum += outcome
            say(line(situation.name, outcome))
            for problem in outcome.problems.prefix(8) { say("    violation: \(problem)") }
        }
        var count = situations.count + boards.count + calls.count
        for broadcast in BroadcastCrash.all(in: directory) where broadcasts.isEmpty || broadcasts.contains(where: broadcast.name.contains) {
            let outcome = broadcast.run(isFull: isFull)
            sum += outcome
            count += 1
            say(line(broadcast.name, outcome))
            for problem in outcome.problems.prefix(8) { say("    violation: \(problem)") }
        }
        for board in boards {
            let outcome = BoardCrash(situation: board, directory: directory).run()
            sum += outcome
            say(line(board.name, outcome))
            for problem in outcome.problems.prefix(8) { say("    violation: \(problem)") }
        }
        for call in calls {
            let outcome = CallCrash(situation: call, directory: directory).run()
            sum += outcome
            say(line(call.name, outcome))
            for problem in outcome.problems.prefix(8) { say("    violation: \(problem)") }
        }
        say(line("\(count) situations", sum))
        return sum.problems.isEmpty && count > 0
    }

    private func outcome(of situation: Situation, in directory: String) -> Outcome {
        if situation.operation.side == .name { return outcomeOnName(situation, directory) }
        var outcome = Images(situation: situation, directory: directory).run()
        if !outcome.problems.isEmpty { return outcome }
        for point in chosen(outcome) {
            if let problems = Live(situation: situation, directory: directory, holds: false).run(to: point) {
                outcome.kills += 1
                outcome.problems += problems.map { "killed at \($0)" }
            }
            if let problems = Live(situation: situation, directory: directory, holds: true).run(to: point) {
                outcome.holds += 1
                outcome.problems += problems.map { "held at \($0)" }
            }
            if outcome.problems.count > 8 { break }
        }
        if situation.operation == .sleep || situation.operation == .waitForRoom { fallAsleep(situation, directory, &outcome) }
        return outcome
    }

    /// An endpoint that falls asleep is held up at some instructions of its way, in the full form at every 16th. Then news comes for it.
    private func fallAsleep(_ situation: Situation, _ directory: String, _ outcome: inout Outcome) {
        let live = Live(situation: situation, directory: directory, holds: true)
        let step = isFull ? 16 : max(1, Int(outcome.instructions) / 8)
        for instruction in stride(from: 1, to: Int(outcome.instructions), by: step) {
            guard let problems = live.hold(after: instruction) else { break }
            outcome.holds += 1
            outcome.problems += problems.map { "held at \($0)" }
            if !problems.isEmpty { break }
        }
    }

    private func outcomeOnName(_ situation: Situation, _ directory: String) -> Outcome {
        let names = Names(situation: situation, directory: directory)
        var outcome = names.run(.watch, to: .max - 1).outcome
        for point in chosen(outcome) {
            for way in [Names.Way.kill, .hold] {
                let one = names.run(way, to: point).outcome
                outcome.kills += one.kills
                outcome.holds += one.holds
                outcome.problems += one.problems
            }
            if outcome.problems.count > 8 { break }
        }
        return outcome
    }

    /// All points, or a few that lie evenly; fewer where the way there is long.
    private func chosen(_ outcome: Outcome) -> [Int] {
        if isFull { return Array(0..<outcome.points) }
        if outcome.instructions > 200_000 { return [] }  // a debug build
        let few = min(outcome.points, outcome.instructions > 5000 ? 1 : 2)
        return (0..<few).map { outcome.points * (2 * $0 + 1) / (2 * few) }
    }

    private func line(_ name: String, _ outcome: Outcome) -> String {
        row(
            name, "\(outcome.instructions)", "\(outcome.changes)", "\(outcome.calls)", "\(outcome.images)", "\(outcome.kills)",
            "\(outcome.holds)", "\(outcome.problems.count)")
    }

    private func row(_ name: String, _ columns: String...) -> String {
        name.padding(toLength: 44, withPad: " ", startingAt: 0)
            + columns.map { String(repeating: " ", count: max(0, 13 - $0.count)) + $0 }.joined()
    }
}

import CTestSupport
import Foundation
import SharedRing

/// Steps through an operation on a board. At every point the segment as it stands is copied, which is what a killed process would leave, and on
/// each copy a reader reads, the next writer goes on, and an entry is added.
struct BoardCrash {
    let situation: BoardSituation
    let directory: String

    func run() -> Outcome {
        var outcome = Outcome()
        do { try run(&outcome) } catch { outcome.problems.append("\(error)") }
        return outcome
    }

    private func run(_ outcome: inout Outcome) throws {
        let stage = directory + "/board-stage"
        TracedSegment.makeStage(stage)
        let board = try situation.make("board", in: stage)
        for version in 1...BoardSituation.before { try board.set(BoardSituation.key, to: BoardSituation.value(version)) }
        let segment = try TracedSegment(stage + "/board")
        // Asleep in another thread, until the traced process, or the next writer, wakes it.
        var sleeping: BoardSleeper?
        if situation == .setAsleep { sleeping = try BoardSleeper(board) }

        var seen: UInt64 = 0
        try segment.step(["board-peer", situation.rawValue, stage], copyingTo: directory + "/board-image", &outcome) { _, point, outcome in
            recover(point, &seen, &outcome)
        }
        if ![.addEntry, .close].contains(situation), seen != BoardSituation.before + 1 {
            outcome.problems.append("at its end version \(seen) is the newest")
        }
        if let sleeping, !sleeping.isWoken(within: 60) { outcome.problems.append("the reader slept on") }
    }

    /// What comes after a death with the segment as in the image.
    private func recover(_ point: String, _ newest: inout UInt64, _ outcome: inout Outcome) {
        func complain(_ what: String) { outcome.problems.append("\(point): \(what)") }
        do {
            var options = situation.options(directory)
            options.allowedOwners = .anyone
            let board = try Board.open("board-image", options: options)
            var reader = try board.makeReader(BoardSituation.key)
            guard let value = try reader.get() else { return complain("there is no value") }
            if value.bytes != BoardSituation.value(value.version) { complain("version \(value.version) is \(value.bytes)") }
            if value.version != BoardSituation.before, value.version != BoardSituation.before + 1 { complain("version \(value.version)") }
            if value.version < newest { complain("version \(value.version) after version \(newest)") }
            newest = value.version

            // The next writer goes on at once, with the next version.
            let next = value.version + 1
            guard try board.set(BoardSituation.key, to: BoardSituation.value(next), timeout: .zero) == next,
                try reader.get()?.bytes == BoardSituation.value(next)
            else { return complain("the next writer did not go on with version \(next)") }

            // Entries that were made are whole; a half-made one is made anew.
            try board.addEntry(BoardSituation.added, capacity: 100, timeout: .zero)
            try board.addEntry("another", capacity: 64, timeout: .zero)
            var view = try board.makeView()
            if view.keys != [BoardSituation.key, BoardSituation.added, "another"] { complain("keys \(view.keys)") }
            for key in [BoardSituation.added, "another"] {
                try board.set(key, to: [7], timeout: .zero)
                if try view.get(key)?.bytes != [7] { complain("entry '\(key)' does not hold its value") }
            }
            if try reader.get()?.bytes != BoardSituation.value(next) { complain("an added entry overwrote the value") }
            let check = try RingCheck("board-image", options: options)
            for damage in check.damage { complain(damage.detail) }
        } catch {
            complain("\(error)")
        }
    }
}

/// A reader that sleeps in a thread of its own, with a check interval that never comes.
final class BoardSleeper: @unchecked Sendable {
    private let done = DispatchSemaphore(value: 0)

    init(_ board: Board) throws {
        final class Box: @unchecked Sendable {
            var reader: BoardReader?
            init(_ reader: consuming BoardReader) { self.reader = consume reader }
        }
        var reader = try board.makeReader(BoardSituation.key, waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(3600)))
        _ = try reader.get()
        let box = Box(reader)
        Thread.detachNewThread { [done] in
            var reader = box.reader.take()!
            if (try? reader.nextChange()) != nil { done.signal() }
        }
        // Until it sleeps: the word in the segment says so, and so does the kernel; a moment is enough, for the writer wakes it either way.
        usleep(100_000)
    }

    func isWoken(within seconds: Double) -> Bool { done.wait(timeout: .now() + seconds) == .success }
}

import CTestSupport
import Foundation
import SharedRing

/// Steps through an operation on a board. At every point the segment as it stands is copied, which is what a killed process would leave, and on
/// each copy a reader reads, the next writer goes on, and an entry is added.
struct BoardCrash {
    let situation: BoardSituation
    let directory: String

    private struct Failure: Error, CustomStringConvertible { let description: String }

    func run() -> Outcome {
        var outcome = Outcome()
        do { try run(&outcome) } catch { outcome.problems.append("\(error)") }
        return outcome
    }

    private func run(_ outcome: inout Outcome) throws {
        let stage = directory + "/board-stage"
        try? FileManager.default.removeItem(atPath: stage)
        try? FileManager.default.removeItem(atPath: CrashPeer.scratch(stage))
        mkdir(stage, 0o700)
        mkdir(CrashPeer.scratch(stage), 0o700)
        let board = try situation.make("board", in: stage)
        for version in 1...BoardSituation.before { try board.set(BoardSituation.key, to: BoardSituation.value(version)) }

        var facts = stat()
        guard stat(stage + "/board", &facts) == 0, let segment = ts_map_file(stage + "/board", UInt64(facts.st_size), 0) else {
            throw Failure(description: "the segment can't be mapped")
        }
        let size = UInt64(facts.st_size)
        let image = UnsafeMutableRawPointer.allocate(byteCount: Int(size), alignment: 64)
        defer {
            munmap(segment, Int(size))
            image.deallocate()
        }
        // Asleep in another thread, until the traced process, or the next writer, wakes it.
        var sleeping: BoardSleeper?
        if situation == .setAsleep { sleeping = try BoardSleeper(board) }

        let words = [CrashPeer.executable, "board-peer", situation.rawValue, stage]
        var arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        guard let trace = ts_trace_start(CrashPeer.executable, &arguments) else { throw Failure(description: "it can't be started") }
        defer { ts_trace_kill(trace) }
        guard ts_trace_run(trace, 60_000) == Int32(TS_MARK.rawValue) else { throw Failure(description: "it did not reach its mark") }
        image.copyMemory(from: segment, byteCount: Int(size))
        var seen: UInt64 = 0
        try recover(image, Int(size), "before it", &seen, &outcome)
        while outcome.problems.count < 5 {
            let stop = Stop(rawValue: UInt32(ts_trace_advance(trace, segment, image, size))) ?? .failed
            let point = "\(stop), after \(ts_trace_instructions(trace)) instructions"
            switch stop {
            case .changed: outcome.changes += 1
            case .calling, .called, .asleep: outcome.calls += 1
            case .mark: break
            case .ended, .stuck, .failed: throw Failure(description: point)
            }
            try recover(image, Int(size), point, &seen, &outcome)
            if stop == .mark { break }
        }
        outcome.instructions = ts_trace_instructions(trace)
        if ![.addEntry, .close].contains(situation), seen != BoardSituation.before + 1 {
            outcome.problems.append("at its end version \(seen) is the newest")
        }
        if let sleeping, !sleeping.isWoken(within: 10) { outcome.problems.append("the reader slept on") }
    }

    /// What comes after a death with the segment as in the image.
    private func recover(_ image: UnsafeMutableRawPointer, _ size: Int, _ point: String, _ newest: inout UInt64, _ outcome: inout Outcome)
        throws
    {
        let path = directory + "/board-image"
        unlink(path)
        let bytes = UnsafeRawBufferPointer(start: image, count: size)
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes), attributes: [.posixPermissions: 0o600]) else {
            throw Failure(description: "the image can't be written")
        }
        // As a tmpfs has it: with all its memory, or it is refused.
        let file = open(path, O_RDWR)
        posix_fallocate(file, 0, off_t(size))
        close(file)
        outcome.images += 1
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

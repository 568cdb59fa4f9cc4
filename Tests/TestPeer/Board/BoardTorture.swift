import Foundation
import SharedRing

/// Writers that are killed at random instants while readers read and waiters wait, until so many values were written.
///
///     TestPeer board-torture [writes=100000] [kills=50] [size=48] [readers=2] [seconds=100] [directory=…] [time=yes]
///
/// A value's words are all its version, so a torn value, or one of another version, is seen. Every value is read in place of the one before, so a
/// step back is seen. The last value has a tag: a waiter that misses it never ends, which is a failure. Prints what happened; exits 0 if nothing did.
struct BoardTorture {
    private static let name = "board"
    private static let key = "value"
    private static let lastTag: UInt32 = 77

    private var setup = Setup([])
    private var writes: UInt64 = 100_000
    private var kills = 50
    private var size = 48
    private var readers = 2
    private var seconds = 100.0
    private var keepsTime = false
    private let words: [String]

    private init(_ words: [String]) {
        self.words = words
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "writes": writes = UInt64(parts[1])!
            case "kills": kills = Int(parts[1])!
            case "size": size = max(8, Int(parts[1])! / 8 * 8)
            case "readers": readers = Int(parts[1])!
            case "seconds": seconds = Double(parts[1])!
            case "directory": setup.options.directory = parts[1]
            case "time": keepsTime = parts[1] == "yes"
            default: break
            }
        }
    }

    static func run(_ arguments: [String]) throws {
        let torture = BoardTorture(Array(arguments.dropFirst()))
        alarm(UInt32(torture.seconds) + 30)
        switch arguments[0] {
        case "board-torture-write": try torture.write()
        case "board-torture-read": try torture.read()
        case "board-torture-wait": try torture.wait()
        default: try torture.run()
        }
    }

    // MARK: The parent

    private func start(_ role: String) -> pid_t {
        let arguments = (["/proc/self/exe", role] + words).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, "/proc/self/exe", nil, nil, arguments, environ) == 0 else { fatalError("can't start a process") }
        return pid
    }

    private func run() throws {
        let board = try Board.create(
            Self.name, entries: [Board.Entry(Self.key, capacity: size)], keepsTime: keepsTime, options: setup.options)
        let end = Date().addingTimeInterval(seconds)
        var onlookers = (0..<readers).map { _ in start("board-torture-read") } + [start("board-torture-wait"), start("board-torture-wait")]
        var writer = start("board-torture-write")
        func fail(_ why: String) -> Never {
            say("FAILED: \(why)")
            for pid in onlookers + [writer] { kill(pid, SIGKILL) }
            exit(1)
        }
        var reader = try board.makeReader(Self.key)
        var killed = 0
        var random = SystemRandomNumberGenerator()
        while try killed < kills || reader.version < writes {
            usleep(UInt32.random(in: 0..<3000, using: &random))
            if Date() > end { fail("not over after \(seconds) s") }
            var status: Int32 = 0
            for pid in onlookers where waitpid(pid, &status, WNOHANG) == pid { fail("a reader ended with status \(status)") }
            // A writer is killed only after it has written something: or there would be nothing to go on with.
            guard killed < kills, try reader.changeNow() != nil else { continue }
            kill(writer, SIGKILL)
            waitpid(writer, &status, 0)
            if status != SIGKILL { fail("a writer ended with status \(status)") }
            killed += 1
            writer = start("board-torture-write")
        }
        kill(writer, SIGKILL)
        var status: Int32 = 0
        waitpid(writer, &status, 0)
        var last = try board.makeWriter(Self.key)
        try set(&last, tag: Self.lastTag)
        while !onlookers.isEmpty {
            if Date() > end { fail("\(onlookers.count) readers did not see the last value within \(seconds) s") }
            usleep(500)
            for pid in onlookers where waitpid(pid, &status, WNOHANG) == pid {
                if status != 0 { fail("a reader ended with status \(status)") }
                onlookers.removeAll { $0 == pid }
            }
        }
        let versions = last.version
        last.close()
        try Board.remove(Self.name, options: setup.options)
        say("passed: \(versions) values, \(killed) writers killed, \(readers) readers and 2 waiters; 0 torn, 0 steps back, 0 missed")
    }

    // MARK: The children

    private func set(_ writer: inout BoardWriter, tag: UInt32 = 0) throws {
        let version = writer.version + 1
        try writer.update(byteCount: size, tag: tag) { span in
            for place in stride(from: 0, to: span.byteCount, by: 8) { span.storeBytes(of: version, toByteOffset: place, as: UInt64.self) }
        }
    }

    private func write() throws {
        var writer = try Board.open(Self.name, options: setup.options).makeWriter(Self.key)
        while true { try set(&writer) }
    }

    private func check(_ bytes: borrowing Span<UInt64>, _ stamp: BoardStamp, _ last: inout UInt64) {
        guard stamp.byteCount == size else { return fail("a value of \(stamp.byteCount) bytes") }
        for index in 0..<(size / 8) where bytes[index] != stamp.version {
            fail("torn: word \(index) of version \(stamp.version) is \(bytes[index])")
        }
        if stamp.version < last { fail("version \(stamp.version) after \(last)") }
        if stamp.version > last, let written = stamp.writtenNanoseconds, written == 0 { fail("version \(stamp.version) has no time") }
        last = stamp.version
    }

    private func fail(_ why: String) {
        say("FAILED: \(why)")
        exit(1)
    }

    private func read() throws {
        var reader = try Board.open(Self.name, options: setup.options).makeReader(Self.key)
        var words = [UInt64](repeating: 0, count: size / 8)
        var last: UInt64 = 0
        while true {
            do throws(RingError) {
                guard let stamp = try reader.read(words: &words) else { continue }
                check(words.span, stamp, &last)
                if stamp.tag == Self.lastTag { return }
            } catch {
                if error.code != .writerTooFast { throw error }
            }
        }
    }

    private func wait() throws {
        // Nothing but the writer's wake, or one of the next writer's, ends its sleep.
        var reader = try Board.open(Self.name, options: setup.options).makeReader(
            Self.key, waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(3600)))
        var words = [UInt64](repeating: 0, count: size / 8)
        var last: UInt64 = 0
        while true {
            _ = try reader.nextChange()
            do throws(RingError) {
                guard let stamp = try reader.read(words: &words) else { continue }
                check(words.span, stamp, &last)
                if stamp.tag == Self.lastTag { return }
            } catch {
                if error.code != .writerTooFast { throw error }
            }
        }
    }
}

extension BoardReader {
    /// Into an array of words.
    mutating func read(words: inout [UInt64]) throws(RingError) -> BoardStamp? {
        var span = words.mutableSpan
        var bytes = span.mutableBytes
        return try read(into: &bytes)
    }
}

import Foundation
import SharedRing

/// Writers that are killed at random instants while readers read and waiters wait, until so many values were written.
///
///     TestPeer board-torture [writes=100000] [kills=50] [reads=1] [size=48] [readers=2] [seconds=100] [seed=N] [directory=…] [time=yes]
///
/// It ends when there were so many writes, kills and reads. The seed decides when writers are killed, as far as the machine lets it.
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
    private var reads: UInt64 = 1
    private var seed = UInt64.random(in: 0 ... .max)
    /// Which reader this process is.
    private var number = 0
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
            case "reads": reads = UInt64(parts[1])!
            case "seed": seed = UInt64(parts[1])!
            case "number": number = Int(parts[1])!
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

    private func start(_ role: String, number: Int = 0) -> pid_t {
        let arguments = (["/proc/self/exe", role] + words + ["number=\(number)"]).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, "/proc/self/exe", nil, nil, arguments, environ) == 0 else { fatalError("can't start a process") }
        return pid
    }

    private func run() throws {
        let counts = (0..<readers).map { Board.Entry(countKey($0), capacity: MemoryLayout<Count>.size) }
        let board = try Board.create(
            Self.name, entries: [Board.Entry(Self.key, capacity: size)] + counts, keepsTime: keepsTime, options: setup.options)
        let end = Date().addingTimeInterval(seconds)
        var onlookers =
            (0..<readers).map { start("board-torture-read", number: $0) } + [start("board-torture-wait"), start("board-torture-wait")]
        var writer = start("board-torture-write")
        func fail(_ why: String) -> Never {
            say("FAILED: \(why)")
            for pid in onlookers + [writer] { kill(pid, SIGKILL) }
            exit(1)
        }
        var reader = try board.makeReader(Self.key)
        var killed = 0
        var random = SplitMix(seed: seed)
        let counters = try counts.map { Counter(try board.makeReader($0.key)) }
        func total() throws -> Count { try counters.indices.reduce(into: Count()) { $0 += try counters[$1].count() } }
        while try killed < kills || reader.version < writes || total().reads < reads {
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
        let counted = try total()
        // A reader has read the last value at least.
        if counted.reads < UInt64(readers) { fail("\(counted.reads) reads of \(readers) readers were counted") }
        last.close()
        try Board.remove(Self.name, options: setup.options)
        say(
            "passed: \(versions) values, \(killed) writers killed, \(counted.reads) reads by \(readers) readers in \(counted.tries) tries, "
                + "\(counted.failures) of them given up, 2 waiters, seed \(seed); 0 torn, 0 steps back, 0 missed")
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

    /// What a reader has done. It is the value of an entry of its own, so that it can be seen while the reader goes on.
    private struct Count: AnyBytes {
        var reads: UInt64 = 0
        var tries: UInt64 = 0
        var failures: UInt64 = 0

        static func += (one: inout Count, other: Count) {
            one.reads += other.reads
            one.tries += other.tries
            one.failures += other.failures
        }
    }

    private final class Counter {
        private var reader: BoardReader

        init(_ reader: consuming BoardReader) { self.reader = reader }

        func count() throws -> Count { try reader.value(as: Count.self) ?? Count() }
    }

    private func countKey(_ number: Int) -> String { "reads \(number)" }

    private func read() throws {
        let board = try Board.open(Self.name, options: setup.options)
        var reader = try board.makeReader(Self.key)
        var counter = try board.makeWriter(countKey(number))
        var words = [UInt64](repeating: 0, count: size / 8)
        var last: UInt64 = 0
        var count = Count()
        while true {
            var isLast = false
            do throws(RingError) {
                guard let stamp = try reader.read(words: &words) else { continue }
                count.reads += 1
                check(words.span, stamp, &last)
                isLast = stamp.tag == Self.lastTag
            } catch {
                if error.code != .writerTooFast { throw error }
                count.failures += 1
            }
            guard isLast || (count.reads + count.failures) % 4096 == 0 else { continue }
            count.tries = count.reads + count.failures + reader.retries
            try counter.set(value: count)
            if isLast { return }
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

import CBench
import CSharedRing
import Glibc
import SharedRing

/// `ringbench board`: what it costs to read the latest value, by a board and by other ways, and to write it.
///
/// Each reader is a process of its own, on a CPU in turn. All begin at one moment and read for the same time. A figure is the median of the turns.
struct BoardBench {
    /// A way to read a value that another process writes.
    enum Way: String, CaseIterable {
        /// The same bytes from the process's own memory: the floor.
        case copy
        case board
        /// A reader copies and then validates by compare-and-swap on a word that all share.
        case compareAndSwap = "compare-and-swap"
        /// `pthread_rwlock_t` in shared memory.
        case rwlock
        /// A reader asks a process that has the value, by a byte in a pipe, and gets it in another.
        case pipe
        /// The writer renames a new file to the name; a reader opens, reads and closes.
        case rename

        /// Whether what a write costs is measured.
        var isWritten: Bool {
            switch self {
            case .board, .rwlock, .pipe, .rename: true
            case .copy, .compareAndSwap: false
            }
        }
    }

    static let peerWord = "board-peer"
    static let key = "value"

    private var sizes = [8, 48, 1024, 4096, 65536]
    private var readers = [1, 2, 8]
    private var repeats = 5
    private var milliseconds = 60
    private let directory = "/dev/shm/ringbench-board-\(getpid())-\(UInt32.random(in: 0 ... .max))"

    init(_ words: [String]) throws {
        let options = try CountOptions(words, of: "board", ["--size", "--readers", "--repeats", "--milliseconds"])
        sizes = options.list("--size", or: sizes)
        readers = options.list("--readers", or: readers)
        repeats = options.number("--repeats", or: repeats)
        milliseconds = options.number("--milliseconds", or: milliseconds)
        guard sizes.allSatisfy({ $0 >= 8 && $0 % 8 == 0 }) else { throw Misuse("a size is a multiple of 8") }
    }

    func perform() throws {
        mkdir(directory, 0o700)
        defer { remove() }
        print(
            "nanoseconds a read of one reader, and reads a second of all; medians of \(repeats) turns of \(milliseconds) ms; the writer is idle"
        )
        for size in sizes {
            try prepare(size)
            for count in readers {
                // The ways in turn, so that what disturbs the machine disturbs all.
                var figures: [Way: [Figure]] = [:]
                for _ in 0..<repeats {
                    for way in Way.allCases {
                        figures[way, default: []].append(try measure(way, size: size, readers: count, isWritten: false))
                    }
                }
                let floor = median(figures[.copy]!.map(\.nanoseconds))
                let shared = median(figures[.compareAndSwap]!.map(\.nanoseconds))
                for way in Way.allCases {
                    let nanoseconds = median(figures[way]!.map(\.nanoseconds))
                    let rate = median(figures[way]!.map(\.perSecond))
                    print(
                        row(
                            "\(size) B, \(count) readers", way.rawValue, decimal(nanoseconds) + " ns", decimal(rate / 1e6) + " M/s",
                            decimal(nanoseconds / floor) + " x copy", decimal(shared / nanoseconds) + " as fast as CAS"))
                }
            }
        }
        print(
            "a writer that never pauses: nanoseconds a write, and by how many round trips of a cache line (line1); reads a second of all readers,"
        )
        print("tries a read, and reads that gave up")
        for size in sizes {
            try prepare(size)
            for count in [0] + readers {
                var figures: [Way: [Figure]] = [:]
                var lines: [Double] = []
                for _ in 0..<repeats {
                    lines.append(try measureLine())
                    for way in Way.allCases where way.isWritten {
                        figures[way, default: []].append(try measure(way, size: size, readers: count, isWritten: true))
                    }
                }
                let line = median(lines)
                for way in Way.allCases where way.isWritten {
                    let figures = figures[way]!
                    let write = median(figures.map(\.writeNanoseconds))
                    print(
                        row(
                            "\(size) B, \(count) readers", way.rawValue, decimal(write) + " ns a write", decimal(write / line) + " x line1",
                            decimal(median(figures.map(\.perSecond)) / 1e6) + " M reads/s",
                            way == .board ? decimal(median(figures.map(\.tries))) + " tries a read" : "",
                            "\(figures.reduce(0) { $0 + $1.failures }) gave up"))
                }
            }
        }
    }

    /// Nanoseconds of a round trip of one cache line, which the writer's CPU and a reader's write in turn.
    private func measureLine() throws -> Double {
        let cpus = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let server = try BoardPeer([Self.peerWord, LineServer.word, directory])
        defer { server.kill() }
        _ = cb_pin(Int32(cpus - 1))
        let memory = SharedPlain(directory)
        var number: UInt64 = 0
        func rounds(_ count: Int) {
            for _ in 0..<count {
                sr_store_release_u64(memory.line, number + 1)
                while sr_load_acquire_u64(memory.line) != number + 2 { sr_pause() }
                number += 2
            }
        }
        // The first round waits for the other process.
        rounds(1)
        let end = sr_now_ns() + Int64(milliseconds) * 1_000_000 / 4
        // The median of many short stretches: where the machine is busy, some of them wait for a processor.
        var stretches: [Double] = []
        while stretches.isEmpty || sr_now_ns() < end {
            let start = sr_now_ns()
            rounds(64)
            stretches.append(Double(sr_now_ns() - start) / 64)
        }
        return median(stretches)
    }

    // MARK: A turn

    private struct Figure {
        var nanoseconds = 0.0
        var perSecond = 0.0
        var failures = 0
        var writeNanoseconds = 0.0
        /// On average.
        var tries = 0.0
    }

    private func prepare(_ size: Int) throws {
        remove()
        mkdir(directory, 0o700)
        let board = try Board.create("board", entries: [Board.Entry(Self.key, capacity: size)], options: Self.options(directory))
        try board.set(Self.key, to: [UInt8](repeating: 1, count: size))
        // For the other ways: a page with the word and the lock, and the bytes behind it.
        let file = open(directory + "/plain", O_CREAT | O_RDWR, 0o600)
        defer { close(file) }
        ftruncate(file, 4096 + size)
        let memory = SharedPlain(directory)
        memory.makeLock()
        let value = open(directory + "/value", O_CREAT | O_RDWR, 0o600)
        defer { close(value) }
        let bytes = [UInt8](repeating: 1, count: size)
        guard Glibc.write(value, bytes, size) == size else { throw Failure("no room in /dev/shm") }
    }

    static func options(_ directory: String) -> RingOptions {
        var options = RingOptions()
        options.directory = directory
        return options
    }

    private func remove() {
        for name in ["board", "plain", "value", "value.new"] { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    private func measure(_ way: Way, size: Int, readers: Int, isWritten: Bool) throws -> Figure {
        let cpus = (0..<Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))).map { $0 }
        let begin = sr_now_ns() + 200_000_000
        var server: BoardPeer?
        if way == .pipe {
            for number in 0..<readers { for name in PipeServer.names(number) { mkfifo(directory + "/" + name, 0o600) } }
            mkfifo(directory + "/" + PipeServer.values, 0o600)
            server = try BoardPeer(
                [Self.peerWord, PipeServer.word, "\(size)", "\(readers)", directory, "\(cpus[readers % cpus.count])"])
        }
        // It waits for requests for ever.
        defer {
            server?.kill()
            for number in 0..<readers { for name in PipeServer.names(number) { unlink(directory + "/" + name) } }
            unlink(directory + "/" + PipeServer.values)
        }
        let peers = try (0..<readers).map { number in
            // Where there is a writer, it has the last CPU to itself.
            let places = isWritten && cpus.count > 1 ? cpus.count - 1 : cpus.count
            return try BoardPeer(
                [
                    Self.peerWord, way.rawValue, "\(size)", "\(begin)", "\(milliseconds)", directory, "\(cpus[number % places])",
                    "\(number)",
                ])
        }
        var figure = Figure()
        if isWritten {
            _ = cb_pin(Int32(cpus.last!))
            figure.writeNanoseconds = try write(way, size, begin)
        }
        for peer in peers {
            let numbers = peer.answer()
            guard numbers.count == 4, numbers[0] > 0 || isWritten else { throw Failure("a reader of '\(way.rawValue)' failed") }
            figure.nanoseconds += numbers[1] / max(1, numbers[0]) / Double(readers)
            figure.perSecond += numbers[0] / numbers[1] * 1e9
            figure.failures += Int(numbers[2])
            figure.tries += (1 + numbers[3] / max(1, numbers[0])) / Double(readers)
        }
        return figure
    }

    /// Writes without a pause until the turn is over. Nanoseconds a write.
    private func write(_ way: Way, _ size: Int, _ begin: Int64) throws -> Double {
        let bytes = [UInt8](repeating: 2, count: size)
        let end = begin + Int64(milliseconds) * 1_000_000
        func loop(_ batch: Int, _ once: () throws -> Void) rethrows -> Double {
            while sr_now_ns() < begin {}
            // Where the machine is busy, this process may start after that.
            let start = sr_now_ns()
            var count = 0
            while count == 0 || sr_now_ns() < end {
                for _ in 0..<batch { try once() }
                count += batch
            }
            return Double(sr_now_ns() - start) / Double(count)
        }
        switch way {
        case .copy, .compareAndSwap: return 0
        case .board:
            var writer = try Board.open("board", options: Self.options(directory)).makeWriter(Self.key)
            return try loop(64) { try writer.set(bytes) }
        case .rwlock:
            let memory = SharedPlain(directory)
            return loop(1) {
                pthread_rwlock_wrlock(memory.lock)
                bytes.withUnsafeBytes { sr_copy(memory.bytes, $0.baseAddress!, Int64(size)) }
                pthread_rwlock_unlock(memory.lock)
            }
        case .pipe:
            // To the process that has the value. Where its pipe is full the writer waits.
            let pipe = open(directory + "/" + PipeServer.values, O_RDWR | O_CLOEXEC)
            defer { close(pipe) }
            return try loop(1) {
                var count = 0
                while count < size {
                    let more = bytes.withUnsafeBytes { Glibc.write(pipe, $0.baseAddress! + count, size - count) }
                    guard more > 0 else { throw Failure("a value can't be written into a pipe") }
                    count += more
                }
            }
        case .rename:
            return try loop(1) {
                let file = open(directory + "/value.new", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0o600)
                let written = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress!, size) }
                close(file)
                guard written == size, rename(directory + "/value.new", directory + "/value") == 0 else {
                    throw Failure("a value can't be renamed")
                }
            }
        }
    }

    // MARK: Text

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func decimal(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

    private func row(_ columns: String...) -> String {
        columns.map { $0 + String(repeating: " ", count: max(1, 22 - $0.count)) }.joined()
    }
}

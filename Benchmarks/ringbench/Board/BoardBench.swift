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
        /// The writer renames a new file to the name; a reader opens, reads and closes.
        case rename
    }

    static let peerWord = "board-peer"
    static let key = "value"

    private var sizes = [8, 48, 1024, 4096, 65536]
    private var readers = [1, 2, 8]
    private var repeats = 5
    private var milliseconds = 60
    private let directory = "/dev/shm/ringbench-board-\(getpid())"

    init(_ words: [String]) throws {
        func list(_ word: String) throws -> [Int] {
            let numbers = word.split(separator: ",").map { Int($0) }
            guard !numbers.isEmpty, numbers.allSatisfy({ $0 ?? 0 > 0 }) else { throw Misuse("'\(word)' is no list of numbers above 0") }
            return numbers.compactMap { $0 }
        }
        for place in stride(from: 0, to: words.count, by: 2) {
            guard place + 1 < words.count else { throw Misuse("'\(words[place])' needs a value") }
            let value = words[place + 1]
            switch words[place] {
            case "--size": sizes = try list(value)
            case "--readers": readers = try list(value)
            case "--repeats": repeats = try list(value)[0]
            case "--milliseconds": milliseconds = try list(value)[0]
            default: throw Misuse("there is no option '\(words[place])' of 'board'; there are --size, --readers, --repeats, --milliseconds")
            }
        }
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
                for way in Way.allCases {
                    let nanoseconds = median(figures[way]!.map(\.nanoseconds))
                    let rate = median(figures[way]!.map(\.perSecond))
                    print(
                        row(
                            "\(size) B, \(count) readers", way.rawValue, decimal(nanoseconds) + " ns", decimal(rate / 1e6) + " M/s",
                            decimal(nanoseconds / floor) + " x copy"))
                }
            }
        }
        print("a writer that never pauses: nanoseconds a write, reads a second of all readers, reads that gave up")
        for size in sizes {
            for count in [0] + readers {
                var figures: [Figure] = []
                for _ in 0..<repeats { figures.append(try measure(.board, size: size, readers: count, isWritten: true)) }
                print(
                    row(
                        "\(size) B, \(count) readers", "board", decimal(median(figures.map(\.writeNanoseconds))) + " ns a write",
                        decimal(median(figures.map(\.perSecond)) / 1e6) + " M reads/s",
                        "\(figures.reduce(0) { $0 + $1.failures }) gave up"))
            }
        }
    }

    // MARK: A turn

    private struct Figure {
        var nanoseconds = 0.0
        var perSecond = 0.0
        var failures = 0
        var writeNanoseconds = 0.0
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
        guard write(value, bytes, size) == size else { throw Failure("no room in /dev/shm") }
    }

    static func options(_ directory: String) -> RingOptions {
        var options = RingOptions()
        options.directory = directory
        return options
    }

    private func remove() {
        for name in ["board", "plain", "value"] { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    private func measure(_ way: Way, size: Int, readers: Int, isWritten: Bool) throws -> Figure {
        let cpus = (0..<Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))).map { $0 }
        let begin = sr_now_ns() + 200_000_000
        let peers = try (0..<readers).map { number in
            // Where there is a writer, it has the last CPU to itself.
            let places = isWritten && cpus.count > 1 ? cpus.count - 1 : cpus.count
            return try BoardPeer(
                [Self.peerWord, way.rawValue, "\(size)", "\(begin)", "\(milliseconds)", directory, "\(cpus[number % places])"])
        }
        var figure = Figure()
        if isWritten {
            _ = cb_pin(Int32(cpus.last!))
            var writer = try Board.open("board", options: Self.options(directory)).makeWriter(Self.key)
            let bytes = [UInt8](repeating: 2, count: size)
            while sr_now_ns() < begin {}
            var count = 0
            let end = begin + Int64(milliseconds) * 1_000_000
            while sr_now_ns() < end {
                for _ in 0..<64 { try writer.set(bytes) }
                count += 64
            }
            figure.writeNanoseconds = Double(sr_now_ns() - begin) / Double(count)
        }
        for peer in peers {
            let numbers = peer.answer()
            guard numbers.count == 3, numbers[0] > 0 || isWritten else { throw Failure("a reader of '\(way.rawValue)' failed") }
            figure.nanoseconds += numbers[1] / max(1, numbers[0]) / Double(readers)
            figure.perSecond += numbers[0] / numbers[1] * 1e9
            figure.failures += Int(numbers[2])
        }
        return figure
    }

    // MARK: Text

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func decimal(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

    private func row(_ columns: String...) -> String {
        columns.map { $0 + String(repeating: " ", count: max(1, 22 - $0.count)) }.joined()
    }
}

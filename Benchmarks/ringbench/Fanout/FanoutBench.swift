import CBench
import CSharedRing
import Glibc
import SharedRing

/// `ringbench fanout`: the same messages to many processes, by a broadcast and by a channel to each.
///
/// The sender has the last CPU to itself; the receivers share the others. A figure is the median of turns, in which all ways take part.
struct FanoutBench {
    enum Way: String, CaseIterable {
        case reliable = "broadcast, reliable"
        case lossy = "broadcast, lossy"
        /// A ring of its own to each receiver.
        case rings = "a ring to each"
        case pipe = "a pipe to each"
        case socket = "a Unix socket to each"
    }

    static let capacity = 1 << 20

    private var sizes = [8, 1024]
    private var subscribers = [1, 2, 4, 8]
    private var repeats = 5
    private var milliseconds = 60
    private let directory = "/dev/shm/ringbench-fanout-\(getpid())-\(UInt32.random(in: 0 ... .max))"

    init(_ words: [String]) throws {
        let options = try CountOptions(words, of: "fanout", ["--size", "--subscribers", "--repeats", "--milliseconds"])
        sizes = options.list("--size", or: sizes)
        subscribers = options.list("--subscribers", or: subscribers)
        repeats = options.number("--repeats", or: repeats)
        milliseconds = options.number("--milliseconds", or: milliseconds)
        guard sizes.allSatisfy({ $0 >= 8 && $0 <= 65536 }) else { throw Misuse("a size is 8 to 65536 bytes") }
        guard subscribers.allSatisfy({ $0 <= 64 }) else { throw Misuse("there are at most 64 subscribers") }
    }

    func perform() throws {
        mkdir(directory, 0o700)
        defer { rmdir(directory) }
        print("messages a second, until the last receiver has the last one; medians of \(repeats) turns of \(milliseconds) ms")
        for size in sizes {
            for count in subscribers {
                var rates: [Way: [Double]] = [:]
                var missed = 0.0
                for _ in 0..<repeats {
                    for way in Way.allCases {
                        let turn = try measure(way, size: size, count)
                        rates[way, default: []].append(turn.rate)
                        if way == .lossy { missed += turn.missedShare / Double(repeats) }
                    }
                }
                let rings = median(rates[.rings]!)
                for way in Way.allCases {
                    let rate = median(rates[way]!)
                    print(
                        row(
                            "\(size) B to \(count)", way.rawValue, decimal(rate / 1e6) + " M/s", decimal(rate / rings) + " x rings",
                            way == .lossy ? decimal(100 * missed) + " % missed" : ""))
                }
            }
        }
        print("a round trip: there by a broadcast with one reliable subscriber, or by a ring; back by a ring")
        for size in sizes {
            var times: [Way: [Double]] = [:]
            for _ in 0..<repeats {
                for way in [Way.reliable, .rings] { times[way, default: []].append(try roundTrip(way, size: size)) }
            }
            let ring = median(times[.rings]!)
            for way in [Way.reliable, .rings] {
                let time = median(times[way]!)
                print(row("\(size) B, round trip", way.rawValue, decimal(time) + " ns", decimal(time / ring) + " x ring"))
            }
        }
        print("what lossy subscribers cost that are stopped: nanoseconds of the processor a send")
        for size in sizes {
            var times: [Int: [Double]] = [:]
            for _ in 0..<repeats {
                for count in [0, 8] { times[count, default: []].append(try besideStopped(count, size: size)) }
            }
            let alone = median(times[0]!)
            for count in [0, 8] {
                let time = median(times[count]!)
                print(row("\(size) B", "\(count) stopped", decimal(time) + " ns", decimal(time / alone) + " x none"))
            }
        }
    }

    // MARK: A turn

    private struct Turn {
        var rate = 0.0
        var missedShare = 0.0
    }

    static func options(_ directory: String) -> RingOptions {
        var options = RingOptions(capacity: capacity)
        options.directory = directory
        return options
    }

    private var lastCPU: Int32 { Int32(sysconf(Int32(_SC_NPROCESSORS_ONLN))) - 1 }

    private func start(_ way: Way, _ what: FanoutPeer.What, size: Int, _ number: Int) throws -> FanoutPeer {
        let cpu = lastCPU > 0 ? Int32(number) % lastCPU : 0
        return try FanoutPeer([what.rawValue, way.rawValue, "\(size)", directory, "\(number)", "\(cpu)"])
    }

    /// Removes what stands in the directory.
    private func clear() {
        guard let listing = opendir(directory) else { return }
        defer { closedir(listing) }
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { unlink(directory + "/" + name) }
        }
    }

    /// Sends for the length of a turn, 32 messages at a time.
    private func send(_ once: () throws -> Void) rethrows -> (count: Int, start: Int64) {
        let start = sr_now_ns()
        let end = start + Int64(milliseconds) * 1_000_000
        var count = 0
        while sr_now_ns() < end {
            for _ in 0..<32 { try once() }
            count += 32
        }
        return (count, start)
    }

    private func measure(_ way: Way, size: Int, _ count: Int) throws -> Turn {
        _ = cb_pin(lastCPU)
        clear()
        defer { clear() }
        let options = Self.options(directory)
        let bytes = [UInt8](repeating: 1, count: size)
        var sent = 0
        var start: Int64 = 0
        let peers: [FanoutPeer]
        switch way {
        case .reliable, .lossy:
            var publisher = try BroadcastRing.create("broadcast", subscribers: 64, options: options).makePublisher()
            peers = try (0..<count).map { try self.start(way, .receive, size: size, $0) }
            for peer in peers { try peer.waitUntilReady() }
            (sent, start) = try send { try publisher.send(bytes) }
            try publisher.close()
        case .rings:
            let rings = try (0..<count).map { try SPSCRing.create("ring-\($0)", options: options) }
            peers = try (0..<count).map { try self.start(way, .receive, size: size, $0) }
            for peer in peers { try peer.waitUntilReady() }
            let producers = UnsafeMutablePointer<Producer>.allocate(capacity: count)
            defer { producers.deallocate() }
            for number in 0..<count { (producers + number).initialize(to: try rings[number].makeProducer()) }
            (sent, start) = try send { for number in 0..<count { try producers[number].send(bytes) } }
            for number in 0..<count { try (producers + number).move().close() }
        case .pipe, .socket:
            var ends: [Int32] = []
            peers = try (0..<count).map { number in
                var pair: [Int32] = [0, 0]
                guard (way == .pipe ? cb_pipe(&pair, Int32(Self.capacity)) : cb_unix_pair(&pair, 1, Int32(Self.capacity))) >= 0 else {
                    throw Failure("no channel")
                }
                defer { close(pair[0]) }
                ends.append(pair[1])
                _ = cb_inherit(pair[0])
                return try FanoutPeer([
                    FanoutPeer.What.receive.rawValue, way.rawValue, "\(size)", directory, "\(pair[0])",
                    "\(lastCPU > 0 ? Int32(number) % lastCPU : 0)",
                ])
            }
            for peer in peers { try peer.waitUntilReady() }
            (sent, start) = try send {
                for end in ends {
                    guard write(end, bytes, size) == size else { throw Failure("the channel took no message") }
                }
            }
            ends.forEach { _ = close($0) }
        }
        var turn = Turn()
        for peer in peers {
            let numbers = try peer.answer(2)
            guard Int(numbers[0] + numbers[1]) == sent else {
                throw Failure("\(way.rawValue): \(numbers[0]) received and \(numbers[1]) missed of \(sent)")
            }
            turn.missedShare += numbers[1] / Double(sent) / Double(count)
        }
        turn.rate = Double(sent) / Double(sr_now_ns() - start) * 1e9
        return turn
    }

    private func roundTrip(_ way: Way, size: Int) throws -> Double {
        _ = cb_pin(lastCPU)
        clear()
        defer { clear() }
        let options = Self.options(directory)
        var back = try SPSCRing.create("back", options: options).makeConsumer()
        var publisher: Producer
        if way == .reliable {
            publisher = try BroadcastRing.create("broadcast", subscribers: 64, options: options).makePublisher()
        } else {
            publisher = try SPSCRing.create("ring-0", options: options).makeProducer()
        }
        let peer = try start(way, .answer, size: size, 0)
        try peer.waitUntilReady()
        let bytes = [UInt8](repeating: 1, count: size)
        func turn() throws {
            try publisher.send(bytes)
            guard try back.next() != nil else { throw Failure("no answer") }
        }
        for _ in 0..<1000 { try turn() }
        let start = sr_now_ns()
        let end = start + Int64(milliseconds) * 1_000_000
        var count = 0
        while sr_now_ns() < end {
            for _ in 0..<32 { try turn() }
            count += 32
        }
        let time = Double(sr_now_ns() - start) / Double(count)
        try publisher.end()  // `turn` holds it
        _ = try peer.answer(2)
        return time
    }

    private func besideStopped(_ count: Int, size: Int) throws -> Double {
        _ = cb_pin(lastCPU)
        clear()
        defer { clear() }
        var publisher = try BroadcastRing.create("broadcast", subscribers: 64, options: Self.options(directory)).makePublisher()
        let peers = try (0..<count).map { try start(.lossy, .receive, size: size, $0) }
        for peer in peers {
            try peer.waitUntilReady()
            peer.stop()
        }
        defer { peers.forEach { $0.kill() } }
        let bytes = [UInt8](repeating: 1, count: size)
        // The processor's time: whatever else runs on the machine takes its part of the clock's.
        let before = Self.processorTime()
        let (sent, _) = try send { try publisher.send(bytes) }
        return Double(Self.processorTime() - before) / Double(sent)
    }

    /// Of this thread, in nanoseconds.
    private static func processorTime() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    // MARK: Text

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func decimal(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

    private func row(_ columns: String...) -> String {
        columns.map { $0 + String(repeating: " ", count: max(1, 24 - $0.count)) }.joined()
    }
}

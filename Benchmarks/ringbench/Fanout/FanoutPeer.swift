import CBench
import CSharedRing
import Glibc
import SharedRing

/// A receiver in a process of its own: it says that it is ready, and at the end how many messages it received and missed.
final class FanoutPeer {
    /// What it does with a message.
    enum What: String {
        case receive
        /// Sends it back by a ring.
        case answer
    }

    static let peerWord = "fanout-peer"

    private var pid: pid_t = 0
    private let output: Int32

    init(_ words: [String]) throws {
        var ends: [Int32] = [0, 0]
        guard cb_pipe(&ends, 4096) >= 0 else { throw Failure("no pipe") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var arguments = (["ringbench", Self.peerWord] + words).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        let started = posix_spawn(&pid, "/proc/self/exe", &actions, nil, &arguments, environ)
        close(ends[1])
        output = ends[0]
        guard started == 0 else { throw Failure("no process: errno \(started)") }
    }

    /// A line, without its newline. Nil: it ended.
    private func line() -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while read(output, &byte, 1) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }

    func waitUntilReady() throws {
        guard line() == "ready" else { throw Failure("a receiver did not come") }
    }

    func stop() {
        Glibc.kill(pid, SIGSTOP)
        _ = cb_stop_awaited(pid)
    }

    func kill() {
        Glibc.kill(pid, SIGKILL)
        end()
    }

    private func end() {
        close(output)
        waitpid(pid, nil, 0)
    }

    /// So many numbers, when it is done.
    func answer(_ count: Int) throws -> [Double] {
        let numbers = (line() ?? "").split(separator: " ").compactMap { Double($0) }
        end()
        guard numbers.count == count else { throw Failure("a receiver failed") }
        return numbers
    }

    // MARK: In the process

    private static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(1, bytes, bytes.count)
    }

    /// WHAT WAY SIZE DIRECTORY NUMBER CPU. The number of a pipe or a socket is its descriptor's.
    static func serve(_ words: [String]) throws {
        guard words.count == 6, let what = What(rawValue: words[0]), let way = FanoutBench.Way(rawValue: words[1]),
            let size = Int(words[2]),
            let number = Int32(words[4]), let cpu = Int32(words[5])
        else { throw Misuse("not for people") }
        _ = cb_die_with_parent(getppid())
        _ = cb_pin(cpu)
        let options = FanoutBench.options(words[3])
        let target = UnsafeMutableRawPointer.allocate(byteCount: max(size, 65536), alignment: 64)
        switch way {
        case .reliable, .lossy:
            let ring = try BroadcastRing.open("broadcast", options: options)
            var subscriber = try ring.makeSubscriber(way == .lossy ? .lossy : .reliable)
            var count = 0
            if what == .answer {
                try answer(&subscriber, options)
            } else {
                say("ready")
                while let message = try subscriber.next() {
                    copy(message, to: target)
                    count += 1
                }
            }
            say("\(count) \(subscriber.missed.messages)")
        case .rings:
            var consumer = try SPSCRing.open("ring-\(number)", options: options).makeConsumer()
            var count = 0
            if what == .answer {
                try answer(&consumer, options)
            } else {
                say("ready")
                while let message = try consumer.next() {
                    copy(message, to: target)
                    count += 1
                }
            }
            say("\(count) 0")
        case .pipe:
            say("ready")
            var count = 0
            while case let more = read(number, target, 65536), more > 0 { count += more }
            say("\(count / size) 0")
        case .socket:
            say("ready")
            var count = 0
            while read(number, target, 65536) > 0 { count += 1 }
            say("\(count) 0")
        }
    }

    @inline(__always)
    private static func copy(_ message: borrowing Message, to target: UnsafeMutableRawPointer) {
        message.bytes.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress { sr_copy(target, start, Int64(bytes.count)) }
        }
        cb_keep(target)
    }

    private static func answer<Source: MessageSource & ~Copyable>(_ source: inout Source, _ options: RingOptions) throws {
        var back = try SPSCRing.open("back", options: options).makeProducer()
        say("ready")
        while let message = try source.next(timeout: nil) { try back.send(message.bytes) }
        try back.close()
    }
}

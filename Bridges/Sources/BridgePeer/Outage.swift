import BridgeTestSupport
import Foundation
import RingBridge
import SharedRing

/// Takes the broker away and brings it back: `BridgePeer outage [seconds=N] [times=N] [size=N]
/// [capacity=BYTES] [kind=spsc|mpsc]`.
///
/// While there is no broker the ring becomes full and holds the sender. The bridge's memory stays as it was under load, and afterwards all arrives,
/// once and in order.
struct Outage {
    private let settings: Settings

    init(_ words: [String]) throws { settings = try Settings(words) }

    /// What a connection that is made anew may cost: stacks and arenas of its threads, and its buffers.
    private let allowance = 4 << 20

    func run() throws {
        let seconds = try settings.number("seconds", or: 60)
        let times = try settings.number("times", or: 1)
        let size = try settings.number("size", or: 128)
        let capacity = try settings.number("capacity", or: 1 << 20)
        let kind = try settings.text("kind", or: "spsc")
        guard times > 0, size > 0, seconds >= 0 else {
            throw BridgePeer.Failure(text: "times= and size= are at least 1, seconds= at least 0")
        }
        let bound = times * (seconds + 300)
        let place = try Workplace()
        let broker = try Broker(place)
        let connection = try broker.makeStream("S", subjects: ["ring"])
        var options = place.ringOptions
        options.capacity = capacity
        if kind == "mpsc" {
            _ = try MPSCRing.create("r", lanes: 1, options: options)
        } else {
            _ = try SPSCRing.create("r", options: options)
        }
        // Many times what the ring holds before the first outage, so that its pages and the allocator's were in use before.
        let held = capacity / (size + 8)
        let (before, each) = (20 * held, 4 * held)
        let total = before + times * each
        print("outage seconds=\(seconds) times=\(times) size=\(size) capacity=\(capacity) kind=\(kind): \(total) messages")
        let bridge = try place.bridge(["publish", "r", "--stream", "S", "--subject", "ring"], on: broker, bound: bound)
        let journal = place.path("journal")
        let sender = try place.peer(
            ["send", "ring=r", "kind=\(kind)", "name=a", "count=\(total)", "size=\(size)", "journal=\(journal)"], bound: bound)
        func sent() throws -> Int {
            guard !bridge.hasEnded else { throw BridgePeer.Failure(text: "the bridge has ended: \(bridge.output)") }
            guard !sender.hasEnded || sender.end() == 0 else { throw BridgePeer.Failure(text: "the sender: \(sender.output)") }
            return Journal.read(journal)
        }
        let underLoad = try Highest(bridge)
        try waitUntil("the bridge is under load") {
            try underLoad.read()
            return try sent() >= before
        }
        let (during, after) = (try Highest(bridge), try Highest(bridge))
        for turn in 0..<times {
            try waitUntil("outage \(turn) may begin") { try sent() > before + turn * each }
            broker.kill()
            let processor = try bridge.processorSeconds()
            try waitUntil("the ring is full") { try isFull(options, size: size) }
            let first = try sent()
            let start = ContinuousClock.now
            while ContinuousClock.now - start < .seconds(seconds) {
                usleep(50_000)
                try during.read()
            }
            // Answers that the bridge had received may have made room after the first look. At the end it is full, and so holds the sender.
            guard try isFull(options, size: size), !sender.hasEnded else {
                throw BridgePeer.Failure(text: "the ring is not full: it does not hold the sender")
            }
            print(
                "no broker: \(first) sent when the ring was full, \(try sent()) \(seconds) s later; the bridge took "
                    + String(format: "%.2f s of processor time", try bridge.processorSeconds() - processor))
            try broker.start()
            try waitUntil("it goes on") {
                try after.read()
                return try sent() >= before + turn * each + 3 * held
            }
        }
        try waitUntil("\(total) messages are in the stream") {
            try after.read()
            _ = try sent()
            return connection.state(of: "S").map { $0.last >= UInt64(total) } ?? false
        }
        guard sender.end() == 0 else { throw BridgePeer.Failure(text: "the sender: \(sender.output)") }
        bridge.send(SIGTERM)
        guard bridge.end() == 0 else { throw BridgePeer.Failure(text: "the bridge's end: \(bridge.output)") }
        print(
            "the bridge, in KiB of its own (with the ring's pages): under load \(underLoad), without a broker \(during), "
                + "afterwards \(after)")
        for reading in [during, after] where reading.isBeyond(underLoad, allowance: allowance) {
            throw BridgePeer.Failure(text: "the bridge's memory grew by more than \(allowance >> 10) KiB")
        }
        try check(connection, total)
        print("\(total) messages in the stream, each once and in order; the sender was held, the memory constant")
    }

    /// No message of this size fits any more.
    private func isFull(_ options: RingOptions, size: Int) throws -> Bool {
        try RingReport("r", options: options).lanes.contains { $0.backlog + size + 8 > options.capacity }
    }

    private func check(_ connection: BrokerConnection, _ total: Int) throws {
        var count = 0
        var failure: String?
        try StreamReader(connection, stream: "S").forEach { record in
            let expected = "a \(count)"
            if failure == nil, !record.text.hasPrefix(expected + "."), record.text != expected {
                failure = "message \(record.sequence) of the stream is '\(record.text.prefix(20))', expected '\(expected)'"
            }
            count += 1
        }
        if let failure { throw BridgePeer.Failure(text: failure) }
        guard count == total else { throw BridgePeer.Failure(text: "\(count) messages in the stream, expected \(total)") }
    }

    /// The most memory that a process was seen with.
    private final class Highest: CustomStringConvertible {
        private let process: ChildProcess
        private var most = ChildProcess.Memory()

        init(_ process: ChildProcess) throws {
            self.process = process
            try read()
        }

        func read() throws {
            let now = try process.memory()
            most.ownBytes = max(most.ownBytes, now.ownBytes)
            most.residentBytes = max(most.residentBytes, now.residentBytes)
        }

        func isBeyond(_ other: Highest, allowance: Int) -> Bool {
            most.ownBytes > other.most.ownBytes + allowance || most.residentBytes > other.most.residentBytes + allowance
        }

        var description: String { "\(most.ownBytes >> 10) (\(most.residentBytes >> 10))" }
    }
}

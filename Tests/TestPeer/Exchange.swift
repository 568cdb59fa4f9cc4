import CTestSupport
import Foundation
import SharedRing

/// Figures beside other languages: the same work as `exchange` of Clients/C/tests/peer.c. `Benchmarks/Clients` runs them in turns.
///
///     TestPeer exchange send|receive|ping|pong NAME SIZE COUNT WAITING      nanoseconds a message, or a round trip
enum Exchange {
    static func run(_ arguments: [String]) throws {
        let (what, name) = (arguments[1], arguments[2])
        let (size, count) = (Int(arguments[3])!, Int(arguments[4])!)
        let waiting: WaitStrategy = ["spin": .spin, "adaptive": .adaptive, "sleep": .sleep][arguments[5]]!
        func ring(_ end: String) throws -> SPSCRing { try SPSCRing.openOrCreate("\(name)-\(end)", options: RingOptions(capacity: 1 << 20)) }
        switch what {
        case "send": try send(try ring("a").makeProducer(waiting: waiting), size, count)
        case "receive": try receive(try ring("a").makeConsumer(waiting: waiting), count)
        case "ping": try ping(try ring("a").makeProducer(waiting: waiting), try ring("b").makeConsumer(waiting: waiting), size, count)
        default: try pong(try ring("b").makeProducer(waiting: waiting), try ring("a").makeConsumer(waiting: waiting), count)
        }
    }

    private static func report(_ clock: ContinuousClock.Instant, _ count: Int, _ sum: UInt64) {
        let passed = (ContinuousClock.now - clock).components
        say("ns \((Double(passed.seconds) * 1e9 + Double(passed.attoseconds) / 1e9) / Double(count)) \(sum)")
    }

    private static func send(_ producer: consuming Producer, _ size: Int, _ count: Int) throws {
        let bytes = [UInt8](repeating: 0, count: size)
        try producer.waitForPeer(timeout: patience)
        let start = ContinuousClock.now
        for _ in 0..<count { try producer.send(bytes, timeout: patience) }
        try producer.waitUntilAcknowledged(timeout: patience)
        report(start, count, 0)
        try producer.close()
    }

    private static func receive(_ consumer: consuming Consumer, _ count: Int) throws {
        var (start, sum) = (ContinuousClock.now, UInt64(0))
        for index in 0..<count {
            guard let message = try consumer.next(timeout: patience) else { return say("ended") }
            if index == 0 { start = .now }
            sum &+= UInt64(message.bytes.unsafeLoad(as: UInt8.self))
        }
        report(start, count, sum)
        try consumer.close()
    }

    private static func ping(_ producer: consuming Producer, _ consumer: consuming Consumer, _ size: Int, _ count: Int) throws {
        let bytes = [UInt8](repeating: 0, count: size)
        try producer.waitForPeer(timeout: patience)
        var sum: UInt64 = 0
        let start = ContinuousClock.now
        for _ in 0..<count {
            try producer.send(bytes, timeout: patience)
            guard let message = try consumer.next(timeout: patience) else { return say("ended") }
            sum &+= UInt64(message.bytes.unsafeLoad(as: UInt8.self))
        }
        report(start, count, sum)
        try consumer.close()
        try producer.close()
    }

    private static func pong(_ producer: consuming Producer, _ consumer: consuming Consumer, _ count: Int) throws {
        for _ in 0..<count {
            guard let message = try consumer.next(timeout: patience) else { return say("ended") }
            try producer.send(message.bytes, timeout: patience)
        }
        say("ns 0 0")
        // The other side has its answer before this one ends.
        try producer.waitUntilAcknowledged(timeout: patience)
        try consumer.close()
        try producer.close()
    }
}

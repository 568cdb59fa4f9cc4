import Foundation
import SharedRing
import Synchronization

/// Both ends of a ring in tasks, in a process whose pool may have one thread only: what held it would never get an answer.
///
///     TestPeer pool bytes|claim|batch|receive|peer|many|blocking
///
/// Prints "pool 1" or "pool many", then "done" and how many messages came. `blocking` does on purpose what is forbidden, and hangs in a pool of one.
enum PoolOfOne {
    static func run(_ what: String) async throws {
        say(await hasOneThread() ? "pool 1" : "pool many")
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let (sender, receiver) = (Handover(try ring.makeProducer()), Handover(try ring.makeConsumer()))
        // Detached: this function runs on the main thread, which is not one of the pool's.
        let receiving = Task.detached { try await receive(receiver.value.take()!, what) }
        let sending = Task.detached { try await send(sender.value.take()!, what) }
        try await sending.value
        say("done \(try await receiving.value)")
    }

    private static let isBlocking = Atomic(false)
    private static let ranBeside = Atomic(false)

    /// Whether a task that blocks keeps all others from running.
    private static func hasOneThread() async -> Bool {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    if isBlocking.exchange(true, ordering: .relaxed) { return ranBeside.store(true, ordering: .relaxed) }
                    block()
                    isBlocking.store(false, ordering: .relaxed)
                }
            }
        }
        return !ranBeside.load(ordering: .relaxed)
    }

    private static func block() { usleep(300_000) }

    private static let count = 400

    private static func send(_ producer: consuming Producer, _ what: String) async throws {
        let bytes = [UInt8](repeating: 7, count: 100)
        switch what {
        case "claim":
            for _ in 0..<count {
                let claim = try await producer.claim(byteCount: 100)
                try claim.commit(byteCount: 100)
            }
        case "batch":
            var batch = producer.batch()
            for number in 0..<count {
                switch number % 3 {
                case 0: try await batch.append(bytes)
                case 1: try await batch.append(bytes[...])
                default: try await batch.append(bytes.span.bytes)
                }
            }
            batch.commit()
        case "peer":
            try await producer.waitForPeer()
            for _ in 0..<count {
                try await producer.send(bytes)
                try await producer.waitUntilAcknowledged()
            }
        case "blocking": try sendBlocking(&producer)
        default:
            for number in 0..<count {
                switch number % 6 {
                case 0: try await producer.send(bytes)
                case 1: try await producer.send(bytes.span)
                case 2: try await producer.send(bytes.span.bytes)
                case 3: try await producer.send(bytes[...])
                case 4: try await producer.send(String(repeating: "x", count: 100))
                default: try await producer.send(value: (number, number, number, number))
                }
            }
        }
        try await producer.end()
    }

    private static func receive(_ consumer: consuming Consumer, _ what: String) async throws -> Int {
        var received = 0
        switch what {
        case "receive":
            var buffer = [UInt8](repeating: 0, count: 200)
            while true {
                if received % 2 == 0 {
                    guard try await consumer.receive() != nil else { return received }
                } else {
                    var bytes = buffer.mutableSpan
                    var span = bytes.mutableBytes
                    guard try await consumer.receive(into: &span) != nil else { return received }
                }
                received += 1
            }
        case "peer":
            try await consumer.waitForPeer()
            while try await consumer.next() != nil { received += 1 }
        case "many": received = try await count(of: &consumer)
        case "blocking": return try receiveBlocking(&consumer)
        default: while let message = try await consumer.next() { received += message.byteCount > 0 ? 1 : 0 }
        }
        return received
    }

    private static func count<Source: MessageSource & ~Copyable>(of source: inout Source) async throws -> Int {
        var received = 0
        while let message = try await source.next() { received += message.byteCount > 0 ? 1 : 0 }
        return received
    }

    // What the compiler can't see in a task: a synchronous function that blocks.
    private static func sendBlocking(_ producer: inout Producer) throws {
        for _ in 0..<count { try producer.send([UInt8](repeating: 7, count: 100)) }
    }
    private static func receiveBlocking(_ consumer: inout Consumer) throws -> Int {
        var received = 0
        while try consumer.next() != nil { received += 1 }
        return received
    }
}

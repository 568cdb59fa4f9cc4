import CTestSupport
import Dispatch
import Foundation
import SharedRing

/// Both ends of a ring in tasks that share one thread: what held it would never get an answer.
///
///     TestPeer pool bytes|claim|batch|receive|peer|many|blocking|flush|flush-blocking
///
/// Prints "done" and how many messages came. `blocking` does on purpose what is forbidden, and hangs; `flush-blocking` never flushes.
enum PoolOfOne {
    static func run(_ what: String) async throws {
        if what.hasPrefix("flush") { return try await flush(isBlocking: what == "flush-blocking") }
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let (sender, receiver) = (Handover(try ring.makeProducer()), Handover(try ring.makeConsumer()))
        let thread = OneThread()
        let receiving = Task(executorPreference: thread) { try await receive(receiver.value.take()!, what) }
        let sending = Task(executorPreference: thread) { try await send(sender.value.take()!, what) }
        try await sending.value
        say("done \(try await receiving.value)")
    }

    /// A flush waits for a remover, which another task of that thread is.
    private static func flush(isBlocking: Bool) async throws {
        var options = RingOptions(capacity: 4096)
        options.directory = String(cString: ts_make_directory(NSTemporaryDirectory() + "sharedring-peer"))
        options.isDurable = true
        defer { try? FileManager.default.removeItem(atPath: options.directory) }
        let ring = try SPSCRing.create("r", options: options)
        let file = open("\(options.directory)/r", O_RDWR | O_CLOEXEC)
        defer { close(file) }
        let thread = OneThread()
        // A flush waits for a remover some hundredths of a second: on a busy machine the other task may come too late.
        for _ in 0..<(isBlocking ? 3 : 10_000) {
            // A byte of no role: as a remover has it, who has all of them.
            guard ts_lock_exclusive(file, Int64.max - 1, 1) == 0 else { return say("no lock") }
            let flushing = Task(executorPreference: thread) {
                if isBlocking { try flushBlocking(ring) } else { try await ring.flush() }
            }
            let removing = Task(executorPreference: thread) { ts_unlock(file, Int64.max - 1, 1) }
            guard await removing.value == 0 else { return say("not unlocked") }
            do {
                try await flushing.value
                return say("done flushing")
            } catch let error as RingError where error.code == .inUse {}
        }
        say("never flushed")
    }
    private static func flushBlocking(_ ring: SPSCRing) throws { try ring.flush() }

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

/// Runs all that tasks do on one thread at a time. (The pool's own width can't be set from outside on Linux.)
private final class OneThread: TaskExecutor {
    private let queue = DispatchQueue(label: "one thread")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

import Foundation
import SharedRing

/// One producer of a soak: every way of sending, at random.
final class SoakSender: @unchecked Sendable {
    private var producer: Producer?
    private let plan: WakeupSoak
    private let threads: SoakThreads
    private let lane: Int

    init(_ plan: WakeupSoak, _ producer: consuming Producer, _ threads: SoakThreads) {
        self.plan = plan
        self.threads = threads
        lane = producer.lane
        self.producer = consume producer
    }

    func run() throws -> Int {
        var producer = self.producer.take()!
        var pattern = Pattern(seed: plan.seed &+ UInt64(lane), largest: WakeupSoak.largest)
        var random = SplitMix(seed: plan.seed &+ UInt64(lane) ^ 0xa)
        var remaining = plan.messages
        while remaining > 0 {
            let way = random.next() % 16
            switch way {
            case 0...2:
                let count = min(remaining, 5)
                try sendBatch(&producer, &pattern, count)
                remaining -= count
            case 3: try unlessCancelled(&producer) { (producer) throws(RingError) in try producer.waitUntilAcknowledged() }
            default:
                pattern.advance()
                try send(&producer, pattern, way)
                remaining -= 1
            }
            Soak.pause(&random)
        }
        try producer.close()
        return 0
    }

    private func send(_ producer: inout Producer, _ pattern: Pattern, _ way: UInt64) throws(RingError) {
        try unlessCancelled(&producer) { (producer) throws(RingError) in
            try pattern.withBytes { (bytes) throws(RingError) in
                switch way {
                case 4, 5:
                    if try !producer.trySend(bytes, tag: pattern.tag) { try producer.send(bytes, tag: pattern.tag) }
                case 6, 7:
                    var claim = try producer.claim(byteCount: bytes.count)
                    var place = claim.bytes
                    place.withUnsafeMutableBytes { $0.copyMemory(from: bytes) }
                    claim.commit(tag: pattern.tag)
                default: try producer.send(bytes, tag: pattern.tag)
                }
            }
        }
    }

    /// A wait that ends without room loses only the message that did not fit, so the batch goes on.
    private func sendBatch(_ producer: inout Producer, _ pattern: inout Pattern, _ count: Int) throws(RingError) {
        let canceller = producer.canceller
        var batch = producer.batch()
        for _ in 0..<count {
            pattern.advance()
            while true {
                do throws(RingError) {
                    try pattern.withBytes { (bytes) throws(RingError) in try batch.append(bytes.bytes, tag: pattern.tag) }
                    break
                } catch {
                    guard error.code == .cancelled else { throw error }
                    threads.noteCancelled()
                    canceller.reset()
                }
            }
        }
        batch.commit()
    }

    private func unlessCancelled(
        _ producer: inout Producer, _ body: (inout Producer) throws(RingError) -> Void
    ) throws(RingError) {
        while true {
            do throws(RingError) { return try body(&producer) } catch {
                guard error.code == .cancelled else { throw error }
                threads.noteCancelled()
                producer.canceller.reset()
            }
        }
    }
}

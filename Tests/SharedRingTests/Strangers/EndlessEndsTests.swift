import CSharedRing
import Testing

@testable import SharedRing

@Suite("A lane that a stranger filled with ends of streams poisons its consumer instead of keeping it for ever")
struct EndlessEndsTests {
    /// An end of a stream at every place of a lane. The epochs are such that a reader steps over all of them by itself.
    private static func carpet(_ producer: borrowing Producer, epoch: UInt64) {
        for offset in stride(from: 0, to: 4096, by: 8) {
            sr_store_release_u64(producer.writer.pointee.data + offset, epoch << 32 | UInt64(SR_RECORD_PRESENT | SR_RECORD_END))
        }
    }

    @Test("With one producer, whose death was told: also the same death, over and over") func oneProducer() throws {
        let worker = Worker {
            let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
            let producer = try ring.makeProducer()
            var consumer = try ring.makeConsumer()
            Self.carpet(producer, epoch: 1)
            expectError(.peerDied) { () throws(RingError) in _ = try consumer.tryNext() }
            expectError(.poisoned, saying: "the end of a stream after 1024 others") { () throws(RingError) in _ = try consumer.tryNext() }
            expectError(.poisoned) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
        }
        try worker.join()
    }

    @Test("With several, where ends are counted; the other lanes go on", arguments: [MPSCRing.Order.perProducer, .total])
    func severalProducers(order: MPSCRing.Order) throws {
        let worker = Worker {
            let ring = try MPSCRing.anonymous(lanes: 2, order: order, options: RingOptions(capacity: 4096))
            let bad = try ring.makeProducer()
            var good = try ring.makeProducer()
            var consumer = try ring.makeConsumer()
            Self.carpet(bad, epoch: 3)
            expectError(.poisoned, saying: "lane 0", "the end of a stream after 1024 others") { () throws(RingError) in
                _ = try consumer.tryNext()
            }
            try good.send("x")
            let text = try consumer.next(timeout: patience)?.text
            #expect(text == "x")
        }
        try worker.join()
    }
}

import CSharedRing
import Testing

@testable import SharedRing

@Suite("Tickets that a stranger forged do not keep the consumer of a total order for ever")
struct ForgedTicketTests {
    @Test("Two lanes with the same ticket: both messages come") func sameTicket() throws {
        let worker = Worker {
            let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
            var first = try ring.makeProducer()
            var second = try ring.makeProducer()
            var consumer = try ring.makeConsumer()
            try first.send("first")
            try second.send("second")
            let ticket = first.writer.pointee.data.load(fromByteOffset: Int(SR_RECORD_HEADER_SIZE), as: UInt64.self)
            sr_store_release_u64(second.writer.pointee.data + Int(SR_RECORD_HEADER_SIZE), ticket)
            var texts: Set<String> = []
            for _ in 0..<2 { if case .message(let message) = try consumer.tryNext() { texts.insert(message.text) } }
            #expect(texts == ["first", "second"])
        }
        try worker.join()
    }
}

import CSharedRing
import Foundation
import Testing

@testable import SharedRing

/// What a stranger could make a consumer go round with, past every deadline.
@Suite("No call goes round for ever, whatever stands in the lane")
struct EndlessTests {
    /// An end mark at every place of the lane. The consumer never writes there, so it would meet them again and again.
    private func fill(_ data: UnsafeMutableRawPointer, epoch: UInt32) {
        for offset in stride(from: 0, to: 4096, by: 8) { sr_store_release_u64(data + offset, RecordHeader.end(epoch: epoch).bits) }
    }

    @Test("A lane full of end marks is poisoned", arguments: [3, 4] as [UInt32])
    func marks(epoch: UInt32) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        fill(producer.writer.pointee.data, epoch: epoch)
        var codes: [RingError.Code] = []
        // A closed stream may be told as often as it stands there; a death once.
        for _ in 0..<3 {
            do throws(RingError) { _ = try consumer.next(timeout: patience) } catch { codes.append(error.code) }
        }
        #expect(epoch % 2 == 0 ? codes.isEmpty : codes == [.peerDied, .poisoned, .poisoned])
        withExtendedLifetime(producer) {}
    }

    @Test("So it is among many lanes, and the others go on", arguments: [MPSCRing.Order.perProducer, .total])
    func marksAmongLanes(order: MPSCRing.Order) throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: order, options: RingOptions(capacity: 4096))
        let hostile = try ring.makeProducer()
        var honest = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        fill(hostile.writer.pointee.data, epoch: 2)
        try honest.send("hello")
        var texts: [String] = []
        var codes: [RingError.Code] = []
        for _ in 0..<3 {
            do throws(RingError) {
                if let message = try consumer.next(timeout: .milliseconds(10)) { texts.append(message.text) }
            } catch { codes.append(error.code) }
        }
        #expect(texts == ["hello"])
        #expect(codes == [.poisoned, .timedOut])
        withExtendedLifetime(hostile) {}
    }

    @Test("Draining a lane that looks full of messages for ever ends", arguments: [1, 2])
    func messages(lanes: Int) throws {
        let ring = try MPSCRing.anonymous(lanes: lanes, options: RingOptions(capacity: 4096))
        let hostile = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        let header = RecordHeader(byteCount: 0, tag: 0)
        for offset in stride(from: 0, to: 4096, by: 8) { sr_store_release_u64(hostile.writer.pointee.data + offset, header.bits) }
        #expect(consumer.drain { _ in } == 512 * lanes)
        withExtendedLifetime(hostile) {}
    }

    @Test("Two lanes with the same ticket are both delivered")
    func equalTickets() throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var one = try ring.makeProducer()
        var other = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        try one.send("one")
        try other.send("other")
        sr_store_release_u64(other.writer.pointee.data + 8, 0)  // its ticket was 1
        var texts: [String] = []
        for _ in 0..<2 {
            guard let message = try consumer.next(timeout: patience) else { break }
            texts.append(message.text)
        }
        #expect(texts.sorted() == ["one", "other"])
    }

    @Test("A text is whole although its bytes change while it is read")
    func flippingText() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        let size = 1000
        try producer.send([UInt8](repeating: 65, count: size))
        nonisolated(unsafe) let place = producer.writer.pointee.data + 8 + size / 2
        let stranger = Worker {
            for turn in 0..<200_000 { sr_store_relaxed_u64(place, turn % 2 == 0 ? .max : 0x4141_4141_4141_4141) }
        }
        guard let message = try consumer.next(timeout: .zero) else { return }
        for _ in 0..<2000 {
            let text = message.text
            #expect(String(validating: Array(text.utf8), as: UTF8.self) == text)
        }
        try stranger.join()
    }
}

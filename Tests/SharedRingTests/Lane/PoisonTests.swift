import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A peer that writes nonsense is refused, for good, and nothing outside the mapping is touched", .oneByOne)
struct PoisonTests {
    private func withForger(
        _ acknowledgement: Acknowledgement = .automatic,
        _ body: (inout Producer, inout Consumer, UnsafeMutableRawPointer, UnsafeMutablePointer<UInt64>) throws -> Void
    ) throws {
        try SPSCRing.withEndpoints(acknowledgement: acknowledgement) { producer, consumer in
            let data = producer.writer.pointee.data
            let head = sr_head(producer.writer.pointee.control)
            try body(&producer, &consumer, data, head)
        }
    }

    static let forgedHeaders: [UInt64] = [
        1, 0x7fff_ffff, 0x1_0000_0000, 0x7fff_ffff_0000_0000,  // no mark of a record
        0x8000_0000 + 4096 - 23, 0x8000_0000 + 4096, 0xffff_fffe, 0xffff_ffff_ffff_fffe,  // too long
    ]

    @Test("A header that no producer writes poisons the consumer, with its position and bits", arguments: forgedHeaders)
    func forgedHeader(bits: UInt64) throws {
        try withForger { producer, consumer, data, _ in
            try producer.send("good")
            sr_store_release_u64(data + 16, bits)
            #expect(try consumer.pollText() == "good")
            expectError(.poisoned, saying: "position 16", "0x" + String(bits, radix: 16)) { () throws(RingError) in
                _ = try consumer.poll()
            }
            // Sticky, also after the forger has made it good again.
            sr_store_release_u64(data + 16, 0)
            try producer.send("later")
            expectError(.poisoned) { () throws(RingError) in _ = try consumer.poll() }
            expectError(.poisoned) { () throws(RingError) in _ = try consumer.next(timeout: .zero) }
            expectError(.poisoned) { () throws(RingError) in _ = try consumer.receive() }
            expectError(.poisoned) { () throws(RingError) in try consumer.acknowledge() }
            expectError(.poisoned) { () throws(RingError) in try consumer.waitForPeer(timeout: .zero) }
            expectError(.poisoned) { () throws(RingError) in _ = try consumer.removeRingIfUnused() }
            #expect(consumer.drain { _ in } == 0)
        }
    }

    @Test("A waiting consumer is poisoned too, and drain hands out nothing forged", arguments: forgedHeaders)
    func forgedWhileWaiting(bits: UInt64) throws {
        try withForger { _, consumer, data, _ in
            sr_store_release_u64(data, bits)
            #expect(consumer.drain { _ in } == 0)
            expectError(.poisoned) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
        }
    }

    @Test("A poisoned consumer can't close in order; to the producer it has died") func closing() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        var consumer = try ring.makeConsumer()
        try producer.send("x")
        sr_store_release_u64(producer.writer.pointee.data, 1)
        expectError(.poisoned) { () throws(RingError) in _ = try consumer.poll() }
        do throws(RingError) {
            try consumer.close()
            Issue.record("closed")
        } catch {
            #expect(error.code == .poisoned)
        }
        expectError(.peerDied) { () throws(RingError) in try producer.waitUntilAcknowledged(timeout: patience) }
    }

    @Test(
        "A head that is unaligned, beyond the tail, or behind the last one poisons the producer",
        arguments: [1, 4, 4096 + 17, 4080 + 4096 + 8, 1 << 63, .max, .max - 7, 0] as [UInt64])
    func forgedHead(value: UInt64) throws {
        try withForger { producer, consumer, _, head in
            while try producer.trySend(value: UInt64(1)) {}  // tail 4080
            consumer.drain(limit: 255) { _ in }
            #expect(producer.freeBytes > 0)  // has seen head 4080
            sr_store_release_u64(head, value)
            expectError(.poisoned, saying: "head is \(value)") { () throws(RingError) in while try producer.trySend(value: UInt64(1)) {} }
            sr_store_release_u64(head, 4080)
            let bytes = [UInt8](repeating: 0, count: 8)
            expectError(.poisoned) { () throws(RingError) in _ = try producer.trySend(bytes) }
            expectError(.poisoned) { () throws(RingError) in try producer.send(bytes) }
            expectError(.poisoned) { () throws(RingError) in try producer.send([UInt8]()) }
            expectError(.poisoned) { () throws(RingError) in _ = try producer.claim(byteCount: 0) }
            expectError(.poisoned) { () throws(RingError) in _ = try producer.tryClaim(byteCount: 0) }
            expectError(.poisoned) { () throws(RingError) in try producer.waitUntilAcknowledged() }
            #expect(producer.freeBytes == 0)
        }
    }

    @Test("A batch under way stays refused too: nothing is written by a poisoned producer, however large") func batch() throws {
        try withForger { producer, _, data, head in
            var batch = producer.batch()
            let bytes = [UInt8](repeating: 0x41, count: 1000)
            while try batch.tryAppend(bytes.span.bytes) {}
            sr_store_release_u64(head, 1)
            do throws(RingError) {
                _ = try batch.tryAppend(bytes.span.bytes)
                Issue.record("not poisoned")
            } catch {
                #expect(error.code == .poisoned)
            }
            let before = UnsafeRawBufferPointer(start: data, count: 4096).map { $0 }
            // Larger than the ring: were it written, it would run into the guard page or beyond.
            for size in [0, 8, 1000, 5000, 9000, 1 << 20] {
                let large = [UInt8](repeating: 0x42, count: size)
                do throws(RingError) {
                    try batch.append(large, timeout: .zero)
                    Issue.record("\(size) bytes were appended")
                } catch {
                    #expect(error.code == .poisoned)
                }
            }
            #expect(UnsafeRawBufferPointer(start: data, count: 4096).elementsEqual(before))
        }
    }

    @Test("A poisoned producer can't close its stream; to the consumer it has died") func closingProducer() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        while try producer.trySend(value: UInt64(1)) {}
        sr_store_release_u64(sr_head(producer.writer.pointee.control), 3)
        expectError(.poisoned) { () throws(RingError) in _ = try producer.trySend(value: UInt64(1)) }
        do throws(RingError) {
            try producer.close()
            Issue.record("closed")
        } catch {
            #expect(error.code == .poisoned)
        }
        #expect(consumer.drain { _ in } == 255)
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
    }

    @Test("Taking a lane over, or reading on, where the words make no sense: poisoned, and the role is free again") func takeOver() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var first = try ring.makeProducer()
        try first.send("x")
        let data = first.writer.pointee.data
        let head = sr_head(first.writer.pointee.control)
        // The words stay mapped through this consumer.
        let consumer = try ring.makeConsumer()
        let consumerHead = sr_head(consumer.reader.pointee.control)
        sr_store_release_u64(data + 16, 0xffff_fff0)
        _ = head
        try first.close()  // writes its mark over the forged header

        sr_store_release_u64(consumerHead, 4)
        expectError(.poisoned, saying: "head is 4") { () throws(RingError) in _ = try ring.makeProducer() }
        expectError(.poisoned) { () throws(RingError) in _ = try ring.makeProducer() }
        sr_store_release_u64(consumerHead, 8)  // aligned, but in the middle of a payload: "x"
        expectError(.poisoned, saying: "position 8") { () throws(RingError) in _ = try ring.makeProducer() }
        sr_store_release_u64(consumerHead, 0)
        _ = try ring.makeProducer()
        try consumer.close()
        let last = try ring.makeConsumer()
        sr_store_release_u64(sr_head(last.reader.pointee.control), 12)
        try last.close()
        expectError(.poisoned, saying: "head is 12") { () throws(RingError) in _ = try ring.makeConsumer() }
    }

    @Test("A lane full of records without an end does not keep the next producer walking for ever") func endlessWalk() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let first = try ring.makeProducer()
        let data = first.writer.pointee.data
        for position in stride(from: 0, to: 4096, by: 8) { sr_store_relaxed_u64(data + position, 0x8000_0000) }
        do { _ = consume first }
        expectError(.poisoned, saying: "capacity 4096") { () throws(RingError) in _ = try ring.makeProducer() }
    }

    @Test("A page without access stands before and behind every mapping") func guards() throws {
        try withForger { producer, consumer, data, _ in
            for start in [UnsafeRawPointer(data), consumer.reader.pointee.data] {
                #expect(ts_is_mapped(start) == 1)
                #expect(ts_is_mapped(start + 2 * 4096 - 1) == 1)
                #expect(ts_is_mapped(start - 1) == 0)
                #expect(ts_is_mapped(start + 2 * 4096) == 0)
            }
            let control = UnsafeRawPointer(producer.core.attachment.control)
            #expect(ts_is_mapped(control) == 1)
            #expect(ts_is_mapped(control - 1) == 0)
            #expect(ts_is_mapped(control + 4096) == 0)
        }
    }

    @Test("A forged epoch, doorbell or holder information neither traps nor hangs") func otherWords() throws {
        try withForger { producer, consumer, _, head in
            let control = producer.core.attachment.consumer
            let lane = producer.writer.pointee.control
            for value in [0, 1, 2, 0x7fff_ffff, 0x8000_0001, .max] as [UInt32] {
                sr_store_release_u32(sr_producer_epoch(lane), value)
                sr_store_release_u32(sr_consumer_epoch(control), value)
                sr_store_release_u32(sr_consumer_doorbell(control), value)
                sr_store_release_u32(sr_space_doorbell(lane), value)
                _ = try? consumer.receive(timeout: .milliseconds(15))
                try producer.send("x")
                #expect(try consumer.pollText() == "x")
            }
            memset(sr_producer_holder(lane), 0xff, 128)
            memset(sr_consumer_holder(control), 0x1b, 128)
            let holder = producer.core.attachment.segment.holder(of: .consumer)
            #expect(holder?.name == "", "control characters do not reach a terminal")
            #expect(producer.core.attachment.segment.holder(of: .lane(0)) != nil)
            _ = head
        }
    }
}

import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Words that an untrusted peer writes while both sides are attached", .oneByOne)
struct ForgedWordsTests {
    @Test("A header that changes when its message is handed out changes neither the message's length nor where the next one is")
    func headerUnderMessage() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            let data = producer.writer.pointee.data
            try producer.send("first")
            try producer.send("second")
            guard let message = try consumer.next(timeout: .zero) else { throw Peer.Failure(description: "no message") }
            for bits: UInt64 in [0, 0x8000_0000 | 4000, .max, 0x7fff_ffff] {
                sr_store_release_u64(data, bits)
                let count = message.byteCount
                #expect(count == 5)
            }
            #expect(message.text == "first")
            _ = consume message
            #expect(try consumer.pollText() == "second")
        }
    }

    /// No wake follows: the sender then believes that no process sleeps.
    @Test(
        "A doorbell that is silenced over and over delays news by a check interval, and loses none",
        arguments: [WaitStrategy.sleep, .adaptive])
    func silenced(waiting: WaitStrategy) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer(waiting: waiting, options: EndpointOptions(checkInterval: .milliseconds(5)))
        let consumer = try ring.makeConsumer(waiting: waiting, options: EndpointOptions(checkInterval: .milliseconds(5)))
        let attachment = producer.core.attachment
        let isOver = Turn()
        let begun = Turn()
        defer { isOver.set(1) }
        let untrusted = Worker {
            var count = 0
            while isOver.value == 0 {
                sr_store_relaxed_u32(sr_consumer_doorbell(attachment.consumer), 0)
                sr_store_relaxed_u32(sr_space_doorbell(attachment.lane(0)), 0)
                count += 1
                begun.set(1)
                sched_yield()
            }
            return count
        }
        #expect(begun.wait(for: 1))
        let box = Box(consumer)
        let worker = Worker {
            var consumer = box.take()
            for i in 0..<UInt64(50) {
                let found = try consumer.next(timeout: patience)?.integer(as: UInt64.self)
                #expect(found == i)
            }
            try consumer.close()
        }
        for i in 0..<UInt64(50) {
            try producer.send(value: i)
            if i < 49 { try producer.waitUntilAcknowledged(timeout: patience) }
        }
        try worker.join()
        isOver.set(1)
        #expect(try untrusted.join() > 0)
    }

    @Test("Every lane marked as in use, and lanes that do not exist: what was sent comes, and nothing else", arguments: [2, 64, 65])
    func bitmap(lanes: Int) throws {
        let ring = try MPSCRing.anonymous(lanes: lanes, options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        for word in 0..<16 { sr_store_release_u64(sr_lanes_used(producer.core.attachment.control, UInt32(word * 64)), .max) }
        try producer.send("x")
        let message = try consumer.receive(timeout: patience)
        #expect(message == Array("x".utf8))
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(20)) }
        #expect(consumer.ends == ProducerEnds())
    }

    @Test("A ticket floor in a live producer's lane holds all messages back, to the deadline and not beyond") func ticketFloor()
        throws
    {
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        let floor = sr_ticket_floor(second.core.attachment.lane(1))
        sr_store_release_u64(floor, 0)
        try first.send("held back")
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(30)) }
        // Until that producer sends, or goes.
        try second.send("by its next message")
        var texts: [String] = []
        for _ in 0..<2 { texts.append(String(decoding: try #require(try consumer.receive(timeout: patience)), as: UTF8.self)) }
        #expect(texts == ["held back", "by its next message"])
        sr_store_release_u64(floor, 0)
        try first.send("held back again")
        _ = consume second  // dropped: its byte is free
        #expect(try consumer.receive(timeout: patience) == Array("held back again".utf8))
    }
}

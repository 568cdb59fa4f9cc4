import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// Stores a value in a doorbell and wakes who sleeps there, as fast as it can, until it goes.
private final class Flood: Sendable {
    private let isOver = Turn()
    private let worker: Worker<Int>

    init(_ doorbell: UnsafeMutablePointer<UInt32>, storing value: UInt32) {
        let address = UInt(bitPattern: doorbell)
        let isOver = isOver
        worker = Worker {
            let doorbell = UnsafeMutablePointer<UInt32>(bitPattern: address)!
            var count = 0
            while isOver.value == 0 {
                sr_store_relaxed_u32(doorbell, value)
                _ = ts_futex_wake(doorbell)
                count += 1
            }
            return count
        }
    }

    /// How often it rang.
    func end() throws -> Int {
        isOver.set(1)
        return try worker.join()
    }
}

/// Counted in the ring's own `sleeps`, not in time: each turn of the waiting side counts one, and all but the first 17 of a wait
/// that is woken for nothing take a millisecond at least.
@Suite("A doorbell that an untrusted peer rings without end makes no busy loop, and what comes is received", .oneByOne, .serialized)
struct FloodTests {
    private static let messages = 200

    /// Milliseconds, and how often a side may have gone to sleep meanwhile: once for each, and 17 for each wait.
    private func expectCalm(_ sleeps: UInt64, since start: Int64, waits: Int, _ rings: Int) {
        let milliseconds = (sr_now_ns() - start) / 1_000_000
        #expect(sleeps <= UInt64(milliseconds) + UInt64(17 * waits) + 1, "in \(milliseconds) ms; the untrusted peer rang \(rings) times")
    }

    @Test("A consumer's", arguments: [0, 1, 2, .max] as [UInt32]) func consumer(value: UInt32) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let consumer = try ring.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        var producer = try ring.makeProducer()
        let sleeps = sr_consumer_sleeps(consumer.core.attachment.consumer)
        let flood = Flood(sr_consumer_doorbell(consumer.core.attachment.consumer), storing: value)
        let start = sr_now_ns()
        let box = Box(consumer)
        let worker = Worker {
            var consumer = box.take()
            for i in 0..<UInt64(Self.messages) {
                let found = try consumer.next()?.integer(as: UInt64.self)
                #expect(found == i)
            }
            // Nothing more comes: one long wait.
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(300)) }
            return consumer.core.attachment
        }
        for i in 0..<UInt64(Self.messages) {
            try producer.send(value: i)
            if i % 8 == 0 { usleep(2000) }
        }
        let attachment = try worker.join()
        let rings = try flood.end()
        expectCalm(sr_load_relaxed_u64(sleeps), since: start, waits: Self.messages + 1, rings)
        withExtendedLifetime(attachment) {}  // keeps the words mapped
    }

    @Test("A merging consumer's", arguments: [MPSCRing.Order.perProducer, .total]) func merging(order: MPSCRing.Order) throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: order, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        let box = Box(try ring.makeProducer())
        let sleeps = sr_consumer_sleeps(consumer.core.attachment.consumer)
        let flood = Flood(sr_consumer_doorbell(consumer.core.attachment.consumer), storing: 0)
        let start = sr_now_ns()
        let sender = Worker {
            var producer = box.take()
            for i in 0..<UInt64(Self.messages) {
                try producer.send(value: i)
                if i % 8 == 0 { usleep(2000) }
            }
            usleep(200_000)
            try producer.send(value: UInt64(Self.messages))
            try producer.close()
        }
        for i in 0...UInt64(Self.messages) {
            let found = try consumer.next()?.integer(as: UInt64.self)
            #expect(found == i)
        }
        try sender.join()
        expectCalm(sr_load_relaxed_u64(sleeps), since: start, waits: Self.messages + 1, try flood.end())
        withExtendedLifetime(consumer) {}
    }

    @Test("A producer's, that waits for room", arguments: [0, 1] as [UInt32]) func producer(value: UInt32) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        var producer = try ring.makeProducer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        while try producer.trySend(value: UInt64(0)) {}
        let lane = producer.writer.pointee.control
        let sleeps = sr_producer_sleeps(lane)
        let flood = Flood(sr_space_doorbell(lane), storing: value)
        let start = sr_now_ns()
        expectError(.timedOut) { () throws(RingError) in try producer.send(value: UInt64(0), timeout: .milliseconds(300)) }
        let box = Box(producer)
        let worker = Worker {
            var producer = box.take()
            try producer.send(value: UInt64(1))
            return producer.core.attachment
        }
        usleep(50_000)
        var last: UInt64?
        let patience = Patience()
        while last != 1 {
            consumer.drain { last = $0.integer(as: UInt64.self) }
            try patience.yield()
        }
        let attachment = try worker.join()
        expectCalm(sr_load_relaxed_u64(sleeps), since: start, waits: 2, try flood.end())
        withExtendedLifetime(attachment) {}
    }
}

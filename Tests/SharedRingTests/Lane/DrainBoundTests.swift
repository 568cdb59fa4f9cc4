import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Draining ends however fast others send, and hands out all that stood there when it began", .oneByOne)
struct DrainBoundTests {
    private static let capacity = 4096
    private static let spacing = 16
    /// More records of 8 bytes than a drain may hand out of one lane: a lap, and an eighth.
    private static let most = (capacity + capacity / 8) / spacing + 1

    @Test("Of one lane whose producer keeps up with the drain", arguments: [Acknowledgement.automatic, .manual], [1, 100, 250])
    func oneLane(acknowledgement: Acknowledgement, before: Int) throws {
        try SPSCRing.withEndpoints(acknowledgement: acknowledgement) { producer, consumer in
            var sent = 0
            while sent < before, try producer.trySend(value: sent) { sent += 1 }
            var next = 0
            for _ in 0..<20 {
                let stood = sent - next
                let count = try consumer.drain { message throws(RingError) in
                    #expect(message.integer(as: Int.self) == next)
                    next += 1
                    if try producer.trySend(value: sent) { sent += 1 }
                }
                #expect(count >= stood && count <= Self.most, "\(count), \(stood) stood there")
                try consumer.acknowledge()
            }
        }
    }

    @Test("Of many lanes, in either order", arguments: [MPSCRing.Order.perProducer, .total], [1, 256])
    func manyLanes(order: MPSCRing.Order, budget: Int) throws {
        let ring = try MPSCRing.anonymous(lanes: 3, order: order, options: RingOptions(capacity: Self.capacity))
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        var consumer = try ring.makeConsumer(options: EndpointOptions(budget: budget))
        var (sent, next) = ([0, 0], [0, 0])
        func send() throws(RingError) {
            if try first.trySend(value: sent[0]) { sent[0] += 1 }
            if try second.trySend(value: sent[1]) { sent[1] += 1 }
        }
        for _ in 0..<50 { try send() }
        for _ in 0..<20 {
            let stood = [sent[0] - next[0], sent[1] - next[1]]
            var counts = [0, 0]
            let count = try consumer.drain { message throws(RingError) in
                #expect(message.integer(as: Int.self) == next[message.lane])
                next[message.lane] += 1
                counts[message.lane] += 1
                try send()
            }
            #expect(counts[0] >= stood[0] && counts[1] >= stood[1])
            // In a total order exactly what was sent before; else a lap a lane, and what its budget and its eighth add.
            #expect(order == .total ? count == stood[0] + stood[1] : count <= 2 * (Self.most + budget), "\(count)")
        }
    }

    @Test("An event source's, with a limit and without: it stays readable") func eventSource() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: Self.capacity))
        var producer = try ring.makeProducer()
        var source = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))).eventSource()
        try producer.send(value: 0)
        var (sent, next) = (1, 0)
        for _ in 0..<10 {
            let before = next
            let why = try source.drain { message in
                #expect(message.integer(as: Int.self) == next)
                next += 1
                for _ in 0..<2 where try producer.trySend(value: sent) { sent += 1 }
            }
            #expect(why == .limitReached && next - before <= Self.most)
            var entry = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
            #expect(poll(&entry, 1, 0) == 1)
        }
        #expect(try source.drain(limit: -1) { _ in } == .limitReached, "no number traps")
        #expect(try source.drain(limit: 1) { _ in next += 1 } == .limitReached)
        while try source.drain(body: { _ in next += 1 }) != .empty {}
        #expect(next == sent)
        try producer.close()
        var entry = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
        try #require(poll(&entry, 1, patienceMilliseconds) == 1)
        #expect(try source.drain { _ in } == .ended)
    }

    @Test("Of a subscriber whose publisher keeps up with the drain", arguments: [Subscriber.Delivery.reliable, .lossy])
    func subscriber(delivery: Subscriber.Delivery) throws {
        let ring = try BroadcastRing.anonymous(subscribers: 1, options: RingOptions(capacity: Self.capacity))
        var publisher = try ring.makePublisher()
        var subscriber = try ring.makeSubscriber(delivery)
        var (sent, next) = (0, 0)
        while sent < 50, try publisher.trySend(value: sent) { sent += 1 }
        for _ in 0..<20 {
            let stood = sent - next
            let count = try subscriber.drain { message throws(RingError) in
                #expect(message.integer(as: Int.self) == next)
                next += 1
                if try publisher.trySend(value: sent) { sent += 1 }
            }
            #expect(count >= stood && count <= Self.most, "\(count), \(stood) stood there")
        }
        #expect(subscriber.missed.messages == 0)
        var source = try subscriber.eventSource()
        for _ in 0..<10 {
            let before = next
            let why = try source.drain { message in
                #expect(message.integer(as: Int.self) == next)
                next += 1
                if try publisher.trySend(value: sent) { sent += 1 }
            }
            #expect(why == .limitReached && next > before && next - before <= Self.most)
        }
        try source.end()
    }

    @Test("While another thread sends without a pause", arguments: [1, 2])
    func live(lanes: Int) throws {
        let ring = try MPSCRing.anonymous(lanes: lanes, options: RingOptions(capacity: 1 << 16))
        let box = Box(try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10))))
        var source = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))).eventSource()
        let isDone = Turn()
        let worker = Worker {
            var producer = box.take()
            while isDone.value == 0 { _ = try producer.trySend(value: 1) }
        }
        defer { isDone.set(1) }
        for _ in 0..<50 {
            var count = 0
            try source.drain { _ in count += 1 }
            #expect(count <= (1 << 16) / 16 * 2)
        }
        isDone.set(1)
        try worker.join()
    }
}

extension EventSource where Source: ~Copyable {
    @discardableResult
    fileprivate mutating func drain(body: (borrowing Message) throws -> Void) throws -> DrainResult { try drain(body) }
}

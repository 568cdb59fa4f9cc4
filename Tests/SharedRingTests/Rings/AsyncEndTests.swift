import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Endpoints that can't be given away are ended", .oneByOne)
struct AsyncEndTests {
    private func ring() throws -> SPSCRing { try SPSCRing.anonymous(options: RingOptions(capacity: 4096)) }

    /// An endpoint each in a stored property, where `close` can't be called.
    private final class Holder {
        var producer: Producer
        var consumer: Consumer
        init(_ ring: SPSCRing) throws {
            producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
            consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        }
    }

    @Test("A producer ends in a stored property: its stream is whole, its role free, and later calls say so") func producer() throws {
        let ring = try ring()
        let holder = try Holder(ring)
        try holder.producer.send("last")
        try holder.producer.end()
        try holder.producer.end()
        expectError(.ended, saying: "this producer was ended") { () throws(RingError) in try holder.producer.send("late") }
        expectError(.ended) { () throws(RingError) in _ = try holder.producer.trySend("late") }
        expectError(.ended) { () throws(RingError) in _ = try holder.producer.canClaim() }
        expectError(.ended) { () throws(RingError) in try holder.producer.waitUntilAcknowledged(timeout: .zero) }
        expectError(.ended) { () throws(RingError) in try holder.producer.waitForPeer(timeout: .zero) }
        #expect(holder.producer.freeBytes == 0)

        var successor = try ring.makeProducer()
        try successor.send("next")
        #expect(try holder.consumer.pollText() == "last")
        #expect(try holder.consumer.pollText() == "(ended)")
        #expect(try holder.consumer.pollText() == "next")
        try successor.close()
        #expect(try holder.consumer.pollText() == "(ended)")
    }

    @Test("An ended producer or consumer that is dropped later does nothing to its successor") func lateDrop() throws {
        let ring = try ring()
        var holder: Holder? = try Holder(ring)
        try holder!.producer.send("one")
        #expect(try holder!.consumer.pollText() == "one")
        try holder!.producer.end()
        try holder!.consumer.end()
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer(acknowledgement: .manual)
        #expect(try consumer.pollText() == "(ended)")
        try producer.send("two")
        holder = nil
        #expect(try consumer.pollText() == "two")
        #expect(try producer.trySend("three"))
        _ = consume consumer
        var last = try ring.makeConsumer()
        #expect(try last.pollText() == "(ended)", "not acknowledged, so it comes again")
        #expect(try last.pollText() == "two")
        #expect(try last.pollText() == "three")
    }

    @Test("A consumer ends in a stored property: what it used up is acknowledged, its role free, and later calls say so") func consumer()
        throws
    {
        let ring = try ring()
        let holder = try Holder(ring)
        try holder.producer.send("one")
        try holder.producer.send("two")
        #expect(try holder.consumer.pollText() == "one")
        try holder.consumer.end()
        try holder.consumer.end()
        expectError(.ended, saying: "this consumer was ended") { () throws(RingError) in _ = try holder.consumer.next() }
        expectError(.ended) { () throws(RingError) in _ = try holder.consumer.poll() }
        expectError(.ended) { () throws(RingError) in try holder.consumer.acknowledge() }
        expectError(.ended) { () throws(RingError) in try holder.consumer.waitForPeer(timeout: .zero) }
        expectError(.ended) { () throws(RingError) in _ = try holder.consumer.removeRingIfUnused() }
        let isThere = holder.consumer.hasMessageNow()
        #expect(!isThere)
        #expect(holder.consumer.drain { _ in } == 0)
        var successor = try ring.makeConsumer()
        #expect(try successor.pollText() == "two")
        try successor.end()
        expectError(.peerClosed) { () throws(RingError) in
            while true { try holder.producer.send("no room some time", timeout: patience) }
        }
    }

    @Test("A merging consumer ends likewise", arguments: [MPSCRing.Order.perProducer, .total]) func merging(order: MPSCRing.Order) throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: order, options: RingOptions(capacity: 4096))
        final class Holder {
            var consumer: MergingConsumer
            init(_ ring: MPSCRing) throws { consumer = try ring.makeConsumer() }
        }
        let holder = try Holder(ring)
        var producer = try ring.makeProducer()
        try producer.send("one")
        try producer.send("two")
        #expect(try holder.consumer.receive(timeout: patience) == Array("one".utf8))
        try holder.consumer.end()
        try holder.consumer.end()
        expectError(.ended) { () throws(RingError) in _ = try holder.consumer.next() }
        expectError(.ended) { () throws(RingError) in _ = try holder.consumer.poll() }
        expectError(.ended) { () throws(RingError) in try holder.consumer.acknowledge() }
        #expect(holder.consumer.drain { _ in } == 0)
        var successor = try ring.makeConsumer()
        #expect(try successor.receive(timeout: patience) == Array("two".utf8))
    }

    @Test("In a defer") func deferred() throws {
        func sendOne(_ ring: SPSCRing) throws {
            var producer = try ring.makeProducer()
            defer { try? producer.end() }
            try producer.send("one")
        }
        let ring = try ring()
        try sendOne(ring)
        var consumer = try ring.makeConsumer()
        #expect(try consumer.pollText() == "one")
        #expect(try consumer.pollText() == "(ended)")
    }

    private struct Odd: Error {}

    @Test("A scoped producer closes when its body returns; when it throws, the stream reads as cut off") func scopedProducer() throws {
        let ring = try ring()
        #expect(try ring.withProducer { producer in producer.lane } == 0)
        #expect(throws: Odd.self) {
            try ring.withProducer { producer in
                try producer.send("first half")
                throw Odd()
            }
        }
        expectError(.sizeMismatch) { () throws(RingError) in
            try ring.withProducer { _ throws(RingError) in throw RingError(.sizeMismatch, ring: "", "typed") }
        }
        try ring.withConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))) { consumer throws in
            #expect(try consumer.pollText() == "(ended)")
            #expect(try consumer.pollText() == "first half")
            expectError(.peerDied) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
        }
        _ = try ring.makeConsumer()  // the role is free
    }

    @Test("A scoped consumer closes when its body returns; when it throws, what it used up is acknowledged all the same")
    func scopedConsumer() throws {
        let ring = try MPSCRing.anonymous(lanes: 1, options: RingOptions(capacity: 4096))
        try ring.withProducer { producer in
            for number in 0..<3 { try producer.send(value: number) }
        }
        #expect(throws: Odd.self) {
            try ring.withConsumer { consumer in
                #expect(try consumer.receive() != nil)
                throw Odd()
            }
        }
        let left = try ring.withConsumer(ending: .whenAllEnded()) { consumer in
            var count = 0
            while try consumer.receive() != nil { count += 1 }
            return count
        }
        #expect(left == 2)
    }

    @Test("Both scoped forms in a task") func scopedAsync() async throws {
        let ring = try ring()
        async let received = ring.withConsumer { consumer in
            var texts: [String] = []
            while let message = try await consumer.next(timeout: asyncPatience) { texts.append(message.text) }
            return texts
        }
        try await ring.withProducer { producer in
            for number in 0..<300 { try await producer.send("message \(number)") }
        }
        #expect(try await received == (0..<300).map { "message \($0)" })
        await #expect(throws: Odd.self) {
            try await ring.withProducer { producer in
                try await producer.send("half")
                throw Odd()
            }
        }
        let code = await asyncCode { () async throws(RingError) in
            try await ring.withConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))) { consumer async throws(RingError) in
                while try await consumer.next(timeout: asyncPatience) != nil {}
            }
        }
        #expect(code == .peerDied)
    }
}

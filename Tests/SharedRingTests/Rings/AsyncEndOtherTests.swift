import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Endpoints of every kind that can't be given away are ended, and say so later", .oneByOne)
struct AsyncEndOtherTests {
    private let quick = EndpointOptions(checkInterval: .milliseconds(10))

    /// An endpoint in a stored property, where `close` can't be called.
    private final class Holder<Endpoint: ~Copyable> {
        var endpoint: Endpoint
        init(_ endpoint: consuming Endpoint) { self.endpoint = endpoint }
    }

    @Test("A subscriber: it holds nothing up any more, and its name is free", arguments: [Subscriber.Delivery.reliable, .lossy])
    func subscriber(_ delivery: Subscriber.Delivery) throws {
        let ring = try BroadcastRing.anonymous(subscribers: 1, options: RingOptions(capacity: 4096))
        let name = delivery == .reliable ? "audit" : nil
        let holder = Holder(try ring.makeSubscriber(delivery, as: name))
        var publisher = try ring.makePublisher(options: quick)
        try publisher.send("one")
        #expect(try holder.endpoint.receive() == Array("one".utf8))
        try holder.endpoint.end()
        try holder.endpoint.end()
        expectError(.ended, saying: "this consumer was ended") { () throws(RingError) in _ = try holder.endpoint.next() }
        expectError(.ended) { () throws(RingError) in _ = try holder.endpoint.poll() }
        expectError(.ended) { () throws(RingError) in try holder.endpoint.waitForPeer(timeout: .zero) }
        #expect(holder.endpoint.drain { _ in } == 0)
        for _ in 0..<10 { #expect(try publisher.trySend([UInt8](repeating: 0, count: 1000))) }
        try ring.makeSubscriber(as: "audit").close()
    }

    @Test("A scoped subscriber, in a thread and in a task; a body that throws leaves nothing that holds the publisher up") func scoped()
        async throws
    {
        struct Odd: Error {}
        let ring = try BroadcastRing.anonymous(subscribers: 1, options: RingOptions(capacity: 4096))
        let publisher = try ring.makePublisher(options: quick)
        try await publisher.send("one")
        let text = try await ring.withSubscriber(from: .oldest) { subscriber in
            try await subscriber.next(timeout: asyncPatience)?.text
        }
        #expect(text == "one")
        let code = await asyncCode { () async throws(RingError) in
            try await ring.withSubscriber { subscriber async throws(RingError) in
                _ = try await subscriber.next(timeout: .zero)
            }
        }
        #expect(code == .timedOut)
        await #expect(throws: Odd.self) { try await ring.withSubscriber { _ async throws in throw Odd() } }
        func blocking() throws {
            #expect(throws: Odd.self) { try ring.withSubscriber { _ in throw Odd() } }
            let count = try ring.withSubscriber(.lossy, from: .oldest) { subscriber in subscriber.drain { _ in } }
            #expect(count == 1)
        }
        try blocking()
        for _ in 0..<10 { try await publisher.send([UInt8](repeating: 0, count: 1000), timeout: asyncPatience) }
        #expect(try await ring.makeSubscriber().isResumed == false, "its place is free")
    }

    @Test("A server: what it had started is answered as failed, its place is free") func server() throws {
        let service = try CallService.anonymous(shape: CallService.Shape(clients: 2, servers: 1))
        let holder = Holder(try service.makeServer())
        let client = try service.makeClient()
        let caller = Worker { () -> CallError? in
            do throws(CallError) { _ = try client.call("x", timeout: patience) } catch { return error }
            return nil
        }
        let request = try holder.endpoint.next(timeout: patience)
        try holder.endpoint.end()
        try holder.endpoint.end()
        #expect(try caller.join()?.outcome == .failed(.closed))
        expectError(.ended, saying: "this server was ended") { () throws(RingError) in _ = try holder.endpoint.next(timeout: .zero) }
        expectError(.ended) { () throws(RingError) in _ = try holder.endpoint.nextIfAvailable() }
        _ = consume request
        var successor = try service.makeServer()
        let second = Worker { try client.call("y", timeout: patience).text }
        try successor.next(timeout: patience).reply("z")
        #expect(try second.join() == "z")
        try successor.end()
    }

    @Test("A server's event source") func serverSource() throws {
        let service = try CallService.anonymous(shape: CallService.Shape(clients: 2, servers: 1))
        let holder = Holder(try service.makeServer().eventSource())
        #expect(try holder.endpoint.poll() == nil, "armed: the waiter thread has it")
        try holder.endpoint.end()
        try holder.endpoint.end()
        expectError(.ended) { () throws(RingError) in _ = try holder.endpoint.poll() }
        service.makeServerEnds()
    }

    @Test("A board's writer: the entry keeps its value and is free; not even an empty value fits any more") func writer() throws {
        let board = try Board.anonymous(entries: [Board.Entry("k", capacity: 8)])
        let holder = Holder(try board.makeWriter("k"))
        try holder.endpoint.set("last")
        try holder.endpoint.end()
        try holder.endpoint.end()
        expectError(.ended, saying: "this writer was ended") { () throws(RingError) in try holder.endpoint.set("late") }
        expectError(.ended) { () throws(RingError) in try holder.endpoint.set([]) }
        expectError(.ended) { () throws(RingError) in try holder.endpoint.set(value: 7) }
        #expect(throws: RingError.self) { try holder.endpoint.update(byteCount: 0) { _ in } }
        var reader = try board.makeReader("k")
        #expect(try reader.get()?.text == "last" && holder.endpoint.capacity == 8)
        var successor = try board.makeWriter("k")
        #expect(try successor.set("next") == 2)
        try successor.end()
    }

    @Test("An event source: armed or not, its consumer is ended, and what it used up acknowledged", arguments: [true, false])
    func source(isArmed: Bool) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        let holder = Holder(try ring.makeConsumer(options: quick).eventSource())
        try producer.send("one")
        try producer.send("two")
        if isArmed {
            #expect(try holder.endpoint.drain { _ in } == .empty)
        } else {
            #expect(try holder.endpoint.drain(limit: 1) { _ in } == .limitReached)
        }
        try holder.endpoint.end()
        try holder.endpoint.end()
        expectError(.ended) { () throws(RingError) in _ = try holder.endpoint.poll() }
        #expect(throws: RingError.self) { try holder.endpoint.drain { _ in } }
        var successor = try ring.makeConsumer()
        #expect(try successor.pollText() == (isArmed ? "(empty)" : "two"))
    }

    @Test("A link: both directions end in order") func link() throws {
        let place = Place()
        var options = LinkOptions()
        options.handshakeTimeout = asyncPatience
        let listener = try LinkListener(path: place.path("service"), options: options)
        let worker = Worker { [options] in
            Box(try Link.connect(path: place.path("service"), options: options, timeout: patience))
        }
        let holder = Holder(try listener.accept(timeout: patience))
        var other = try worker.join().take()
        try holder.endpoint.producer.send("last")
        try holder.endpoint.end()
        try holder.endpoint.end()
        expectError(.ended) { () throws(RingError) in try holder.endpoint.producer.send("late") }
        expectError(.ended) { () throws(RingError) in _ = try holder.endpoint.consumer.poll() }
        #expect(try other.consumer.next(timeout: patience)?.text == "last")
        #expect(try other.consumer.next(timeout: patience)?.text == nil, "closed, not cut off")
        expectError(.peerClosed) { () throws(RingError) in
            while true { try other.producer.send("no room some time", timeout: patience) }
        }
    }
}

extension CallService {
    /// That the place of a server is free.
    fileprivate func makeServerEnds(sourceLocation: SourceLocation = #_sourceLocation) {
        do { try makeServer().close() } catch { Issue.record(error, sourceLocation: sourceLocation) }
    }
}

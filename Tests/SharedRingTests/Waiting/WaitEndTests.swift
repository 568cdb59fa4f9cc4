import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// A thread of the library that has told a task of the end of its wait may not get to run for long. What the task then drops is to be free at once all the
/// same: the ring can be removed, and the role taken.
@Suite("What waited is let go of before its owner hears of the end", .oneByOne)
struct WaitEndTests {
    /// Knows an object without keeping it.
    private final class Trace: @unchecked Sendable {
        private weak var object: AnyObject?

        init(_ object: AnyObject) { self.object = object }

        var isGone: Bool { object == nil }
    }

    /// Waits on a new consumer's behalf, and drops the consumer.
    private func begin(_ ring: SPSCRing, _ ended: @escaping @Sendable (Bool) -> Void) throws -> Watch {
        let consumer = try ring.makeConsumer()
        let core = consumer.core
        let trace = Trace(core)
        try core.watch.begin(for: core) { _ in ended(trace.isGone) }
        return core.watch
    }

    @Test("The waiter thread keeps an endpoint no longer than its wait") func watch() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let told = Turn()
        let watch = try begin(ring) { isGone in told.set(isGone ? 1 : 2) }
        watch.abandon()
        #expect(told.wait(for: 1))
        #expect(told.value == 1, "the endpoint was still kept when its owner was told")
    }

    @Test("An event source that is dropped while it is armed has given its role back") func source() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        /// Knows of the descriptors and mappings, too.
        func arm() throws -> Trace {
            let consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: longCheckInterval))
            let trace = Trace(consumer.core.attachment)
            var source = try consumer.eventSource()
            guard case .empty = try source.poll() else {
                Issue.record("a message that nobody sent")
                return trace
            }
            return trace
        }
        for _ in 0..<100 {
            let trace = try arm()
            #expect(trace.isGone)
        }
    }

    @Test("A thread that did a task's work keeps nothing of it") func work() async throws {
        final class Kept: Sendable {}
        func once() async throws -> Trace {
            let kept = Kept()
            let given = try await OwnThread.run(for: "r") { () throws(RingError) in kept }
            return Trace(given)
        }
        for _ in 0..<300 {
            let trace = try await once()
            #expect(trace.isGone)
        }
    }

    @Test("A ring is removed right behind the task that waited on it") func remove() async throws {
        let place = Place()
        let options = place.options()
        @Sendable func receive() async throws {
            var subscriber = try await BroadcastRing.openOrCreate("r", options: options).makeSubscriber(.reliable, from: .oldest)
            while try await subscriber.next() != nil {}
        }
        @Sendable func publish() async throws {
            let publisher = try BroadcastRing.openOrCreate("r", options: options).makePublisher()
            try await publisher.waitForSubscribers(1)
            try await publisher.send("a")
            try await publisher.end()
        }
        for _ in 0..<100 {
            async let receiving: Void = receive()
            try await publish()
            try await receiving
            try BroadcastRing.remove("r", options: options)
        }
    }
}

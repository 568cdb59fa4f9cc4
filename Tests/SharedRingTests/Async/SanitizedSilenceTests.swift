import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// Waits that have been silent for so long that their peers are not checked every check interval any more.
@Suite("After a long silence", .oneByOne)
struct SanitizedSilenceTests {
    private let place = Place()
    private let peer: Peer

    init() throws { peer = try Peer("producer", of: "r", in: place) }

    /// The consumer of a ring whose producer is another process, and says nothing.
    private func makeConsumer() throws(RingError) -> Consumer {
        try SPSCRing.open("r", options: place.options()).makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(1)))
    }

    /// Does something to a wait that is to begin, after more sleeps than the ten looks that come quickly. (Many more: the thread also
    /// looks when a wait of another suite is cancelled.)
    private func afterSilence(_ watch: Watch, _ body: @escaping @Sendable () throws -> Void) -> Worker<Void> {
        let before = sr_load_relaxed_u64(watch.sleeper.sleeps)
        return Worker {
            #expect(eventually(within: asyncPatienceSeconds) { sr_load_relaxed_u64(watch.sleeper.sleeps) > before + 50 })
            try body()
        }
    }

    @Test("A message arrives, and the next silence begins anew") func message() async throws {
        var consumer = try makeConsumer()
        for text in ["a", "b"] {
            let worker = afterSilence(consumer.core.watch) { [peer] in peer.tell("send \(text)") }
            try await consumer.waitUntilReady(timeout: asyncPatience)
            #expect(try consumer.pollText() == text)
            try worker.join(within: asyncPatienceSeconds)
        }
    }

    @Test("The death of a peer that is killed is reported") func death() async throws {
        var consumer = try makeConsumer()
        let worker = afterSilence(consumer.core.watch) { [peer] in peer.kill() }
        try await consumer.waitUntilReady(timeout: asyncPatience)
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.pollText() }
        try worker.join(within: asyncPatienceSeconds)
    }

    @Test("An event source's descriptor shows it, too") func eventSource() throws {
        let consumer = try makeConsumer()
        let watch = consumer.core.watch
        var source = try consumer.eventSource()
        let worker = afterSilence(watch) { [peer] in peer.kill() }
        guard case .empty = try source.poll() else { throw Peer.Failure(description: "something is there") }
        try worker.join(within: asyncPatienceSeconds)
        var entry = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, patienceMilliseconds) == 1)
        expectError(.peerDied) { () throws(RingError) in _ = try source.poll() }
    }

    @Test("A canceller, a task's cancellation and a deadline end the wait; the consumer can be used then") func endings() async throws {
        var consumer = try makeConsumer()
        let watch = consumer.core.watch
        let canceller = consumer.canceller
        let worker = afterSilence(watch) { canceller.cancel() }
        #expect(await asyncCode { () throws(RingError) in try await consumer.waitUntilReady() } == .cancelled)
        try worker.join(within: asyncPatienceSeconds)
        canceller.reset()

        let box = Box(consumer)
        let task = Task {
            let consumer = box.take()
            let code = await asyncCode { () throws(RingError) in try await consumer.waitUntilReady() }
            return (code, Box(consumer))
        }
        let cancelling = afterSilence(watch) { task.cancel() }
        let (code, back) = await task.value
        #expect(code == .cancelled)
        try cancelling.join(within: asyncPatienceSeconds)

        consumer = back.take()
        let start = ContinuousClock.now
        #expect(await asyncCode { () throws(RingError) in try await consumer.waitUntilReady(timeout: .milliseconds(105)) } == .timedOut)
        #expect(ContinuousClock.now - start >= .milliseconds(105))
        #expect(try consumer.pollText() == "(empty)")
        peer.tell("send still here")
        try await consumer.waitUntilReady(timeout: asyncPatience)
        #expect(try consumer.pollText() == "still here")
    }
}

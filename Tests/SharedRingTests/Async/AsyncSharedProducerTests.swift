import Foundation
import TestSupport
import Testing

@testable import SharedRing

// A property of a class or an actor can't lend a view; a function that has the endpoint to itself can.
extension Producer {
    mutating func canClaim() throws(RingError) -> Bool { try tryClaim(byteCount: 8) != nil }

    mutating func canAppend() throws(RingError) -> Bool {
        var batch = batch()
        return try batch.tryAppend(value: 1)
    }
}

extension Consumer {
    mutating func hasMessageNow() -> Bool { nextIfAvailable() != nil }
}

/// An actor that several tasks send through, as in the article Embedding.
private actor SharedProducer {
    let producer: Producer

    init(_ box: Box<Producer>) { producer = box.take() }

    func send(_ number: Int, from caller: Int, timeout: Duration? = nil) async -> RingError.Code? {
        do throws(RingError) {
            try await producer.send(value: number, tag: UInt32(caller), timeout: timeout)
            return nil
        } catch {
            return error.code
        }
    }

    func end() async -> RingError.Code? {
        do throws(RingError) {
            try await producer.end()
            return nil
        } catch {
            return error.code
        }
    }

    /// A task waits for room, and so many behind it for their turns.
    func isWaitedFor(behind count: Int) -> Bool { producer.core.watch.thread != nil && producer.core.turns.count == count }
}

@Suite("Several tasks share one producer", .oneByOne)
struct AsyncSharedProducerTests {
    /// A ring in which no message has room, the actor of its producer, and its consumer.
    private func fullRing() throws -> (SharedProducer, Box<Consumer>, fill: Int) {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        var fill = 0
        while try producer.trySend(value: fill, tag: 99) { fill += 1 }
        return (SharedProducer(Box(producer)), Box(try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))), fill)
    }

    /// Tasks 0..<count, which queue up in this order.
    private func queue(_ count: Int, on shared: SharedProducer) async throws -> [Task<RingError.Code?, Never>] {
        var tasks: [Task<RingError.Code?, Never>] = []
        for caller in 0..<count {
            tasks.append(Task { await shared.send(caller, from: caller) })
            try await until { await shared.isWaitedFor(behind: caller) }
        }
        return tasks
    }

    private func until(_ condition: () async -> Bool) async throws {
        let end = ContinuousClock.now + asyncPatience
        while await !condition() {
            try #require(ContinuousClock.now < end, "it did not come about")
            try await Task.sleep(for: .microseconds(200))
        }
    }

    /// The tags of all messages to the end of the stream, after those that filled the ring.
    private func tags(in box: Box<Consumer>, behind fill: Int) async throws -> [UInt32] {
        var consumer = box.take()
        var tags: [UInt32] = []
        while let message = try await consumer.next(timeout: asyncPatience) { tags.append(message.tag) }
        #expect(tags.prefix(fill).allSatisfy { $0 == 99 })
        return Array(tags.dropFirst(fill))
    }

    @Test("Eight callers, a tiny ring, a slow consumer: every message comes once, in its caller's order, and then the end")
    func eightCallers() async throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let shared = SharedProducer(Box(try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))))
        let receiver = Box(try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))))
        let count = 2000
        let receiving = Task {
            var consumer = receiver.take()
            var next = [Int](repeating: 0, count: 8)
            var total = 0
            while let message = try await consumer.next(timeout: asyncPatience) {
                let caller = Int(message.tag)
                guard message.integer(as: Int.self) == next[caller] else { throw Peer.Failure(description: "disorder of caller \(caller)") }
                next[caller] += 1
                total += 1
                if total % 100 == 0 { try await Task.sleep(for: .microseconds(100)) }
            }
            return next
        }
        let codes = await withTaskGroup(of: RingError.Code?.self) { group in
            for caller in 0..<8 {
                group.addTask {
                    for number in 0..<count {
                        if let code = await shared.send(number, from: caller) { return code }
                    }
                    return nil
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes == [RingError.Code?](repeating: nil, count: 8))
        #expect(await shared.end() == nil)
        #expect(try await receiving.value == [Int](repeating: count, count: 8))
    }

    @Test("Who waits longest is served first, and the end comes behind those who wait") func firstComeFirstServed() async throws {
        let (shared, consumer, fill) = try fullRing()
        let tasks = try await queue(8, on: shared)
        let ending = Task { await shared.end() }
        try await until { await shared.isWaitedFor(behind: 8) }
        #expect(try await tags(in: consumer, behind: fill) == [0, 1, 2, 3, 4, 5, 6, 7])
        for task in tasks { #expect(await task.value == nil) }
        #expect(await ending.value == nil)
        #expect(await shared.send(0, from: 0) == .ended)
        #expect(await shared.end() == nil, "a second time it does nothing")
    }

    @Test("A queued task that is cancelled, or whose time is up, leaves the queue; the others keep their order") func leaving() async throws
    {
        let (shared, consumer, fill) = try fullRing()
        let tasks = try await queue(5, on: shared)
        tasks[2].cancel()
        #expect(await tasks[2].value == .cancelled)
        #expect(await shared.isWaitedFor(behind: 3), "while no room has come")
        #expect(await shared.send(0, from: 50, timeout: .milliseconds(10)) == .timedOut)
        #expect(await shared.send(0, from: 51, timeout: .zero) == .timedOut)
        #expect(await shared.isWaitedFor(behind: 3))
        tasks[0].cancel()  // which waits for room itself: the turn passes on
        #expect(await tasks[0].value == .cancelled)
        try await until { await shared.isWaitedFor(behind: 2) }
        let ending = Task { await shared.end() }
        try await until { await shared.isWaitedFor(behind: 3) }
        #expect(try await tags(in: consumer, behind: fill) == [1, 3, 4])
        #expect(await ending.value == nil)
        for number in [1, 3, 4] { #expect(await tasks[number].value == nil) }
    }

    @Test("A canceller ends the waits of all, and a consumer's death that of one; the others go on") func cancellerAndDeath() async throws {
        let (shared, consumer, _) = try fullRing()
        let tasks = try await queue(4, on: shared)
        shared.producer.canceller.cancel()
        for task in tasks { #expect(await task.value == .cancelled) }
        shared.producer.canceller.reset()

        let others = try await queue(2, on: shared)
        _ = consumer.take()  // dropped: it died
        #expect(await others[0].value == .peerDied)
        try await until { await shared.isWaitedFor(behind: 0) }
        others[1].cancel()
        #expect(await others[1].value == .cancelled)
    }

    /// Endpoints in stored properties, used in between by synchronous calls.
    private actor Mixed {
        var producer: Producer
        init(_ box: Box<Producer>) { producer = box.take() }
        func wait() async -> RingError.Code? {
            do throws(RingError) {
                try await producer.waitUntilReady(for: 8)
                return nil
            } catch {
                return error.code
            }
        }
        func trySend() throws(RingError) -> Bool { try producer.trySend(value: 1, tag: 77) }
        func tryClaim() throws(RingError) -> Bool { try producer.canClaim() }
        func tryAppend() throws(RingError) -> Bool { try producer.canAppend() }
        func endAtOnce() throws(RingError) { try producer.end() }
        var isWaitedFor: Bool { producer.core.watch.thread != nil }
    }

    @Test("While a task waits, what would not wait finds no room, and an end that can't wait is refused; the wait goes on")
    func reentrant() async throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        while try producer.trySend(value: 0) {}
        let actor = Mixed(Box(producer))
        let task = Task { await actor.wait() }
        try await until { await actor.isWaitedFor }
        #expect(try await !actor.trySend())
        #expect(try await !actor.tryClaim())
        #expect(try await !actor.tryAppend())
        do throws(RingError) {
            try await actor.endAtOnce()
            Issue.record("it ended while a task waited")
        } catch {
            #expect(error.code == .alreadyWaiting)
        }
        var consumer = try ring.makeConsumer()
        consumer.drain { _ in }
        #expect(await task.value == nil)
        #expect(try await actor.trySend())
        try await actor.endAtOnce()
        try await actor.endAtOnce()
    }
}

@Suite("The queue of those who share an endpoint", .oneByOne)
struct SanitizedTurnQueueTests {
    /// What only who has the turn touches.
    private final class Counter: @unchecked Sendable { var value = 0 }

    @Test("One at a time, also when tasks are cancelled and time runs out; no task is forgotten") func exclusive() async throws {
        let queue = TurnQueue()
        let counter = Counter()
        let granted = await withTaskGroup(of: Int.self) { group in
            for number in 0..<16 {
                group.addTask {
                    var granted = 0
                    for round in 0..<200 {
                        let timeout: Duration? = (number + round) % 7 == 0 ? .microseconds(50) : nil
                        let task = Task { () -> Bool in
                            guard await queue.take(until: Deadline(after: timeout)) == .granted else { return false }
                            let before = counter.value
                            if round % 5 == 0 { await Task.yield() }
                            counter.value = before + 1
                            queue.pass()
                            return true
                        }
                        if (number * round) % 11 == 3 { task.cancel() }
                        if await task.value { granted += 1 }
                    }
                    return granted
                }
            }
            return await group.reduce(0, +)
        }
        #expect(await queue.take(until: .never) == .granted, "it is free")
        #expect(counter.value == granted)
        #expect(granted > 0)
        #expect(queue.count == 0)
    }
}

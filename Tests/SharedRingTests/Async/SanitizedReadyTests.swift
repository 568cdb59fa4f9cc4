import CSharedRing
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

/// The code that an asynchronous body throws; nil: none.
nonisolated(nonsending) func asyncCode(_ body: () async throws(RingError) -> Void) async -> RingError.Code? {
    do throws(RingError) {
        try await body()
        return nil
    } catch {
        return error.code
    }
}

extension Consumer {
    var isWaitedFor: Bool { core.watch.thread != nil }
}

@Suite("Waiting for a ring without holding a thread", .oneByOne)
struct SanitizedReadyTests {
    /// A ring, its producer in a box for another thread, its consumer in one for a task.
    private func endpoints(
        checkInterval: Duration = .milliseconds(10), acknowledgement: Acknowledgement = .automatic,
        barrier: RingOptions.Barrier = .automatic
    ) throws -> (Box<Producer>, Box<Consumer>) {
        var options = RingOptions(capacity: 4096)
        options.barrier = barrier
        let ring = try SPSCRing.anonymous(options: options)
        return (
            Box(try ring.makeProducer(options: EndpointOptions(checkInterval: checkInterval))),
            Box(try ring.makeConsumer(acknowledgement: acknowledgement, options: EndpointOptions(checkInterval: checkInterval)))
        )
    }

    @Test("Every message arrives, in order, with either barrier, and then the end", arguments: [RingOptions.Barrier.automatic, .symmetric])
    func order(barrier: RingOptions.Barrier) async throws {
        let (sender, receiver) = try endpoints(barrier: barrier)
        let count = 20_000
        let worker = Worker {
            var producer = sender.take()
            for number in 0..<count {
                try producer.send(value: number)
                // Lets the consumer fall asleep again and again.
                if number % 1000 == 0 { usleep(200) }
            }
            try producer.close()
        }
        var consumer = receiver.take()
        var next = 0
        try await consumer.forEach { message in
            let number = message.integer(as: Int.self)
            #expect(number == next)
            next += 1
        }
        #expect(next == count)
        try worker.join()
        try consumer.close()
    }

    @Test("A message that comes while the task is suspended resumes it") func resumes() async throws {
        let (sender, receiver) = try endpoints(checkInterval: longCheckInterval)
        let consumer = receiver.take()
        let worker = Worker { [watch = consumer.core.watch] in
            var producer = sender.take()
            // In the kernel, or about to be: the doorbell stands.
            #expect(eventually(within: asyncPatienceSeconds) { sr_load_acquire_u32(watch.sleeper.doorbell) == 1 })
            try producer.send("late")
            return Box(producer)
        }
        try await consumer.waitUntilReady(timeout: asyncPatience)
        var awake = consumer
        #expect(try awake.pollText() == "late")
        _ = try worker.join()
    }

    @Test("The end of a stream, and a producer's death, make a consumer ready, which then reports it at once") func ends() async throws {
        let (sender, receiver) = try endpoints()
        var consumer = receiver.take()
        try sender.take().close()
        try await consumer.waitUntilReady(timeout: asyncPatience)
        #expect(try consumer.pollText() == "(ended)")

        let (dying, survivor) = try endpoints()
        consumer = survivor.take()
        let worker = Worker { [watch = consumer.core.watch] in
            let producer = dying.take()
            #expect(eventually(within: asyncPatienceSeconds) { sr_load_acquire_u32(watch.sleeper.doorbell) == 1 })
            _ = consume producer
        }
        try await consumer.waitUntilReady(timeout: asyncPatience)
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.pollText() }
        #expect(try consumer.pollText() == "(empty)")
        try worker.join()
    }

    @Test("A timeout, a canceller and a task's cancellation end the wait; the consumer can be used afterwards") func endings() async throws
    {
        let (sender, receiver) = try endpoints(checkInterval: longCheckInterval)
        var consumer = receiver.take()
        #expect(await asyncCode { () throws(RingError) in try await consumer.waitUntilReady(timeout: .zero) } == .timedOut)
        #expect(await asyncCode { () throws(RingError) in try await consumer.waitUntilReady(timeout: .milliseconds(20)) } == .timedOut)

        let canceller = consumer.canceller
        let worker = Worker { [watch = consumer.core.watch] in
            #expect(eventually(within: asyncPatienceSeconds) { sr_load_acquire_u32(watch.sleeper.doorbell) == 1 })
            canceller.cancel()
        }
        #expect(await asyncCode { () throws(RingError) in try await consumer.waitUntilReady() } == .cancelled)
        try worker.join()
        canceller.reset()

        let watch = consumer.core.watch
        let moved = Box(consumer)
        let task = Task {
            let consumer = moved.take()
            let code = await asyncCode { () throws(RingError) in try await consumer.waitUntilReady() }
            return (code, Box(consumer))
        }
        #expect(await eventually(within: asyncPatienceSeconds) { sr_load_acquire_u32(watch.sleeper.doorbell) == 1 })
        task.cancel()
        let (code, box) = await task.value
        #expect(code == .cancelled)
        #expect(sr_load_acquire_u32(watch.sleeper.doorbell) == 0, "no thread sleeps there any more")

        consumer = box.take()
        let producer = sender.take()
        try await producer.send("still here")
        try await consumer.waitUntilReady()
        #expect(try consumer.pollText() == "still here")
    }

    @Test("A task that is cancelled already does not wait, but takes what is there") func cancelledBefore() async throws {
        let (sender, receiver) = try endpoints(checkInterval: longCheckInterval)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            let producer = sender.take()
            var consumer = receiver.take()
            let code = await asyncCode { () throws(RingError) in try await consumer.waitUntilReady() }
            try await producer.send("there")
            try await consumer.waitUntilReady()
            return (code, try consumer.pollText())
        }
        task.cancel()
        let (code, text) = try await task.value
        #expect(code == .cancelled)
        #expect(text == "there")
    }

    /// What a reentrant actor makes possible.
    private actor Reentrant {
        var consumer: Consumer
        init(_ box: Box<Consumer>) { consumer = box.take() }
        func wait() async -> RingError.Code? {
            do throws(RingError) {
                try await consumer.waitUntilReady(timeout: asyncPatience)
                return nil
            } catch {
                return error.code
            }
        }
        func poll() -> Result<String, RingError> {
            do throws(RingError) { return .success(try consumer.pollText()) } catch { return .failure(error) }
        }
        var isWaiting: Bool { consumer.isWaitedFor }
        func now() -> Bool { consumer.nextIfAvailable() != nil }
    }

    @Test("While one task waits, every other use of the consumer throws alreadyWaiting and disturbs nothing") func reentrancy() async throws
    {
        let (sender, receiver) = try endpoints(checkInterval: longCheckInterval)
        let actor = Reentrant(receiver)
        async let first = actor.wait()
        while await !actor.isWaiting { await Task.yield() }
        #expect(await actor.wait() == .alreadyWaiting)
        #expect(await actor.now() == false)
        if case .failure(let error) = await actor.poll() { #expect(error.code == .alreadyWaiting) } else { Issue.record("it polled") }
        let producer = sender.take()
        try await producer.send("through")
        #expect(await first == nil)
        #expect(try await actor.poll().get() == "through")
    }

    @Test("A sender in a task waits for room without a thread, and stops for a cancelled task or a dead consumer") func room() async throws
    {
        let (sender, receiver) = try endpoints()
        let count = 3_000
        let total = Task {
            let producer = sender.take()
            for number in 0..<count { try await producer.send([UInt8](repeating: UInt8(number & 255), count: 100)) }
            return Box(producer)
        }
        var consumer = receiver.take()
        for number in 0..<count {
            try await consumer.waitUntilReady(timeout: asyncPatience)
            let first = try await consumer.receive(timeout: .zero)?.first
            #expect(first == UInt8(number & 255))
        }
        var producer = try await total.value.take()
        while try producer.trySend([UInt8](repeating: 0, count: 100)) {}
        #expect(
            await asyncCode { () throws(RingError) in try await producer.waitUntilReady(for: 100, timeout: .milliseconds(5)) } == .timedOut)
        #expect(await asyncCode { () throws(RingError) in try await producer.waitUntilReady(for: 10_000) } == .messageTooLarge)
        _ = consume consumer
        let code = await asyncCode { () throws(RingError) in try await producer.waitUntilReady(for: 100, timeout: asyncPatience) }
        #expect(code == .peerDied)
    }

    @Test("After a wait, one that ended with a message or without, every way of receiving is open again") func reopened() async throws {
        let (sender, receiver) = try endpoints()
        var producer = sender.take()
        var consumer = receiver.take()
        for tag in UInt32(1)...4 {
            let code = await asyncCode { () async throws(RingError) in try await consumer.waitUntilReady(timeout: .milliseconds(2)) }
            #expect(code == .timedOut)
            #expect(try producer.trySend(Array("message".utf8), tag: tag))
            // Neither of these would wait for ever if it were not.
            var found: [UInt32] = []
            if tag % 2 == 0 {
                consumer.drain(limit: 2) { message in found.append(message.tag) }
            } else if let message = consumer.nextIfAvailable() {
                found.append(message.tag)
            }
            #expect(found == [tag])
        }
    }

    @Test("As a sequence: owned messages to the end of the stream; cancelling throws instead of ending") func sequence() async throws {
        let (sender, receiver) = try endpoints(acknowledgement: .manual)
        let worker = Worker {
            var producer = sender.take()
            for number in 0..<1000 { try producer.send("\(number)", tag: UInt32(number)) }
            try producer.close()
        }
        var next = 0
        let messages = receiver.take().messages()
        for try await message in messages {
            #expect(message.text == "\(next)")
            #expect(message.tag == UInt32(next))
            next += 1
        }
        #expect(next == 1000)
        try worker.join()

        let task = Task { [next] in
            let (_, receiver) = try endpoints()
            var count = next
            do {
                for try await _ in receiver.take().messages() { count += 1 }
                return RingError.Code?.none
            } catch let error as RingError {
                return error.code
            }
        }
        task.cancel()
        #expect(try await task.value == .cancelled)
    }

    @Test("Many lanes: messages, new lanes, and the end of all", arguments: [MPSCRing.Order.perProducer, .total])
    func lanes(order: MPSCRing.Order) async throws {
        let ring = try MPSCRing.anonymous(lanes: 4, order: order, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: 3), options: EndpointOptions(checkInterval: .milliseconds(10)))
        let count = 2_000
        let workers = (0..<3).map { sender in
            Worker {
                usleep(UInt32(sender) * 1000)
                var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
                for number in 0..<count { try producer.send(value: number, tag: UInt32(sender)) }
                try producer.close()
            }
        }
        var next = [0, 0, 0]
        receiving: while true {
            try await consumer.waitUntilReady(timeout: asyncPatience)
            while true {
                switch try consumer.poll() {
                case .message(let message):
                    let (sender, number) = (Int(message.tag), message.integer(as: Int.self))
                    #expect(number == next[sender])
                    next[sender] += 1
                    continue
                case .empty: continue receiving
                case .ended: break receiving
                }
            }
        }
        #expect(next == [count, count, count])
        for worker in workers { try worker.join() }
    }

    @Test("Many lanes: a death is reported at the end of all, or counted", arguments: [MPSCRing.Order.perProducer, .total])
    func lanesDie(order: MPSCRing.Order) async throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: order, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(), options: EndpointOptions(checkInterval: .milliseconds(10)))
        let worker = Worker {
            var producer = try ring.makeProducer()
            try producer.send("last words")
            usleep(30_000)
        }
        try await consumer.waitUntilReady(timeout: asyncPatience)
        let text = try await consumer.receive(timeout: .zero).map { String(decoding: $0, as: UTF8.self) }
        #expect(text == "last words")
        try await consumer.waitUntilReady(timeout: asyncPatience)
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.poll() }
        #expect(consumer.ends == ProducerEnds(closed: 0, died: 1))
        try worker.join()
    }

    @Test("An untrusted peer who rings for nothing again and again does not make the waiter busy") func untrustedRings() async throws {
        let (sender, receiver) = try endpoints(checkInterval: longCheckInterval)
        let consumer = receiver.take()
        let worker = Worker { [watch = consumer.core.watch] in
            let word = watch.sleeper.doorbell
            var rings = 0
            // Until it has slept so often that what counts is the pauses, which come after the first 17 times.
            let start = ContinuousClock.now
            while rings < 100, ContinuousClock.now - start < patience {
                guard sr_load_acquire_u32(word) == 1 else { continue }
                _ = sr_futex_clear_and_wake(word)
                rings += 1
            }
            let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
            var producer = sender.take()
            try producer.send("news")
            return (rings, milliseconds, Box(producer))
        }
        try await consumer.waitUntilReady(timeout: asyncPatience)
        let (rings, milliseconds, _) = try worker.join()
        #expect(rings == 100)
        // One a millisecond, but for the waits of other suites, with whom this one shares its thread. A busy loop would need no millisecond.
        #expect(milliseconds >= 20, "\(rings) sleeps in \(milliseconds) ms")
    }
}

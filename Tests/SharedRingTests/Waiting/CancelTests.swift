import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Waiting ends by news, deadline or cancellation, and by nothing else", .oneByOne)
struct CancelTests {
    static let strategies: [WaitStrategy] = [.spin, .adaptive, .sleep]

    @Test("A canceller ends a wait under way, and every later one until reset", arguments: strategies) func cancel(_ waiting: WaitStrategy)
        throws
    {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let consumer = try ring.makeConsumer(waiting: waiting, options: EndpointOptions(checkInterval: .seconds(600)))
        let canceller = consumer.canceller
        let box = Box(consumer)
        let gate = Gate(2)
        let worker = Worker {
            var consumer = box.take()
            gate.pass()
            expectError(.cancelled, saying: "message") { () throws(RingError) in _ = try consumer.next() }
            expectError(.cancelled) { () throws(RingError) in _ = try consumer.next() }
            expectError(.cancelled) { () throws(RingError) in try consumer.waitForPeer() }
            let state = try consumer.pollText()
            #expect(state == "(empty)", "what need not wait goes on")
            canceller.reset()
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(1)) }
        }
        gate.pass()
        usleep(2000)
        canceller.cancel()
        try worker.join()
    }

    @Test("Every call that may wait refuses at once, what never waits goes on, and nothing is lost") func nothingLost() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            let cancellers = [producer.canceller, consumer.canceller]
            for number in 0..<6 { try producer.send(value: number) }
            var batch = producer.batch()
            try batch.append(value: 6)
            for canceller in cancellers {
                #expect(!canceller.isCancelled)
                canceller.cancel()
                #expect(canceller.isCancelled)
            }
            expectError(.cancelled, saying: "room") { () throws(RingError) in try batch.append(value: 7) }
            batch.commit()
            for _ in 0..<2 {
                expectError(.cancelled, saying: "room") { () throws(RingError) in try producer.send(value: 7) }
                expectError(.cancelled) { () throws(RingError) in try producer.send("x", timeout: .zero) }
                expectError(.cancelled) { () throws(RingError) in _ = try producer.claim(byteCount: 8) }
                expectError(.cancelled) { () throws(RingError) in try producer.waitUntilAcknowledged() }
                expectError(.cancelled) { () throws(RingError) in try producer.waitForPeer() }
                expectError(.cancelled, saying: "message") { () throws(RingError) in _ = try consumer.next() }
                expectError(.cancelled) { () throws(RingError) in _ = try consumer.receive(timeout: .zero) }
                expectError(.cancelled) { () throws(RingError) in try consumer.waitForPeer() }
            }
            if let message = consumer.nextIfAvailable() { #expect(message.integer(as: Int.self) == 0) }
            if case .message(let message) = try consumer.poll() { #expect(message.integer(as: Int.self) == 1) }
            #expect(consumer.drain { _ in } == 5)
            #expect(try producer.trySend(value: 7))
            // The room that it found is no way past the canceller.
            expectError(.cancelled) { () throws(RingError) in try producer.send(value: 8) }
            for canceller in cancellers { canceller.reset() }
            try producer.send(value: 8)
            for number in 7...8 { if let message = try consumer.next() { #expect(message.integer(as: Int.self) == number) } }
        }
    }

    @Test("A merging consumer refuses as well, whatever it has in hand", arguments: [MPSCRing.Order.perProducer, .total])
    func merging(order: MPSCRing.Order) throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: order, options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var other = try ring.makeProducer()
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        for number in 0..<6 {
            try producer.send(value: number)
            try other.send(value: number)
        }
        for _ in 0..<4 {
            #expect(try consumer.receive(timeout: patience) != nil)
            consumer.canceller.cancel()
            for _ in 0..<2 { expectError(.cancelled) { () throws(RingError) in _ = try consumer.next() } }
            let isThere = consumer.nextIfAvailable() != nil
            #expect(isThere)
            consumer.canceller.reset()
        }
        #expect(consumer.drain { _ in } == 4)
    }

    @Test("A consumer whose messages never cease, and a producer that always has room, see it", arguments: strategies)
    func withoutPause(_ waiting: WaitStrategy) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 1 << 16))
        let producer = try ring.makeProducer(waiting: waiting)
        let consumer = try ring.makeConsumer(waiting: waiting)
        let cancellers = [producer.canceller, consumer.canceller]
        let (sender, receiver) = (Box(producer), Box(consumer))
        let count = Turn()
        let sending = Worker {
            var producer = sender.take()
            expectError(.cancelled) { () throws(RingError) in while true { try producer.send(value: 1, timeout: patience) } }
        }
        let receiving = Worker {
            var consumer = receiver.take()
            expectError(.cancelled) { () throws(RingError) in
                while try consumer.next(timeout: patience) != nil { count.set(count.value + 1) }
            }
        }
        #expect(count.wait(for: 10_000))
        cancellers[1].cancel()
        try receiving.join()
        cancellers[0].cancel()
        try sending.join()
    }

    @Test(
        "So does a subscriber whose messages never cease, and its publisher", arguments: [Subscriber.Delivery.reliable, .lossy, .softGated])
    func withoutPauseInBroadcast(delivery: Subscriber.Delivery) throws {
        let ring = try BroadcastRing.anonymous(subscribers: 1, options: RingOptions(capacity: 1 << 16))
        let publisher = try ring.makePublisher()
        let subscriber = try ring.makeSubscriber(delivery)
        let cancellers = [publisher.canceller, subscriber.canceller]
        let (sender, receiver) = (Box(publisher), Box(subscriber))
        let count = Turn()
        let sending = Worker {
            var publisher = sender.take()
            expectError(.cancelled) { () throws(RingError) in while true { try publisher.send(value: 1, timeout: patience) } }
        }
        let receiving = Worker {
            var subscriber = receiver.take()
            expectError(.cancelled) { () throws(RingError) in
                while try subscriber.next(timeout: patience) != nil { count.set(count.value + 1) }
            }
        }
        #expect(count.wait(for: 10_000))
        cancellers[1].cancel()
        try receiving.join()
        cancellers[0].cancel()
        try sending.join()
    }

    @Test("A publisher that a soft gate holds up is cancelled") func softGate() throws {
        let ring = try BroadcastRing.anonymous(subscribers: 1, options: RingOptions(capacity: 4096))
        let gate = try ring.makeSubscriber(.softGated)
        let publisher = try ring.makePublisher(
            waiting: .sleep, options: EndpointOptions(checkInterval: longCheckInterval, softGatePatience: longCheckInterval))
        let canceller = publisher.canceller
        let box = Box(publisher)
        let sending = Worker {
            var publisher = box.take()
            var sent = 0
            expectError(.cancelled) { () throws(RingError) in
                while true {
                    try publisher.send(value: sent)
                    sent += 1
                }
            }
            return sent
        }
        #expect(eventually { (try? ring.report().subscribers.first?.holdsPublisherUp) == true })
        canceller.cancel()
        #expect(try sending.join() < 4096 / 16)
        try gate.close()
    }

    @Test("Once an endpoint has detached its words, cancelling stores nothing there") func detached() {
        let word = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        let flags = UnsafeMutablePointer<UInt32>.allocate(capacity: 2)
        defer {
            word.deallocate()
            flags.deallocate()
        }
        word.initialize(to: 0)
        flags.initialize(repeating: 0, count: 2)
        let canceller = CancelFlag(doorbell: flags + 1, keeping: Turn())
        canceller.attach(flags, closing: word)
        canceller.raise()
        #expect(flags[0] == 1 && word[0] == .max)
        canceller.lower()
        #expect(flags[0] == 0)
        word[0] = 7
        canceller.detach()
        canceller.raise()
        #expect(flags[0] == 0 && word[0] == 7 && canceller.isRaised)
        withExtendedLifetime(canceller) {}
    }

    @Test("A canceller that outlives its endpoint touches nothing of the next one's") func outlives() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let old = try { () throws in try ring.makeConsumer().canceller }()
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()  // in the same memory
        old.cancel()
        try producer.send("x")
        #expect(try consumer.receive(timeout: .zero) == Array("x".utf8))
        #expect(old.isCancelled && !consumer.canceller.isCancelled)
    }

    @Test(
        "Cancelling races with falling asleep, over and over, and is never missed", arguments: [RingOptions.Barrier.symmetric, .automatic])
    func race(_ barrier: RingOptions.Barrier) throws {
        var options = RingOptions(capacity: 4096)
        options.barrier = barrier
        let ring = try SPSCRing.anonymous(options: options)
        let consumer = try ring.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        let canceller = consumer.canceller
        let box = Box(consumer)
        let turn = Turn()
        let worker = Worker {
            var consumer = box.take()
            for round in 0..<2000 {
                turn.set(2 * round + 1)
                do throws(RingError) { _ = try consumer.next() } catch { guard error.code == .cancelled else { throw error } }
                canceller.reset()
                turn.set(2 * round + 2)
            }
        }
        for round in 0..<2000 {
            guard turn.wait(for: 2 * round + 1) else { break }
            for _ in 0..<(round % 300) { sr_pause() }
            canceller.cancel()
            guard turn.wait(for: 2 * round + 2) else { break }
        }
        try worker.join()
    }

    @Test("Timeouts: zero does not wait, short and absurd ones do what they say", arguments: strategies) func timeouts(
        _ waiting: WaitStrategy
    ) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer(waiting: waiting)
        for timeout in [Duration.zero, .seconds(-1), .seconds(Int64.min), .nanoseconds(1), .milliseconds(3)] {
            let start = ContinuousClock.now
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: timeout) }
            #expect(ContinuousClock.now - start >= timeout)
        }
        let canceller = consumer.canceller
        canceller.cancel()
        for timeout in [Duration.seconds(Int64.max), .seconds(9_223_372_036), nil] {
            expectError(.cancelled) { () throws(RingError) in _ = try consumer.next(timeout: timeout) }
        }
    }

    @Test("Absurd check intervals are accepted") func absurdCheckIntervals() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        for checkInterval in [Duration.zero, .seconds(-5), .nanoseconds(1), .seconds(Int64.max)] {
            var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: checkInterval))
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(2)) }
            try consumer.close()
        }
    }

    @Test("An untrusted peer who rings for nothing neither ends a wait nor makes it a busy loop") func untrustedPeer() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let consumer = try ring.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        let doorbell = UInt(bitPattern: sr_consumer_doorbell(consumer.core.attachment.consumer))
        var producer = try ring.makeProducer()
        let box = Box(consumer)
        let isDone = Turn()
        let worker = Worker {
            var consumer = box.take()
            defer { isDone.set(1) }
            return try consumer.receive()
        }
        for _ in 0..<300 {
            _ = sr_futex_clear_and_wake(UnsafeMutablePointer<UInt32>(bitPattern: doorbell)!)
            sched_yield()
        }
        #expect(isDone.value == 0)
        try producer.send("news")
        #expect(try worker.join() == Array("news".utf8))
    }

    @Test("A sleeping consumer costs next to no processor time") func idle() throws {
        let place = Place()
        let peer = try Peer("consumer", of: "r", in: place)
        let producer = try SPSCRing.open("r", options: place.options()).makeProducer()
        peer.tell("next")
        #expect(eventually { sr_load_acquire_u32(producer.writer.pointee.doorbell) == 1 })
        func ticks() throws -> Int {
            let fields = try String(contentsOfFile: "/proc/\(peer.pid)/stat", encoding: .utf8).split(separator: " ")
            return Int(fields[13])! + Int(fields[14])!
        }
        // Both readings of the clock lie outside of both of the ticks, of 10 ms each. It looks around once in a check interval of 10 ms.
        let start = ContinuousClock.now
        let before = try ticks()
        usleep(500_000)
        let count = try ticks() - before
        let tenths = (ContinuousClock.now - start) / .milliseconds(100)
        #expect(Double(count) <= 2 * tenths, "\(count) ticks in \(tenths) tenths of a second")
    }
}

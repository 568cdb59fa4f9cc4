import CSharedRing
import Foundation
import Testing

@testable import SharedRing

@Suite("Waiting ends by news, deadline or cancellation, and by nothing else")
struct CancelTests {
    static let strategies: [WaitStrategy] = [.spin, .adaptive, .sleep]

    @Test("A canceller ends a wait under way, and every later one until reset", arguments: strategies) func cancel(_ waiting: WaitStrategy)
        throws
    {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let consumer = try ring.makeConsumer(waiting: waiting, slice: .seconds(600))
        let canceller = consumer.canceller
        let box = Box(consumer)
        let gate = Gate(2)
        let worker = Worker {
            var consumer = box.take()
            gate.pass()
            expectError(.cancelled, saying: "message") { () throws(RingError) in _ = try consumer.next() }
            expectError(.cancelled) { () throws(RingError) in _ = try consumer.next() }
            expectError(.cancelled) { () throws(RingError) in try consumer.waitForPeer() }
            let state = try consumer.poll()
            #expect(state == "(empty)", "what need not wait goes on")
            canceller.reset()
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(1)) }
        }
        gate.pass()
        usleep(2000)
        canceller.cancel()
        try worker.join()
    }

    @Test("What is there already is received although cancelled") func nothingLost() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            consumer.canceller.cancel()
            producer.canceller.cancel()
            try producer.send("x")
            #expect(try consumer.receive() == Array("x".utf8))
            while try producer.trySend(value: 1) {}
            expectError(.cancelled, saying: "room") { () throws(RingError) in try producer.send(value: 1) }
            expectError(.cancelled) { () throws(RingError) in try producer.waitUntilAcknowledged() }
            producer.canceller.reset()
            _ = consumer.drain { _ in }
            try producer.send(value: 1)
        }
    }

    @Test(
        "Cancelling races with falling asleep, over and over, and is never missed", arguments: [RingOptions.Barrier.symmetric, .automatic])
    func race(_ barrier: RingOptions.Barrier) throws {
        var options = RingOptions(capacity: 4096)
        options.barrier = barrier
        let ring = try SPSCRing.anonymous(options: options)
        let consumer = try ring.makeConsumer(waiting: .sleep, slice: .seconds(600))
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

    @Test("Absurd slices are accepted") func slices() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        for slice in [Duration.zero, .seconds(-5), .nanoseconds(1), .seconds(Int64.max)] {
            var consumer = try ring.makeConsumer(slice: slice)
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(2)) }
            try consumer.close()
        }
    }

    @Test("A stranger who rings for nothing neither ends a wait nor makes it a busy loop") func stranger() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let consumer = try ring.makeConsumer(waiting: .sleep, slice: .seconds(600))
        let doorbell = UInt(bitPattern: sr_data_doorbell(consumer.side.attachment.control))
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
        // Both readings of the clock lie outside of both of the ticks, of 10 ms each. It looks around once in a slice of 10 ms.
        let start = ContinuousClock.now
        let before = try ticks()
        usleep(500_000)
        let count = try ticks() - before
        let tenths = (ContinuousClock.now - start) / .milliseconds(100)
        #expect(Double(count) <= 2 * tenths, "\(count) ticks in \(tenths) tenths of a second")
    }
}

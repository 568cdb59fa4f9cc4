import CSharedRing
import Foundation
import TestPeer
import TestSupport
import Testing

@testable import SharedRing

/// A check interval of ten minutes: nothing but the doorbells wakes a sleeper, so a lost wakeup is a hang, and the join's bound
/// makes it a failure. `SHAREDRING_SOAK_SECONDS` makes the soak longer.
@Suite("No wakeup is lost", .oneByOne, .serialized)
struct WakeupTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let barrier: RingOptions.Barrier
        let waiting: WaitStrategy
        var testDescription: String { "\(barrier), \(waiting)" }
    }

    static let cases = [RingOptions.Barrier.symmetric, .automatic].flatMap { barrier in
        [WaitStrategy.sleep, .adaptive, .spin].map { Case(barrier: barrier, waiting: $0) }
    }

    /// Seconds, against hanging.
    static let bound = patienceSeconds + 10 * soakFactor

    /// Messages for about a quarter of a second a case. (Two spinning threads on a shared core need a time interval a turn.)
    private func count(_ waiting: WaitStrategy) -> Int { Int(soaking: waiting == .spin ? 150 : 2_000) }

    @Test("Between two threads, through 4 KiB, with pauses at random", arguments: cases) func threads(_ test: Case) throws {
        var options = RingOptions(capacity: 4096)
        options.barrier = test.barrier
        let ring = try SPSCRing.anonymous(options: options)
        let count = count(test.waiting)
        let producer = Box(try ring.makeProducer(waiting: test.waiting, options: EndpointOptions(checkInterval: .seconds(600))))
        let consumer = Box(try ring.makeConsumer(waiting: test.waiting, options: EndpointOptions(checkInterval: .seconds(600))))
        let sender = Worker { try Soak.send(producer.take(), count: count, seed: 1, largest: 2000) }
        let receiver = Worker { try Soak.receive(consumer.take(), seed: 1, largest: 2000) }
        try sender.join(within: Self.bound)
        #expect(try receiver.join(within: Self.bound) == count)
    }

    @Test("Between two processes", arguments: cases) func processes(_ test: Case) throws {
        let place = Place()
        let count = count(test.waiting)
        let barrier = test.barrier == .symmetric ? "symmetric" : "automatic"
        let arguments = [
            "s", "\(count)", "2", "2000", "directory=\(place.path)", "barrier=\(barrier)", "waiting=\(test.waiting)",
            "check-interval=600000",
        ]
        let receiver = try Peer(["soak-receive"] + arguments)
        let sender = try Peer(["soak-send"] + arguments)
        #expect(try sender.line(within: Self.bound) == "sent \(count)")
        #expect(try receiver.line(within: Self.bound) == "received \(count)")
    }

    @Test("Back and forth: each side sleeps for each message", arguments: [RingOptions.Barrier.symmetric, .automatic])
    func pingPong(_ barrier: RingOptions.Barrier) throws {
        var options = RingOptions(capacity: 4096)
        options.barrier = barrier
        let (there, back) = (try SPSCRing.anonymous(options: options), try SPSCRing.anonymous(options: options))
        let request = Box(try there.makeProducer(options: EndpointOptions(checkInterval: .seconds(600))))
        let served = Box(try there.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600))))
        let reply = Box(try back.makeProducer(options: EndpointOptions(checkInterval: .seconds(600))))
        let answered = Box(try back.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600))))
        let rounds = Int(soaking: 3_000)
        let client = Worker {
            var request = request.take()
            var answered = answered.take()
            for i in 0..<UInt64(rounds) {
                try request.send(value: i)
                guard let message = try answered.next(), message.integer(as: UInt64.self) == i else { throw Soak.Mismatch(index: Int(i)) }
            }
            try request.close()
        }
        let server = Worker {
            var served = served.take()
            var reply = reply.take()
            while let message = try served.next() { try reply.send(value: message.value(as: UInt64.self) ?? 0) }
            try reply.close()
        }
        try client.join(within: Self.bound)
        try server.join()
    }

    @Test("A producer that waits for room is woken by every way of giving it back", arguments: 0..<3) func room(way: Int) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let box = Box(try ring.makeProducer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600))))
        var consumer = try ring.makeConsumer(acknowledgement: way == 2 ? .manual : .automatic)
        let count = 5_000
        let sender = Worker {
            var producer = box.take()
            for i in 0..<UInt64(count) { try producer.send(value: i) }
            try producer.waitUntilAcknowledged()
            try producer.close()
        }
        var (received, strange) = (UInt64(0), 0)
        let end = ContinuousClock.now + patience
        while received < count, ContinuousClock.now < end {
            switch way {
            case 0:
                let before = received
                consumer.drain { message in
                    if message.integer(as: UInt64.self) != received { strange += 1 }
                    received += 1
                }
                if received == before { sched_yield() }
            default:
                if let message = try consumer.next(timeout: patience) {
                    if message.integer(as: UInt64.self) != received { strange += 1 }
                    received += 1
                }
                if way == 2 && received % 100 == 0 { try consumer.acknowledge() }
            }
        }
        #expect(received == count)
        #expect(strange == 0)
        try sender.join()
    }
}

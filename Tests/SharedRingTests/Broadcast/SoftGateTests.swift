import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

private let slow = EndpointOptions(checkInterval: longCheckInterval)

/// A publisher's, with so much patience for soft gates.
private func patient(_ patience: Duration) -> EndpointOptions {
    EndpointOptions(checkInterval: longCheckInterval, softGatePatience: patience)
}

@Suite("A subscriber with a soft gate: reliable while it keeps up, and no longer than its publisher has patience", .oneByOne)
struct SoftGateTests {
    private func ring(_ barrier: RingOptions.Barrier = .automatic) throws -> BroadcastRing {
        var options = RingOptions(capacity: 4096)
        options.barrier = barrier
        return try BroadcastRing.anonymous(subscribers: 4, options: options)
    }

    private let bytes = [UInt8](repeating: 1, count: 100)

    @Test("While it reads, it misses nothing, and its publisher waits for it", arguments: BroadcastTests.barriers)
    func keepsUp(_ barrier: RingOptions.Barrier) throws {
        let ring = try ring(barrier)
        let count = 5000
        let publisher = Box(try ring.makePublisher(waiting: .sleep, options: patient(longCheckInterval)))
        var subscriber = try ring.makeSubscriber(.softGated, waiting: .sleep, options: slow)
        let delivery = subscriber.delivery
        #expect(delivery == .softGated)
        let sender = Worker {
            var publisher = publisher.take()
            for number in 0..<count {
                try publisher.send([UInt8](repeating: 2, count: number * 7 % 900), tag: UInt32(number), timeout: patience)
            }
            try publisher.close()
        }
        var (received, wrong) = (0, 0)
        while let message = try subscriber.next(timeout: patience) {
            if message.tag != UInt32(received) || message.byteCount != received * 7 % 900 { wrong += 1 }
            received += 1
        }
        try sender.join()
        let missed = subscriber.missed.messages
        #expect(received == count && wrong == 0 && missed == 0)
        #expect(subscriber.checkInvariants() == nil)
    }

    @Test("Without patience it holds nothing up at all") func noPatience() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: patient(.zero))
        let subscriber = try ring.makeSubscriber(.softGated, options: slow)
        for _ in 0..<300 { #expect(try publisher.trySend(bytes)) }
        withExtendedLifetime(subscriber) {}
    }

    @Test("One that does not read holds its publisher up for no longer than that has patience, and counts exactly what it missed")
    func stopped() throws {
        let ring = try ring()
        // It finds out by its patience, and by no check for the dead.
        var publisher = try ring.makePublisher(waiting: .sleep, options: patient(.milliseconds(5)))
        var subscriber = try ring.makeSubscriber(.softGated, options: slow)
        var sent = 0
        while try publisher.trySend(bytes) { sent += 1 }
        #expect(sent > 30, "it is waited for, as a reliable one is")
        for _ in 0..<200 {
            try publisher.send(bytes, timeout: patience)
            sent += 1
        }
        #expect(publisher.checkInvariants() == nil)
        var received = 0
        while subscriber.drain({ _ in received += 1 }) > 0 {}
        let missed = subscriber.missed
        #expect(received > 0 && missed.messages >= 200 && received + Int(missed.messages) == sent)
        #expect(missed.byteCount == missed.messages * 100)
        let report = try ring.report().subscribers[0]
        #expect(report.isSoftGated && report.missed == missed.messages && report.name == nil)
        // It has caught up, and is waited for again.
        var more = 0
        while try publisher.trySend(bytes) { more += 1 }
        #expect(more > 30)
        expectError(.timedOut, saying: "subscriber 0", "holds it up") { () throws(RingError) in try publisher.send(bytes, timeout: .zero) }
    }

    @Test("A reliable subscriber beside it is waited for as ever, and a place that had a soft gate is a reliable one's like any other")
    func beside() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: patient(.zero))
        do {
            let soft = try ring.makeSubscriber(.softGated, options: slow)
            for _ in 0..<100 { try publisher.send(bytes, timeout: patience) }
            withExtendedLifetime(soft) {}
        }
        var reliable = try ring.makeSubscriber(options: slow)
        let place = reliable.core.attachment.role
        #expect(place == .subscriber(0))
        var sent = 0
        while sent < 1000, try publisher.trySend(bytes) { sent += 1 }
        #expect(sent > 30 && sent < 1000)
        expectError(.timedOut, saying: "subscriber 0") { () throws(RingError) in try publisher.send(bytes, timeout: .milliseconds(20)) }
        #expect(reliable.drain { _ in } == sent)
    }

    @Test("Its publisher is woken when it has copied, whatever the patience", arguments: BroadcastTests.barriers)
    func wakes(_ barrier: RingOptions.Barrier) throws {
        let ring = try ring(barrier)
        let box = Box(try ring.makePublisher(waiting: .sleep, options: patient(longCheckInterval)))
        var subscriber = try ring.makeSubscriber(.softGated, options: slow)
        let asleep = Turn()
        let sender = Worker { () throws -> Int in
            var publisher = box.take()
            var sent = 0
            while try publisher.trySend([UInt8](repeating: 1, count: 100)) { sent += 1 }
            asleep.set(1)
            try publisher.send("behind", timeout: patience)
            return sent
        }
        #expect(asleep.wait(for: 1))
        var received = 0
        while subscriber.drain({ _ in received += 1 }) > 0 {}
        let sent = try sender.join()
        while subscriber.drain({ _ in received += 1 }) > 0 {}
        let missed = subscriber.missed.messages
        #expect(received == sent + 1 && missed == 0)
    }

    @Test("It is not counted among the reliable ones that a publisher waits for, and has no name") func notReliable() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: patient(.zero))
        let subscriber = try ring.makeSubscriber(.softGated)
        expectError(.timedOut) { () throws(RingError) in try publisher.waitForSubscribers(1, timeout: .zero) }
        expectError(.invalidOption, saying: "'x'") { () throws(RingError) in _ = try ring.makeSubscriber(.softGated, as: "x") }
        withExtendedLifetime(subscriber) {}
    }
}

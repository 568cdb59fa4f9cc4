import CSharedRing
import Foundation
import TestPeer
import TestSupport
import Testing

@testable import SharedRing

/// A merging consumer hands out consecutive messages of one lane as a run. Whatever breaks a run off must not change the order.
@Suite("A run of tickets in one lane", .oneByOne)
struct TicketRunTests {
    private func ring(_ lanes: Int = 2, capacity: Int = 4096) throws -> MPSCRing {
        try MPSCRing.anonymous(lanes: lanes, order: .total, options: RingOptions(capacity: capacity))
    }

    private func number(_ message: borrowing Message) -> Int { Int(message.text) ?? -1 }

    /// Messages 0..<n in runs of `length`, by two producers in turn.
    private func send(_ range: Range<Int>, runs length: Int, _ first: inout Producer, _ second: inout Producer) throws {
        for number in range {
            let isSent = try number / length % 2 == 0 ? first.trySend("\(number)") : second.trySend("\(number)")
            #expect(isSent)
        }
    }

    /// The budget of the cursor: what the fast path may take without a look.
    private func budget(_ consumer: borrowing MergingConsumer) -> Int { unsafe consumer.cursor.pointee.budget }

    @Test("It is as long as the lane's tickets follow each other, and no longer", arguments: [1, 2, 5, 40])
    func length(_ length: Int) throws {
        // A run ends where space is to be given back, an eighth of the lane later at most.
        let ring = try ring(capacity: 1 << 15)
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        try send(0..<80, runs: length, &first, &second)
        var longest = 0
        for expected in 0..<80 {
            var found: (number: Int, ticket: UInt64)?
            if let message = consumer.nextIfAvailable() { found = (number(message), message.sequence) }
            #expect(found?.number == expected && found?.ticket == UInt64(expected))
            longest = max(longest, budget(consumer) + 1)
        }
        #expect(try consumer.poll().isEmpty)
        // The first message of a lane's turn is found by the search for it. What follows is the run.
        #expect(longest == max(1, length - 1))
    }

    enum Break: CaseIterable {
        case putBack, drain, wait, cancel, forEach, acknowledgeAndPutBack
    }

    /// With `isBehind` the consumer has looked at the counter when only the first ticket was drawn: it finds the run by tickets that follow each other.
    @Test(
        "Broken off in its middle, it goes on there, and the other lane's messages come behind it", arguments: Break.allCases, [1, 3, 6, 9])
    func brokenOff(by way: Break, after taken: Int) async throws {
        for isBehind in [false, true] { try await breakOff(by: way, after: taken, isBehind: isBehind) }
    }

    private func breakOff(by way: Break, after taken: Int, isBehind: Bool) async throws {
        struct TestError: Error {}
        let ring = try ring()
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        var seen: [Int] = []
        if isBehind {
            try send(0..<1, runs: 10, &first, &second)
            if let message = consumer.nextIfAvailable() { seen.append(number(message)) }
        }
        try send(seen.count..<50, runs: 10, &first, &second)
        while seen.count < taken {
            guard let message = consumer.nextIfAvailable() else { break }
            seen.append(number(message))
        }
        switch way {
        case .putBack: if let message = consumer.nextIfAvailable() { message.putBack() }
        case .drain: consumer.drain(limit: 1) { seen.append(number($0)) }
        case .wait: try await consumer.waitUntilReady(timeout: asyncPatience)
        case .cancel:
            let canceller = consumer.canceller
            canceller.cancel()
            await #expect(throws: RingError.self) { try await consumer.waitUntilReady(timeout: asyncPatience) }
        case .forEach: await #expect(throws: TestError.self) { try await consumer.forEach { _ in throw TestError() } }
        case .acknowledgeAndPutBack:
            try consumer.acknowledge()
            if let message = consumer.nextIfAvailable() { message.putBack() }
            try consumer.acknowledge()
        }
        try send(50..<60, runs: 10, &first, &second)
        while let message = consumer.nextIfAvailable() { seen.append(number(message)) }
        #expect(seen == Array(0..<60), "behind: \(isBehind)")
        #expect(consumer.core.checkInvariants() == nil)
    }

    /// With `isBehind` the counter is looked at again within the drain, when more was sent behind the drain's end.
    @Test("A drain takes exactly what stood there when it began, though more comes behind it in the same run", arguments: [false, true])
    func drained(isBehind: Bool) throws {
        let ring = try ring()
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        var seen: [Int] = []
        if isBehind {
            try send(0..<2, runs: 10, &first, &second)
            if let message = consumer.nextIfAvailable() { seen.append(number(message)) }
        }
        try send(2 * seen.count..<10, runs: 10, &first, &second)
        var sent = 10
        for _ in 0..<5 {
            let stood = sent - seen.count
            let count = try consumer.drain { message throws(RingError) in
                seen.append(number(message))
                if try first.trySend("\(sent)") { sent += 1 }
            }
            #expect(count == stood)
        }
        #expect(seen == Array(0..<(isBehind ? 46 : 50)))
    }

    @Test("It ends before a message that could be due only after another lane's") func otherLaneBetween() throws {
        let ring = try ring()
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        let second = try ring.makeProducer()
        for _ in 0..<2 { #expect(try first.trySend("a")) }
        // A ticket that is drawn and whose record is not there yet.
        let missing = unsafe sr_fetch_add_acq_rel_u64(second.writer.pointee.tickets!, 1)
        unsafe sr_store_release_u64(sr_ticket_floor(second.writer.pointee.control), missing)
        #expect(try first.trySend("b"))
        for _ in 0..<2 { #expect(try consumer.receive(timeout: .zero) == Array("a".utf8)) }
        #expect(try consumer.poll().isEmpty, "the smaller ticket may still turn up")
        unsafe sr_store_release_u64(sr_ticket_floor(second.writer.pointee.control), .max)
        #expect(try consumer.receive(timeout: .zero) == Array("b".utf8))
    }

    @Test("A ticket in it that was not drawn, or does not grow, poisons the lane when its message's turn comes", arguments: [5, -1, -2])
    func forged(by difference: Int) throws {
        let ring = try ring(1)
        var consumer = try ring.makeConsumer()
        var producer = try ring.makeProducer()
        for _ in 0..<4 { #expect(try producer.trySend("a")) }
        let position = unsafe producer.writer.pointee.tail
        #expect(try producer.trySend("forged"))
        let place = unsafe producer.writer.pointee.place(at: position) + 8
        unsafe sr_store_release_u64(place, sr_load_relaxed_u64(place) &+ UInt64(bitPattern: Int64(difference)))
        for _ in 0..<4 { #expect(try consumer.receive(timeout: .zero) == Array("a".utf8)) }
        expectError(.poisoned, saying: "ticket") { () throws(RingError) in _ = try consumer.poll() }
    }

    @Test("A peer that rewrites a run's headers and tickets meanwhile gets errors, and no access goes astray") func rewritten() throws {
        var generator = SplitMix(seed: 11)
        for _ in 0..<Int(soaking: 800) {
            let ring = try ring(2, capacity: 4096)
            var consumer = try ring.makeConsumer()
            var first = try ring.makeProducer()
            var second = try ring.makeProducer()
            let start = unsafe first.writer.pointee.tail
            for _ in 0..<12 { #expect(try first.trySend("0123456789")) }
            #expect(try second.trySend("honest"))
            let spacing = unsafe first.writer.pointee.shape.spacing(10)
            var isSound = true
            for _ in 0..<3 { isSound = consumer.nextIfAvailable() != nil && isSound }
            #expect(isSound && budget(consumer) > 0)
            let position = start &+ spacing &* UInt64.random(in: 4...11, using: &generator)
            let place = unsafe first.writer.pointee.place(at: position)
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: unsafe sr_store_release_u64(place, generator.next())
            case 1: unsafe sr_store_release_u64(place + 8, generator.next())
            default: unsafe sr_store_release_u64(place, RecordHeader(byteCount: Int.random(in: 0..<5000, using: &generator), tag: 0).bits)
            }
            var honest = 0
            for turn in 0..<40 {
                // A drain ends where it must, and an error comes from a receive.
                let isDrained = turn % 2 == 0
                if isDrained { consumer.drain { honest += $0.text == "honest" ? 1 : 0 } }
                guard let message = try? consumer.receive(timeout: .zero) else { continue }
                if message == Array("honest".utf8) { honest += 1 }
            }
            #expect(honest == 1)
            #expect(consumer.core.checkInvariants() == nil)
        }
    }
}

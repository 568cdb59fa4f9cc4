import CSharedRing
import Foundation
import TestPeer
import TestSupport
import Testing

@testable import SharedRing

@Suite("A total order respects real time", .oneByOne)
struct TotalOrderTests {
    @Test("Messages of several lanes come in the order of their sending")
    func order() throws {
        let ring = try MPSCRing.anonymous(lanes: 3, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        var third = try ring.makeProducer()
        for i in 0..<60 {
            switch i % 5 {
            case 0, 3: try first.send("\(i)")
            case 1: try second.send("\(i)")
            default: try third.send("\(i)")
            }
        }
        var seen: [Int] = []
        while let message = consumer.nextIfAvailable() { seen.append(Int(message.text)!) }
        #expect(seen == Array(0..<60))
    }

    @Test("A batch draws its tickets together, and its messages keep their order")
    func batch() throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        var batch = first.batch()
        try batch.append(Array("a".utf8))
        try batch.append(Array("bb".utf8))
        try batch.append(Array("ccc".utf8))
        try second.send("before")
        batch.commit()
        try second.send("after")
        var seen: [String] = []
        var tickets: [UInt64] = []
        while let message = consumer.nextIfAvailable() {
            seen.append(message.text)
            tickets.append(message.sequence)
        }
        #expect(seen == ["before", "a", "bb", "ccc", "after"])
        #expect(tickets == tickets.sorted() && Set(tickets).count == 5)
    }

    @Test("A message that was put back comes again, at its place")
    func putBack() throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        try first.send("1")
        try second.send("2")
        try first.send("3")
        if let message = consumer.nextIfAvailable() { message.putBack() }
        var seen: [String] = []
        while let message = consumer.nextIfAvailable() { seen.append(message.text) }
        #expect(seen == ["1", "2", "3"])
    }

    /// All that is there.
    private func texts(_ consumer: inout MergingConsumer) -> [String] {
        var seen: [String] = []
        while let message = consumer.nextIfAvailable() { seen.append(message.text) }
        return seen
    }

    @Test("A message that was found and not used is not overtaken, whatever asks next", arguments: 0..<3)
    func notOvertaken(way: Int) async throws {
        struct TestError: Error {}
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        var isSent = try first.trySend("1")
        #expect(texts(&consumer) == ["1"])
        for number in 2...8 {
            isSent = try (number % 2 == 0 ? first.trySend("\(number)") : second.trySend("\(number)")) && isSent
        }
        #expect(isSent)
        // Found by its ticket, which follows the last one.
        if let message = consumer.nextIfAvailable() { message.putBack() }
        switch way {
        case 0: for _ in 0..<3 { try await consumer.waitUntilReady(timeout: asyncPatience) }
        case 1: consumer.drain(limit: 0) { _ in }
        default: await #expect(throws: (any Error).self) { try await consumer.forEach { _ in throw TestError() } }
        }
        #expect(texts(&consumer) == (2...8).map(String.init))
    }

    @Test("The next ticket of all, if it was not drawn, poisons its lane, and the other lane's messages come") func forgedNext() throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        var forger = try ring.makeProducer()
        var honest = try ring.makeProducer()
        for turn in 0..<2 {
            try forger.send("drawn")
            #expect(try consumer.receive(timeout: .zero) == Array("drawn".utf8), "turn \(turn)")
        }
        try forger.send("forged")
        // As if the ticket had not been drawn.
        let tickets = forger.writer.pointee.tickets!
        sr_store_release_u64(tickets, sr_load_relaxed_u64(tickets) - 1)
        expectError(.poisoned, saying: "not drawn") { () throws(RingError) in _ = try consumer.poll() }
        try honest.send("honest")
        #expect(try consumer.receive(timeout: .zero) == Array("honest".utf8))
    }

    @Test("The largest message is eight bytes smaller, and passes")
    func largest() throws {
        let plain = try MPSCRing.anonymous(lanes: 1, options: RingOptions(capacity: 4096))
        let ordered = try MPSCRing.anonymous(lanes: 1, order: .total, options: RingOptions(capacity: 4096))
        #expect(ordered.largestMessage == plain.largestMessage - 8)
        var consumer = try ordered.makeConsumer()
        var producer = try ordered.makeProducer()
        for round in 0..<5 {
            let bytes = [UInt8](repeating: UInt8(round), count: ordered.largestMessage)
            #expect(try producer.trySend(bytes))
            #expect(try !producer.trySend([]))
            #expect(try consumer.receive(timeout: .zero) == bytes)
        }
        expectError(.messageTooLarge) { () throws(RingError) in
            try producer.send([UInt8](repeating: 0, count: ordered.largestMessage + 1))
        }
    }

    @Test("A producer that died after drawing its ticket delays no other")
    func deadTicketFloor() throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        var dead = try ring.makeProducer()
        var living = try ring.makeProducer()
        try dead.send("0")
        // As a kill between the ticket and the header would leave it.
        unsafe sr_store_release_u64(sr_ticket_floor(dead.writer.pointee.control), 1)
        unsafe _ = sr_fetch_add_acq_rel_u64(dead.writer.pointee.tickets!, 1)
        try living.send("1")
        #expect(try consumer.receive(timeout: patience) == Array("0".utf8))
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.receive(timeout: .milliseconds(30)) }
        _ = consume dead
        #expect(try consumer.receive(timeout: patience) == Array("1".utf8))
    }

    @Test("A consumer that only polls is not held up by a dead producer's ticket floor either")
    func deadTicketFloorPolled() throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        let dead = try ring.makeProducer()
        var living = try ring.makeProducer()
        unsafe sr_store_release_u64(sr_ticket_floor(dead.writer.pointee.control), 0)
        unsafe _ = sr_fetch_add_acq_rel_u64(dead.writer.pointee.tickets!, 1)
        try living.send("1")
        for _ in 0..<3000 { #expect(try consumer.poll().isEmpty, "its producer may still commit") }
        _ = consume dead
        var polls = 0
        while try consumer.poll().isEmpty, polls < 3000 { polls += 1 }
        #expect(polls < 3000)
    }

    @Test("A ticket that was not drawn, or does not grow, poisons its lane", arguments: [UInt64(1000), 0])
    func forgedTicket(ticket: UInt64) throws {
        let ring = try MPSCRing.anonymous(lanes: 1, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        var producer = try ring.makeProducer()
        try producer.send("a")
        #expect(try consumer.receive(timeout: .zero) != nil)
        let position = unsafe producer.writer.pointee.tail
        try producer.send("b")
        unsafe sr_store_release_u64(producer.writer.pointee.place(at: position) + 8, ticket)
        expectError(.poisoned, saying: "ticket \(ticket)") { () throws(RingError) in _ = try consumer.poll() }
    }

    /// Four producers stamp every message with a clock read before the send and, in the next message, the clock read after
    /// it. No message may come after one whose send began after its own had returned.
    @Test("A recorded history of four producers has no inversion against real time")
    func history() throws {
        let producers = 4
        let count = 20_000
        let ring = try MPSCRing.anonymous(lanes: producers, order: .total, options: RingOptions(capacity: 1 << 16))
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: producers))
        // Each has a lane of its own only while the others are attached, too.
        let gate = Gate(producers)
        let workers = (0..<producers).map { _ in
            Worker { () throws -> [OrderHistory.Send] in
                var producer = try ring.makeProducer()
                gate.pass()
                let sends = try OrderHistory.record(&producer, count: count)
                try producer.close()
                return sends
            }
        }
        var delivered: [OrderHistory.Delivery] = []
        delivered.reserveCapacity(producers * count)
        while let message = try consumer.next(timeout: patience) {
            delivered.append(.init(lane: message.lane, index: Int(message.integer(as: UInt64.self)!)))
        }
        #expect(delivered.count == producers * count)
        let histories = try workers.map { try $0.join() }
        let byLane = Dictionary(uniqueKeysWithValues: histories.map { ($0[0].lane, $0) })
        #expect(OrderHistory.inversions(delivered, byLane) == 0)
        // And the check can fail: the same history with two distant deliveries exchanged.
        delivered.swapAt(100, delivered.count - 100)
        #expect(OrderHistory.inversions(delivered, byLane) > 0)
    }

    /// The same protocol with two steps exchanged: the ticket is drawn before its floor is stored.
    @Test("Announcing a ticket after drawing it would be found")
    func wrongOrder() throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        let wrong = try ring.makeProducer()
        var right = try ring.makeProducer()
        let writer = wrong.writer
        let next = unsafe writer.pointee.tail &+ writer.pointee.shape.spacing(5)
        unsafe LaneWriter.terminate(writer.pointee.place(at: next))
        // Drawn; no ticket floor yet. Here the other one sends, and the consumer looks.
        let ticket = unsafe sr_fetch_add_acq_rel_u64(writer.pointee.tickets!, 1)
        try right.send("later")
        var tickets: [UInt64] = []
        if let message = consumer.nextIfAvailable() { tickets.append(message.sequence) }
        unsafe sr_store_release_u64(sr_ticket_floor(writer.pointee.control), ticket)
        unsafe sr_store_relaxed_u64(writer.pointee.place(at: writer.pointee.tail) + 8, ticket)
        unsafe LaneWriter.storeHeader(writer.pointee.shape.header(byteCount: 5, tag: 0), at: writer.pointee.cursor)
        unsafe sr_store_release_u64(sr_ticket_floor(writer.pointee.control), .max)
        if let message = consumer.nextIfAvailable() { tickets.append(message.sequence) }
        #expect(tickets == [1, 0], "with the ticket floor first, nothing may be taken before the smaller ticket")

        // In the right order nothing is handed out while a smaller ticket may turn up.
        unsafe sr_store_release_u64(sr_ticket_floor(writer.pointee.control), sr_load_relaxed_u64(writer.pointee.tickets!))
        unsafe _ = sr_fetch_add_acq_rel_u64(writer.pointee.tickets!, 1)
        try right.send("later still")
        #expect(try consumer.poll().isEmpty)
        unsafe sr_store_release_u64(sr_ticket_floor(writer.pointee.control), .max)
        #expect(try !consumer.poll().isEmpty)
        withExtendedLifetime(wrong) {}
    }
}

extension PollResult {
    var isEmpty: Bool {
        switch self {
        case .empty: true
        default: false
        }
    }
}

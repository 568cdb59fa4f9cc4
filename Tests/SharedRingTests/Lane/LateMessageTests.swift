import TestSupport
import Testing

@testable import SharedRing

/// Swift 6.3 destroys a message that was bound by `guard let` at the end of its scope, although it lets the consumer be used from the
/// message's last use on. So one may still be there, unused, when the next is asked for.
@Suite("A message that is destroyed late does no harm", .oneByOne)
struct LateMessageTests {
    private func ring(messages: ClosedRange<UInt32>) throws -> SPSCRing {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        for number in messages { try producer.send([UInt8](repeating: 7, count: Int(number) * 5), tag: number) }
        try producer.close()
        return ring
    }

    private func takeTwo<Source: MessageSource & ~Copyable>(_ consumer: inout Source) throws -> [UInt32] {
        guard let first = try consumer.next(timeout: patience) else { return [] }
        let tag = first.tag
        guard let second = try consumer.next(timeout: patience) else { return [tag] }
        return [tag, second.tag]
    }

    @Test("The next message is the next one, and none is left out")
    func two() throws {
        var consumer = try ring(messages: 1...5).makeConsumer()
        #expect(try takeTwo(&consumer) == [1, 2])
        #expect(try takeTwo(&consumer) == [3, 4])
        #expect(try takeTwo(&consumer) == [5])
    }

    @Test("Destroyed while the next one is out, it does not end that one") func whileTheNextIsOut() throws {
        let consumer = try ring(messages: 1...3).makeConsumer()
        let reader = consumer.reader
        func next() throws -> LaneReader.Found {
            let found = reader.pointee.find(beforeWaiting: false)
            return try #require(found)
        }
        let first = Message(reader, try next())
        let second = Message(reader, try next())
        let head = reader.pointee.head
        _ = consume first
        var isOut = reader.pointee.handedOut == second.id
        #expect(isOut && reader.pointee.head == head)
        // One that ended in time, and one after it.
        _ = consume second
        let third = Message(reader, try next())
        isOut = reader.pointee.handedOut == third.id
        #expect(isOut && third.tag == 3)
        _ = consume third
        let shape = reader.pointee.shape
        #expect(reader.pointee.head == head + shape.spacing(10) + shape.spacing(15))
        _ = consume consumer
    }

    @Test("So it is with looking, draining and many lanes")
    func others() throws {
        var consumer = try ring(messages: 1...6).makeConsumer()
        func look(_ consumer: inout Consumer) throws -> [UInt32] {
            guard let first = consumer.nextIfAvailable() else { return [] }
            var tags = [first.tag]
            if case .message(let second) = try consumer.poll() { tags.append(second.tag) }
            guard let third = consumer.nextIfAvailable() else { return tags }
            tags.append(third.tag)
            consumer.drain(limit: 2) { message in tags.append(message.tag) }
            return tags
        }
        #expect(try look(&consumer) == [1, 2, 3, 4, 5])
        var last: [UInt32] = []
        consumer.drain { message in last.append(message.tag) }
        #expect(last == [6])

        let lanes = try MPSCRing.anonymous(lanes: 2, options: RingOptions(capacity: 4096))
        var merging = try lanes.makeConsumer(options: EndpointOptions(budget: 1))
        var one = try lanes.makeProducer()
        var other = try lanes.makeProducer()
        for number in UInt32(0)..<4 {
            try one.send([1], tag: number)
            try other.send([1, 2, 3], tag: 10 + number)
        }
        var tags: [UInt32] = []
        for _ in 0..<4 { tags += try takeTwo(&merging) }
        #expect(tags.filter { $0 < 10 } == [0, 1, 2, 3])
        #expect(tags.filter { $0 >= 10 } == [10, 11, 12, 13])
    }

    @Test("A drain steps over each message once, whatever number its reader is at")
    func lent() throws {
        var consumer = try ring(messages: 1...6).makeConsumer()
        consumer.reader.pointee.handedOut = 0  // there the 2^19th reader of a process begins, as the numbers wrap
        var tags: [UInt32] = []
        for count in 1...3 {
            if let message = try consumer.next() { tags.append(message.tag) }
            #expect(consumer.drain(limit: 1) { message in tags.append(message.tag) } == 1, "round \(count)")
        }
        #expect(tags == [1, 2, 3, 4, 5, 6])
    }

    @Test("Acknowledging covers it")
    func manual() throws {
        let ring = try ring(messages: 1...3)
        do {
            var consumer = try ring.makeConsumer(acknowledgement: .manual)
            guard let first = try consumer.next() else { throw RingError(.notFound, ring: "", "no message") }
            #expect(first.tag == 1)
            try consumer.acknowledge()
        }
        var successor = try ring.makeConsumer()
        #expect(try takeTwo(&successor) == [2, 3])
    }

    @Test("Closing covers it, and what took the consumer's place in memory is left alone")
    func closed() throws {
        let ring = try ring(messages: 1...4)
        func takeAndClose(_ consumer: consuming Consumer) throws -> UInt32 {
            guard let first = try consumer.next() else { return 0 }
            let tag = first.tag
            try consumer.close()
            return tag
        }
        #expect(try takeAndClose(try ring.makeConsumer()) == 1)

        func takeFromBoth() throws -> [UInt32] {
            var consumer = try ring.makeConsumer()
            guard let first = try consumer.next() else { return [] }
            var tags = [first.tag]
            try consumer.close()
            var successor = try ring.makeConsumer()
            guard let second = try successor.next() else { return tags }
            tags.append(second.tag)
            return tags
        }
        #expect(try takeFromBoth() == [2, 3])
        var last = try ring.makeConsumer()
        #expect(try takeTwo(&last) == [4])
    }
}

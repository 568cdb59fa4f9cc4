import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Many producers, one consumer: everything arrives, in order within a lane", .oneByOne)
struct MergingTests {
    let place = Place()

    func ring(lanes: Int, order: MPSCRing.Order = .perProducer, capacity: Int = 4096) throws -> MPSCRing {
        try MPSCRing.anonymous(lanes: lanes, order: order, options: RingOptions(capacity: capacity))
    }

    /// Everything that is there, as "lane:text".
    func takeAll(_ consumer: inout MergingConsumer) throws -> [String] {
        var seen: [String] = []
        while true {
            switch try consumer.poll() {
            case .message(let message): seen.append("\(message.lane):\(message.text)")
            case .empty: return seen
            case .ended: seen.append("ended")
            }
        }
    }

    @Test(
        "A lane that is empty gives its space back, though another keeps the consumer busy",
        arguments: [MPSCRing.Order.perProducer, .total])
    func leftLane(order: MPSCRing.Order) throws {
        let ring = try ring(lanes: 2, order: order)
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        try first.send("only")
        for _ in 0..<10 { try second.send("one of many") }
        for _ in 0..<3 { if let message = try consumer.next() { _ = message.byteCount } }
        #expect(first.freeBytes == first.largestMessage)
        #expect(second.freeBytes < second.largestMessage, "there is more")
        try first.waitUntilAcknowledged(timeout: .zero)
    }

    @Test("A message tells its lane, its tag and a growing sequence", arguments: [MPSCRing.Order.perProducer, .total])
    func facts(order: MPSCRing.Order) throws {
        let ring = try ring(lanes: 2, order: order)
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        #expect(first.lane == 0 && second.lane == 1)
        try second.send("two", tag: 2)
        try first.send("one", tag: 1)
        try second.send("three", tag: 3)
        var sequences: [Int: [UInt64]] = [:]
        var tags: Set<UInt32> = []
        for _ in 0..<3 {
            let message = try #require(try consumer.receive(into: UnsafeMutableRawBufferPointer.scratch, timeout: .zero))
            sequences[message.lane, default: []].append(message.sequence)
            tags.insert(message.tag)
        }
        #expect(tags == [1, 2, 3])
        #expect(sequences[1]!.count == 2 && sequences[1]![0] < sequences[1]![1])
    }

    @Test("A flooding lane leaves each other lane its turn after the budget")
    func fairness() throws {
        let ring = try ring(lanes: 3)
        var consumer = try ring.makeConsumer(options: EndpointOptions(budget: 4))
        var flood = try ring.makeProducer()
        var slow = try ring.makeProducer()
        for i in 0..<20 { try flood.send("f\(i)") }
        try slow.send("s0")
        try slow.send("s1")
        let seen = try takeAll(&consumer)
        #expect(seen.prefix(7) == ["0:f0", "0:f1", "0:f2", "0:f3", "1:s0", "1:s1", "0:f4"])
        #expect(seen.count == 22)
        #expect(seen.filter { $0.hasPrefix("0:") } == (0..<20).map { "0:f\($0)" })
    }

    /// Every way to receive has its own short cut for staying with a lane.
    enum Way: CaseIterable { case next, poll, nextIfAvailable, drain }

    func takeAll(_ consumer: inout MergingConsumer, _ way: Way) throws -> [String] {
        var seen: [String] = []
        switch way {
        case .next:
            do throws(RingError) {
                while let message = try consumer.next(timeout: .zero) { seen.append("\(message.lane):\(message.text)") }
            } catch { #expect(error.code == .timedOut) }
        case .poll: seen = try takeAll(&consumer)
        case .nextIfAvailable: while let message = consumer.nextIfAvailable() { seen.append("\(message.lane):\(message.text)") }
        case .drain: #expect(consumer.drain { message in seen.append("\(message.lane):\(message.text)") } == seen.count)
        }
        return seen
    }

    @Test("A lane that goes on beyond its budget leaves the others their turn all the same", arguments: Way.allCases)
    func staying(way: Way) throws {
        let ring = try ring(lanes: 3)
        var consumer = try ring.makeConsumer(options: EndpointOptions(budget: 4))
        var flood = try ring.makeProducer()
        var slow = try ring.makeProducer()
        for i in 0..<10 { try flood.send("f\(i)") }
        // Alone, it goes on: the lane is in hand afterwards, and in the middle of its third budget.
        #expect(try takeAll(&consumer, way) == (0..<10).map { "0:f\($0)" })
        for i in 10..<20 { try flood.send("f\(i)") }
        try slow.send("s0")
        var late = try ring.makeProducer()  // a lane that this consumer has not seen yet
        try late.send("l0")
        let seen = try takeAll(&consumer, way)
        #expect(seen.count == 12 && Set(seen).count == 12)
        #expect(seen.filter { $0.hasPrefix("0:") } == (10..<20).map { "0:f\($0)" })
        for other in ["1:s0", "2:l0"] { #expect(seen.firstIndex(of: other)! <= 5) }
    }

    @Test("A lane that comes into use gets its turn though the only other one never runs dry", arguments: Way.allCases)
    func stayingBesideANewLane(way: Way) throws {
        let ring = try ring(lanes: 2)
        var consumer = try ring.makeConsumer(options: EndpointOptions(budget: 4))
        var flood = try ring.makeProducer()
        for i in 0..<20 { try flood.send("f\(i)") }
        // Not to the last: that would make the consumer put the lane down, and look for others.
        #expect(consumer.drain(limit: 2) { _ in } == 2)
        var late = try ring.makeProducer()
        try late.send("l0")
        let seen = try takeAll(&consumer, way)
        #expect(seen.count == 19)
        #expect(seen.firstIndex(of: "1:l0")! <= 4)
    }

    @Test(
        "Draining many lanes: a limit within a budget, beyond it, and a body that throws", arguments: [MPSCRing.Order.perProducer, .total])
    func draining(order: MPSCRing.Order) throws {
        let ring = try ring(lanes: 2, order: order)
        var consumer = try ring.makeConsumer(options: EndpointOptions(budget: 4))
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        for i in 0..<12 { try first.send("a\(i)") }
        for i in 0..<3 { try second.send("b\(i)") }
        var seen: [String] = []
        #expect(consumer.drain(limit: 0) { _ in seen.append("?") } == 0)
        #expect(consumer.drain(limit: 3) { seen.append($0.text) } == 3)
        #expect(seen == ["a0", "a1", "a2"])
        struct Refused: Error {}
        #expect(throws: Refused.self) {
            try consumer.drain { (message: borrowing Message) throws in
                if seen.count == 5 { throw Refused() }
                seen.append(message.text)
            }
        }
        #expect(seen.count == 5)
        #expect(consumer.drain { seen.append($0.text) } == 10)
        #expect(seen.filter { $0.hasPrefix("a") } == (0..<12).map { "a\($0)" })
        #expect(seen.filter { $0.hasPrefix("b") } == (0..<3).map { "b\($0)" })
        #expect(consumer.drain { _ in } == 0)
        // All of it was given back.
        _ = try first.waitForSlot(for: ring.largestMessage, timeout: .zero)
        _ = try second.waitForSlot(for: ring.largestMessage, timeout: .zero)
    }

    @Test("When all lanes are taken, the error says by whom")
    func full() throws {
        let ring = try ring(lanes: 2)
        let first = try ring.makeProducer()
        let second = try ring.makeProducer()
        expectError(.roleTaken, saying: "2 lanes", "process \(getpid())") { () throws(RingError) in _ = try ring.makeProducer() }
        try first.close()
        let third = try ring.makeProducer()
        #expect(third.lane == 0)
        _ = consume second
    }

    @Test("A dead producer's messages come before those of who takes its lane over, and its death is counted once")
    func takeOver() throws {
        let ring = try ring(lanes: 1)
        var consumer = try ring.makeConsumer()
        var first = try ring.makeProducer()
        try first.send("a")
        try first.send("b")
        _ = consume first  // dropped without close: died
        var second = try ring.makeProducer()
        try second.send("c")
        #expect(try takeAll(&consumer) == ["0:a", "0:b", "0:c"])
        #expect(consumer.ends == ProducerEnds(closed: 0, died: 1))
        try second.close()
        #expect(try takeAll(&consumer) == [])
        #expect(consumer.ends == ProducerEnds(closed: 1, died: 1))
    }

    @Test("The end is reported when every producer that came has closed, and not before")
    func ending() throws {
        let ring = try ring(lanes: 4)
        var consumer = try ring.makeConsumer(ending: .whenAllEnded())
        #expect(try takeAll(&consumer) == [])
        var first = try ring.makeProducer()
        let second = try ring.makeProducer()
        try first.send("x")
        try first.close()
        #expect(try takeAll(&consumer) == ["0:x"])
        try second.close()
        #expect(try consumer.receive(timeout: patience) == nil)
        #expect(try takeAll(&consumer) == [])
        let third = try ring.makeProducer()
        try third.close()
        #expect(try consumer.receive(timeout: patience) == nil)
    }

    @Test("The end waits for as many producers as were asked for")
    func endingAtLeast() throws {
        let ring = try ring(lanes: 2)
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: 2))
        try ring.makeProducer().close()
        #expect(try takeAll(&consumer) == [])
        try ring.makeProducer().close()
        #expect(try consumer.receive(timeout: patience) == nil)
    }

    @Test("When all have ended and one of them died, the end is an error", arguments: [MPSCRing.Order.perProducer, .total])
    func endingByDeath(order: MPSCRing.Order) throws {
        let ring = try ring(lanes: 2, order: order)
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(), options: EndpointOptions(checkInterval: .milliseconds(5)))
        var first = try ring.makeProducer()
        try ring.makeProducer().close()
        try first.send("last words")
        _ = consume first
        #expect(try consumer.receive(timeout: patience).map { String(decoding: $0, as: UTF8.self) } == "last words")
        expectError(.peerDied, saying: "lane 0") { () throws(RingError) in _ = try consumer.receive(timeout: patience) }
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.receive(timeout: .milliseconds(20)) }
    }

    @Test("What was not acknowledged comes again to the next consumer, in every lane")
    func redelivery() throws {
        let ring = try ring(lanes: 2)
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        for i in 0..<3 {
            try first.send("a\(i)")
            try second.send("b\(i)")
        }
        do {
            var consumer = try ring.makeConsumer(acknowledgement: .manual, options: EndpointOptions(budget: 1))
            for _ in 0..<2 { _ = try consumer.receive(timeout: .zero) }
            try consumer.acknowledge()
            for _ in 0..<2 { _ = try consumer.receive(timeout: .zero) }
        }
        var next = try ring.makeConsumer(options: EndpointOptions(budget: 1))
        #expect(try takeAll(&next) == ["0:a1", "1:b1", "0:a2", "1:b2"])
    }

    @Test("A poisoned lane is reported once and passed over; the others go on", arguments: [MPSCRing.Order.perProducer, .total])
    func poison(order: MPSCRing.Order) throws {
        let ring = try ring(lanes: 3, order: order)
        var consumer = try ring.makeConsumer()
        var good = try ring.makeProducer()
        var bad = try ring.makeProducer()
        var late = try ring.makeProducer()
        try bad.send("bad")
        unsafe sr_store_release_u64(bad.writer.pointee.place(at: bad.writer.pointee.tail &- bad.writer.pointee.shape.spacing(3)), 0x7fff)
        try good.send("good")
        try late.send("late")
        var seen: [String] = []
        var poisoned = 0
        for _ in 0..<10 {
            do throws(RingError) {
                switch try consumer.poll() {
                case .message(let message): seen.append(message.text)
                default: continue
                }
            } catch {
                #expect(error.code == .poisoned && error.description.contains("lane 1"), "\(error)")
                poisoned += 1
            }
        }
        #expect(seen.sorted() == ["good", "late"])
        #expect(poisoned == 1)
        try good.send("again")
        #expect(try takeAll(&consumer) == ["0:again"])
    }

    @Test("Lanes of any number, up to 1,024, and no more", arguments: [0, 1, 64, 65, 1024, 1025])
    func laneCounts(lanes: Int) throws {
        guard (1...1024).contains(lanes) else {
            expectError(.invalidOption, saying: "\(lanes)") { () throws(RingError) in
                _ = try MPSCRing.anonymous(lanes: lanes, options: RingOptions(capacity: 4096))
            }
            return
        }
        let ring = try ring(lanes: lanes)
        var consumer = try ring.makeConsumer()
        #expect(ring.laneCount == lanes)
        // The last lane and its bit in the bitmap, without holding all the others open.
        var first = try ring.makeProducer()
        try first.send("first")
        #expect(try takeAll(&consumer) == ["0:first"])
    }

    @Test("A lane that is new while the consumer sleeps wakes it")
    func newLane() throws {
        let ring = try ring(lanes: 70)
        var consumer = try ring.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        let worker = Worker { () throws -> String in
            var producers: [Int] = []
            for _ in 0..<2 {
                var producer = try ring.makeProducer()
                try producer.send("hello from \(producer.lane)")
                producers.append(producer.lane)
                try producer.close()
            }
            return "\(producers.count)"
        }
        for _ in 0..<2 { #expect(try consumer.receive(timeout: patience) != nil) }
        #expect(try worker.join() == "2")
    }

    @Test("A ring is removed only when every lane is empty and no process is attached")
    func removal() throws {
        let ring = try MPSCRing.create("r", lanes: 2, options: place.options())
        var consumer = try ring.makeConsumer()
        var producer = try ring.makeProducer()
        #expect(try !consumer.removeRingIfUnused())
        try producer.send("x")
        try producer.close()
        #expect(try !consumer.removeRingIfUnused())
        #expect(try takeAll(&consumer) == ["0:x"])
        #expect(try consumer.removeRingIfUnused())
        #expect(place.names == [])
    }

    @Test("An SPSC ring is not opened as MPSC, nor the other way round")
    func kinds() throws {
        _ = try MPSCRing.create("many", lanes: 2, options: place.options())
        _ = try SPSCRing.create("one", options: place.options())
        expectError(.incompatible, saying: "mpsc") { () throws(RingError) in _ = try SPSCRing.open("many", options: place.options()) }
        expectError(.incompatible, saying: "spsc") { () throws(RingError) in _ = try MPSCRing.open("one", options: place.options()) }
    }

    @Test("A report has roles, holders and positions, and takes no role")
    func report() throws {
        let ring = try MPSCRing.create("r", lanes: 3, order: .total, options: place.options())
        var producer = try ring.makeProducer()
        try producer.send("12345678")
        let consumer = try ring.makeConsumer()
        try consumer.close()
        let report = try RingReport("r", options: place.options())
        #expect(report.kind == .mpsc && report.isTotallyOrdered && report.laneCount == 3 && report.capacity == 4096)
        #expect(report.consumer.presence == .closed && report.consumer.attachments == 1)
        #expect(report.lanes.count == 1)
        #expect(report.lanes[0].producer.presence == .attached)
        #expect(report.lanes[0].producer.holder?.processID == UInt32(getpid()))
        #expect(report.lanes[0].backlog == 24)
        _ = consume producer
        #expect(try RingReport("r", options: place.options()).lanes[0].producer.presence == .died)
        #expect(try RingReport.names(options: place.options()) == ["r"])
    }
}

extension UnsafeMutableRawBufferPointer {
    /// For tests that want to see a message's facts and not its bytes.
    nonisolated(unsafe) static let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
}

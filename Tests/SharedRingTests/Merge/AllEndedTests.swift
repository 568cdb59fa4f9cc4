import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("The end of all streams is that of the producers who came since, were there, or had left something unread", .oneByOne)
struct AllEndedTests {
    private let place = Place()

    private func ring(_ order: MPSCRing.Order = .perProducer) throws -> MPSCRing {
        try MPSCRing.openOrCreate("log", lanes: 8, order: order, options: place.options())
    }

    /// As README's `log`.
    private func log(_ line: String, _ order: MPSCRing.Order = .perProducer) throws {
        var producer = try ring(order).makeProducer()
        try producer.send(line)
        try producer.close()
    }

    private func collector(
        _ atLeast: Int, _ includingEarlier: Bool = false, _ acknowledgement: Acknowledgement = .automatic,
        _ order: MPSCRing.Order = .perProducer
    ) throws -> MergingConsumer {
        try ring(order).makeConsumer(
            ending: .whenAllEnded(atLeast: atLeast, includingEarlier: includingEarlier), acknowledgement: acknowledgement,
            options: EndpointOptions(checkInterval: .milliseconds(10)))
    }

    /// Everything to the end, which must come.
    private func rest(_ consumer: inout MergingConsumer) throws -> [String] {
        var lines: [String] = []
        while let message = try consumer.next(timeout: patience) { lines.append(message.text) }
        return lines.sorted()
    }

    private func expectNoEnd(_ consumer: inout MergingConsumer) {
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(30)) }
    }

    @Test("README's sample, run again and again on a ring that stays", arguments: [MPSCRing.Order.perProducer, .total], [true, false])
    func again(order: MPSCRing.Order, closes: Bool) throws {
        for run in 0..<3 {
            let lines = ["one", "two", "three"].map { "\($0) \(run)" }
            for line in lines { try log(line, order) }
            var consumer = try collector(3, false, .automatic, order)
            #expect(try rest(&consumer) == lines.sorted())
            if closes { try consumer.close() }
        }
        var consumer = try collector(3, false, .automatic, order)
        expectNoEnd(&consumer)
        try log("one of three", order)
        #expect(try consumer.receive(timeout: patience) != nil)
        expectNoEnd(&consumer)
    }

    @Test("Before, attached and after are mixed") func mixed() throws {
        try log("of an earlier run")
        var earlier = try collector(1)
        #expect(try rest(&earlier) == ["of an earlier run"])
        try earlier.close()

        try log("before")
        var there = try ring().makeProducer()
        let silent = try ring().makeProducer()
        var consumer = try collector(4)
        try there.send("there")
        try there.close()
        try silent.close()
        #expect(try consumer.receive(timeout: patience) != nil)
        #expect(try consumer.receive(timeout: patience) != nil)
        expectNoEnd(&consumer)
        try log("after")
        #expect(try rest(&consumer) == ["after"])
    }

    @Test("Those before that sent nothing count, and those of whom an earlier consumer received all but the end") func endsAlone() throws {
        try ring().makeProducer().close()
        var first = try collector(1)
        #expect(try rest(&first) == [])
        try first.close()

        try log("x")
        var second = try ring().makeConsumer(acknowledgement: .manual)
        if let message = second.nextIfAvailable() { #expect(message.text == "x") }
        try second.acknowledge()
        _ = consume second
        var third = try collector(1)
        #expect(try rest(&third) == [])
    }

    @Test("Earlier ones count on request") func onRequest() throws {
        for line in ["a", "b"] { try log(line) }
        var first = try collector(2)
        #expect(try rest(&first) == ["a", "b"])
        try first.close()
        var second = try collector(2, true)
        #expect(try rest(&second) == [])
        try log("c")
        #expect(try rest(&second) == ["c"])
    }

    @Test("A consumer that is killed before it reported the end leaves its producers to the next", arguments: [1, 2, 3])
    func killed(before: Int) throws {
        for number in 0..<before { try log("\(number)") }
        let peer = try Peer("collector", of: "log", in: place, "lanes=8", "senders=3")
        for _ in 0..<before {
            peer.tell("next")
            #expect(try peer.line().hasPrefix("message"))
        }
        // It waits, and has acknowledged everything before it sleeps.
        if before < 3 {
            peer.tell("next")
            let isIdle = eventually { (try? RingReport("log", options: place.options()).lanes.allSatisfy { $0.backlog == 0 }) == true }
            #expect(isIdle)
        }
        peer.kill()
        var consumer = try collector(3)
        for number in before..<3 { try log("\(number)") }
        // With all three before, what had not been acknowledged comes again, and no more.
        #expect(try rest(&consumer).count <= 3)
    }

    @Test("A death whose mark a killed consumer had acknowledged is reported at the end by the next") func deathBehindMark() throws {
        do {
            var victim = try ring().makeProducer()
            try victim.send("last words")
        }
        var heir = try ring().makeProducer()  // marks that death
        #expect(heir.lane == 0)
        try heir.send("x")
        let peer = try Peer("collector", of: "log", in: place, "lanes=8", "senders=2")
        for _ in 0..<2 { #expect(try peer.ask("next").hasPrefix("message")) }
        peer.tell("next")
        try heir.waitUntilAcknowledged(timeout: patience)
        peer.kill()
        try heir.close()
        var consumer = try collector(2)
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
        expectNoEnd(&consumer)
    }

    @Test("An end of all that was found, and not handed out yet, is not kept as reported", arguments: [Acknowledgement.automatic, .manual])
    func foundOnly(acknowledgement: Acknowledgement) throws {
        try log("a")
        try log("b")
        var consumer = try collector(2, false, acknowledgement)
        let attachment = consumer.core.attachment
        func kept() -> UInt32 { sr_load_relaxed_u32(sr_reported_end(attachment.lane(0))) }
        #expect(consumer.drain { _ in } == 2)
        let isDry = consumer.nextIfAvailable() == nil
        #expect(isDry)
        #expect(consumer.ends.closed > 0, "it was found")
        try consumer.acknowledge()
        #expect(kept() == 0, "should it be killed now, its successor counts them")
        #expect(try rest(&consumer).isEmpty)
        try consumer.acknowledge()
        #expect(kept() != 0)
        try consumer.close()
    }

    @Test("A death that was found, and not handed out yet, is left to the next by a consumer that closes in order") func deathFoundOnly()
        throws
    {
        do {
            var victim = try ring().makeProducer()
            try victim.send("last words")
        }
        try log("x")  // in the same lane: marks that death
        var consumer = try collector(2)
        #expect(consumer.drain { _ in } == 2)
        let isDry = consumer.nextIfAvailable() == nil
        #expect(isDry && consumer.ends.died == 1)
        try consumer.close()
        var next = try collector(1)
        try log("y")
        #expect(try next.receive(timeout: patience) != nil)
        expectError(.peerDied) { () throws(RingError) in _ = try next.next(timeout: patience) }
    }

    @Test("A close behind an unread end, which leaves no mark, is counted once and not reported to the next", arguments: [true, false])
    func unrecordedClose(firstCloses: Bool) throws {
        let first = try ring().makeProducer()
        if firstCloses { try first.close() } else { _ = consume first }
        let heir = try ring().makeProducer()  // marks a death
        #expect(heir.lane == 0)
        try heir.close()
        var consumer = try collector(2)
        if firstCloses {
            #expect(try rest(&consumer).isEmpty)
        } else {
            expectError(.peerDied) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
        }
        #expect(consumer.ends.closed == (firstCloses ? 2 : 1) && consumer.ends.died == (firstCloses ? 0 : 1))
        expectNoEnd(&consumer)
        try consumer.close()
        var next = try collector(1)
        expectNoEnd(&next)
        #expect(next.ends.closed == 0 && next.ends.died == 0)
    }

    @Test("One that closes before the end leaves none of them to the next", arguments: [Acknowledgement.automatic, .manual])
    func closed(acknowledgement: Acknowledgement) throws {
        for line in ["a", "b"] { try log(line) }
        var first = try collector(3, false, acknowledgement)
        for _ in 0..<2 { #expect(try first.receive(timeout: patience) != nil) }
        expectNoEnd(&first)
        try first.acknowledge()
        try first.close()
        var second = try collector(3)
        for line in ["c", "d", "e"] { try log(line) }
        #expect(try rest(&second) == ["c", "d", "e"])
    }

    @Test("Asynchronous forms end where the others do") func async() async throws {
        for run in 0..<2 {
            for line in ["a", "b"] { try log("\(line)\(run)") }
            var lines: [String] = []
            if run == 0 {
                var consumer = try collector(2)
                try await consumer.forEach { lines.append($0.text) }
                try consumer.close()
            } else {
                for try await message in try collector(2).messages() { lines.append(message.text) }
            }
            #expect(lines.sorted() == ["a\(run)", "b\(run)"])
        }
    }

    // MARK: Each end

    @Test("Each end is reported: which lane, who, closed or died; once, and in order") func nextEnd() throws {
        var consumer = try ring().makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        #expect(consumer.nextEnd() == nil)
        let peer = try Peer("producer", of: "log", in: place, "lanes=8")
        var mine = try ring().makeProducer()
        peer.tell("send x")
        #expect(try peer.line() == "sent")
        #expect(try consumer.receive(timeout: patience) != nil)
        #expect(consumer.nextEnd() == nil)
        peer.kill()
        try mine.send("y")
        try mine.close()
        #expect(try consumer.receive(timeout: patience) != nil)
        var ends: [ProducerEnd] = []
        let areBoth = eventually {
            _ = try? consumer.receive(timeout: .milliseconds(20))
            while let end = consumer.nextEnd() { ends.append(end) }
            return ends.count >= 2
        }
        try #require(areBoth)
        ends.sort { $0.lane < $1.lane }
        #expect(ends[0].lane == 0 && ends[0].isDeath && ends[0].holder?.processID == UInt32(peer.pid))
        #expect(ends[1].lane == 1 && !ends[1].isDeath && ends[1].holder?.processID == UInt32(getpid()))
        #expect("\(ends[1])".hasPrefix("lane 1: process \(getpid()) (") && "\(ends[1])".hasSuffix(") closed"))
        #expect(consumer.ends == ProducerEnds(closed: 1, died: 1))
        #expect(consumer.nextEnd() == nil)
    }

    @Test("Who was followed in its lane before its end was read is not mistaken for its successor") func successor() throws {
        var consumer = try ring().makeConsumer()
        try log("first")
        var second = try ring().makeProducer()
        try second.send("second")
        #expect(consumer.drain { _ in } == 2)
        let end = consumer.nextEnd()
        #expect(end?.lane == 0 && end?.isDeath == false && end?.holder == nil)
    }

    @Test("No more than 1,024 ends are kept for who does not ask; all are counted") func bounded() throws {
        var consumer = try ring().makeConsumer()
        for _ in 0..<1100 {
            try log("x")
            consumer.drain { _ in }
        }
        _ = consumer.nextIfAvailable() == nil
        var count = 0
        while consumer.nextEnd() != nil { count += 1 }
        #expect(count == 1024 && consumer.ends.closed == 1100)
    }
}

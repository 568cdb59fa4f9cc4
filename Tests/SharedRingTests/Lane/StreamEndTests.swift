import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("The end of a stream comes once, after its last message", .oneByOne)
struct StreamEndTests {
    let ring = try! SPSCRing.anonymous(options: RingOptions(capacity: 4096))

    private func producer() throws(RingError) -> Producer {
        try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
    }
    private func consumer(_ acknowledgement: Acknowledgement = .automatic) throws(RingError) -> Consumer {
        try ring.makeConsumer(acknowledgement: acknowledgement, options: EndpointOptions(checkInterval: .milliseconds(10)))
    }

    @Test("Several producers in a row: each stream whole, each with its end") func inARow() throws {
        for number in 0..<5 {
            var producer = try producer()
            for i in 0...number { try producer.send("\(number).\(i)") }
            try producer.close()
        }
        var consumer = try consumer()
        for number in 0..<5 {
            for i in 0...number { #expect(try consumer.pollText() == "\(number).\(i)") }
            #expect(try consumer.pollText() == "(ended)")
        }
        #expect(try consumer.pollText() == "(empty)")
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(30)) }
    }

    @Test("next gives nil once, and then waits for the next producer") func once() throws {
        var consumer = try consumer()
        var first = try producer()
        try first.send("a")
        try first.close()
        #expect(try consumer.receive(timeout: patience) != nil)
        #expect(try consumer.receive(timeout: patience) == nil)
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.receive(timeout: .milliseconds(30)) }
        var second = try producer()
        try second.send("b")
        #expect(try consumer.receive(timeout: patience) == Array("b".utf8))
    }

    @Test("Closing a full ring does not wait, and neither does the next producer's") func fullRing() throws {
        var first = try producer()
        while try first.trySend(value: UInt64(1)) {}
        try first.close()
        for _ in 0..<5 {
            var next = try producer()
            #expect(try !next.trySend(value: UInt64(2)))
            try next.close()
        }
        var consumer = try consumer()
        #expect(consumer.drain { _ in } == 255)
        #expect(try consumer.pollText() == "(ended)")
        // The five that followed sent nothing and found the mark unread: the epoch says so, once for all.
        #expect(try consumer.pollText() == "(ended)")
        #expect(try consumer.pollText() == "(empty)")
    }

    @Test("Closing again with nothing sent leaves out the mark; an attached consumer still learns of it, and does not hang")
    func leftOut() throws {
        var consumer = try consumer()
        try producer().close()
        #expect(try consumer.receive(timeout: patience) == nil)
        for _ in 0..<3 {
            let next = try producer()
            try next.close()
            #expect(try consumer.receive(timeout: patience) == nil)
        }
        // The unread mark stands for both.
        try producer().close()
        try producer().close()
        #expect(try consumer.receive(timeout: patience) == nil)
        expectError(.timedOut) { () throws(RingError) in while try consumer.receive(timeout: .milliseconds(30)) == nil {} }
    }

    @Test("A close whose mark was left out because the one before was unread, but is read in between") func readInBetween() throws {
        var consumer = try consumer()
        try producer().close()
        let second = try producer()  // sees the mark unread
        #expect(try consumer.pollText() == "(ended)")
        try second.close()  // and leaves its own out
        #expect(try consumer.receive(timeout: patience) == nil)
    }

    @Test("A producer that reopens a closed, unread ring goes on behind the mark") func reopen() throws {
        var first = try producer()
        try first.send("a")
        try first.close()
        var second = try producer()
        try second.send("b")
        var consumer = try consumer()
        #expect(try consumer.pollText() == "a")
        #expect(try consumer.pollText() == "(ended)")
        #expect(try consumer.pollText() == "b")
        #expect(try consumer.pollText() == "(empty)")
        try second.close()
        #expect(try consumer.pollText() == "(ended)")
    }

    @Test("A producer that is dropped, not closed, has died: reported once, by name") func dropped() throws {
        var consumer = try consumer()
        do {
            var producer = try producer()
            try producer.send("a")
        }
        #expect(try consumer.receive(timeout: patience) == Array("a".utf8))
        expectError(.peerDied, saying: "process \(getpid())") { () throws(RingError) in _ = try consumer.receive(timeout: patience) }
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.receive(timeout: .milliseconds(40)) }
        // The successor marks the death, which was reported.
        var successor = try producer()
        try successor.send("b")
        #expect(try consumer.pollText() == "b")
        try successor.close()
        #expect(try consumer.pollText() == "(ended)")
    }

    @Test("A death that no consumer saw stands as an end record between the two streams") func mark() throws {
        do {
            var producer = try producer()
            try producer.send("a")
        }
        var second = try producer()
        try second.send("b")
        try second.close()
        var consumer = try consumer()
        #expect(try consumer.pollText() == "a")
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.poll() }
        #expect(try consumer.pollText() == "b")
        #expect(try consumer.pollText() == "(ended)")
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.receive(timeout: .milliseconds(30)) }
    }

    @Test("Deaths in a row without messages: reported at least once, never a hang, and the living stream arrives") func deathsInARow()
        throws
    {
        for _ in 0..<5 { _ = try producer() }
        var last = try producer()
        try last.send("alive")
        var consumer = try consumer()
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.poll() }
        #expect(try consumer.pollText() == "alive")
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.receive(timeout: .milliseconds(30)) }
    }

    @Test("A producer killed between its end record and its epoch has closed: no death is reported, now or by its successor")
    func killedWhileClosing() throws {
        var consumer = try consumer()
        var first = try producer()
        try first.send("a")
        try first.close()
        sr_store_release_u32(sr_producer_epoch(consumer.reader.pointee.control), 1)  // as the kill would leave it
        #expect(try consumer.pollText() == "a")
        #expect(try consumer.pollText() == "(ended)")
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.receive(timeout: .milliseconds(30)) }
        var second = try producer()
        try second.send("b")
        #expect(try consumer.pollText() == "b")
    }

    @Test("What was not acknowledged is delivered again to the next consumer, ends and all") func redelivery() throws {
        var producer = try producer()
        for text in ["a", "b", "c"] { try producer.send(text) }
        try producer.close()
        do {
            var consumer = try consumer(.manual)
            #expect(try consumer.pollText() == "a")
            try consumer.acknowledge()
            #expect(try consumer.pollText() == "b")
            #expect(try consumer.pollText() == "c")
            #expect(try consumer.pollText() == "(ended)")
        }
        var second = try consumer(.manual)
        #expect(try second.pollText() == "b")
        #expect(try second.pollText() == "c")
        #expect(try second.pollText() == "(ended)")
        try second.acknowledge()
        try second.close()
        var third = try consumer()
        #expect(try third.pollText() == "(empty)")
    }

    @Test("A dropped automatic consumer loses and repeats nothing") func droppedConsumer() throws {
        var producer = try producer()
        for i in 0..<100 { try producer.send("\(i)") }
        for i in 0..<100 {
            var consumer = try consumer()
            #expect(try consumer.pollText() == "\(i)")
        }
    }
}

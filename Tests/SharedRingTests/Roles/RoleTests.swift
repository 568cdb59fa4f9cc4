import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A role has one holder, and its end is known: never came, closed, died", .oneByOne, .serialized)
struct RoleTests {
    let place = Place()

    private func ring() throws(RingError) -> SPSCRing { try .openOrCreate("r", options: place.options()) }

    @Test("A second producer or consumer is refused, naming the holder, in this process or another") func exclusive() throws {
        let ring = try ring()
        let producer = try ring.makeProducer()
        let consumer = try ring.makeConsumer()
        expectError(.roleTaken, saying: "producer is process \(getpid())") { () throws(RingError) in _ = try ring.makeProducer() }
        expectError(.roleTaken, saying: "consumer is process \(getpid())") { () throws(RingError) in _ = try ring.makeConsumer() }
        #expect(throws: Peer.Failure.self) { try Peer("producer", of: "r", in: place) }
        try producer.close()
        try consumer.close()
        let peer = try Peer("producer", of: "r", in: place)
        expectError(.roleTaken, saying: "process \(peer.pid) (TestPeer)") { () throws(RingError) in _ = try ring.makeProducer() }
        #expect(try peer.ask("send still there") == "sent")
    }

    @Test("isPeerAttached and waitForPeer follow the other side's coming and going") func waitForPeer() throws {
        let ring = try ring()
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .seconds(600)))
        var isAttached = producer.isPeerAttached
        #expect(!isAttached)
        expectError(.timedOut, saying: "consumer") { () throws(RingError) in try producer.waitForPeer(timeout: .milliseconds(20)) }
        let worker = Worker { [place] in
            usleep(20_000)
            return try Peer("consumer", of: "r", in: place)
        }
        try producer.waitForPeer(timeout: patience)
        isAttached = producer.isPeerAttached
        #expect(isAttached)
        let peer = try worker.join()
        #expect(try peer.ask("close") == "closed")
        #expect(try peer.wait() == 0)
        isAttached = producer.isPeerAttached
        #expect(!isAttached)

        var consumer = try ring.makeConsumer()
        try consumer.waitForPeer(timeout: .zero)
        try producer.close()
        expectError(.timedOut, saying: "producer") { () throws(RingError) in try consumer.waitForPeer(timeout: .zero) }
    }

    @Test("A producer that never came is no death, and no end") func neverCame() throws {
        var consumer = try ring().makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(60)) }
        var producer = try ring().makeProducer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        try producer.send("x")
        try consumer.close()
    }

    @Test("A consumer that never came lets the producer wait") func noConsumer() throws {
        var producer = try ring().makeProducer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        while try producer.trySend(value: UInt64(0)) {}
        expectError(.timedOut) { () throws(RingError) in try producer.send(value: UInt64(0), timeout: .milliseconds(60)) }
        expectError(.timedOut) { () throws(RingError) in try producer.waitUntilAcknowledged(timeout: .milliseconds(60)) }
    }

    @Test("kill -9 of a producer: what it sent arrives, then its death, once, by pid; its successor's stream is whole")
    func producerKilled() throws {
        var consumer = try ring().makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        for round in 0..<3 {
            let peer = try Peer("producer", of: "r", in: place)
            #expect(try peer.ask("send a\(round)") == "sent")
            #expect(try peer.ask("send b\(round)") == "sent")
            peer.kill()
            #expect(try consumer.receive(timeout: patience) == Array("a\(round)".utf8))
            #expect(try consumer.receive(timeout: patience) == Array("b\(round)".utf8))
            expectError(.peerDied, saying: "process \(peer.pid)") { () throws(RingError) in _ = try consumer.receive(timeout: patience) }
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.receive(timeout: .milliseconds(30)) }
        }
        let last = try Peer("producer", of: "r", in: place)
        #expect(try last.ask("send c") == "sent")
        #expect(try last.ask("close") == "closed")
        #expect(try consumer.receive(timeout: patience) == Array("c".utf8))
        #expect(try consumer.receive(timeout: patience) == nil)
    }

    @Test("A producer killed with a claim or a batch under way leaves nothing of it", arguments: ["claim 100", "batch 20"])
    func killedUncommitted(command: String) throws {
        var consumer = try ring().makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let peer = try Peer("producer", of: "r", in: place)
        #expect(try peer.ask("send before") == "sent")
        let answer = try peer.ask(command)
        #expect(answer == "claimed" || answer == "appended 20")
        peer.kill()
        var successor = try ring().makeProducer()
        try successor.send("after")
        #expect(try consumer.receive(timeout: patience) == Array("before".utf8))
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.receive(timeout: patience) }
        #expect(try consumer.receive(timeout: patience) == Array("after".utf8))
    }

    @Test("Short timeouts, shorter than a check interval, hide neither a death nor a close without a mark") func shortTimeouts() throws {
        var consumer = try ring().makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(100)))
        let peer = try Peer("producer", of: "r", in: place)
        peer.kill()
        var codes: [RingError.Code] = []
        for _ in 0..<20 where codes.last != .peerDied {
            do throws(RingError) { _ = try consumer.next(timeout: .milliseconds(10)) } catch { codes.append(error.code) }
        }
        #expect(codes.last == .peerDied, "a death is reported within a check interval")
    }

    @Test("kill -9 of a consumer: the producer that waits for room gets that once; a successor gets everything unacknowledged")
    func consumerKilled() throws {
        var producer = try ring().makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let peer = try Peer("consumer", of: "r", in: place, "acknowledgement=manual")
        for i in 0..<10 { try producer.send("\(i)") }
        #expect(try peer.ask("next") == "message 0")
        #expect(try peer.ask("acknowledge") == "acknowledged")
        #expect(try peer.ask("next") == "message 1")
        #expect(try peer.ask("take") == "holding 2")
        peer.kill()
        expectError(.peerDied, saying: "process \(peer.pid)") { () throws(RingError) in
            try producer.waitUntilAcknowledged(timeout: patience)
        }
        expectError(.timedOut) { () throws(RingError) in try producer.waitUntilAcknowledged(timeout: .milliseconds(40)) }
        var consumer = try ring().makeConsumer()
        for i in 1..<10 { #expect(try consumer.pollText() == "\(i)") }
        #expect(try consumer.pollText() == "(empty)")
    }

    @Test("A consumer that closes is distinguished from one that dies") func consumerClosed() throws {
        var producer = try ring().makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        while try producer.trySend(value: UInt64(0)) {}
        try ring().makeConsumer().close()
        expectError(.peerClosed, saying: "closed") { () throws(RingError) in try producer.send(value: UInt64(0), timeout: patience) }
        expectError(.timedOut) { () throws(RingError) in try producer.send(value: UInt64(0), timeout: .milliseconds(40)) }
        do { _ = try ring().makeConsumer() }
        expectError(.peerDied) { () throws(RingError) in try producer.send(value: UInt64(0), timeout: patience) }
        expectError(.timedOut) { () throws(RingError) in try producer.send(value: UInt64(0), timeout: .milliseconds(40)) }
    }

    @Test("A stopped process is alive, and goes on when continued") func stopped() throws {
        let peer = try Peer("producer", of: "r", in: place)
        var consumer = try ring().makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        peer.stop()
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(100)) }
        let isAttached = consumer.isPeerAttached
        #expect(isAttached)
        expectError(.roleTaken, saying: "process \(peer.pid)") { () throws(RingError) in _ = try ring().makeProducer() }
        peer.resume()
        #expect(try peer.ask("send x") == "sent")
        #expect(try consumer.receive(timeout: patience) == Array("x".utf8))
    }

    @Test("A consumer stopped in its sleep wakes to what came meanwhile") func stoppedSleeper() throws {
        var producer = try ring().makeProducer()
        let peer = try Peer("consumer", of: "r", in: place, "waiting=sleep", "check-interval=600000")
        peer.tell("next")
        #expect(eventually { sr_load_acquire_u32(producer.writer.pointee.doorbell) == 1 })
        peer.stop()
        try producer.send("x")
        usleep(20_000)
        peer.resume()
        #expect(try peer.line() == "message x")
    }

    @Test("A dropped endpoint gives its role back even while a canceller of it is kept") func keptCanceller() throws {
        let canceller = try ring().makeProducer().canceller
        let second = try ring().makeProducer()
        canceller.cancel()
        try second.close()
    }
}

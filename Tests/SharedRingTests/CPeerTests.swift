import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// `Examples/CPeer`, which knows the wire format from the shim's headers and links nothing of this package.
@Suite("A C program speaks the wire format", .oneByOne, .serialized)
struct CPeerTests {
    private let place = Place()

    private func start(_ arguments: String...) throws -> Peer {
        let executable = (Peer.executable as NSString).deletingLastPathComponent + "/CPeer"
        return try Peer(arguments, executable: executable)
    }

    private func ring(_ barrier: RingOptions.Barrier, alignment: Int) throws -> SPSCRing {
        var options = place.options(capacity: 4096)
        options.barrier = barrier
        options.recordAlignment = alignment
        return try SPSCRing.create("r", options: options)
    }

    @Test(
        "What C sends, Swift receives, many laps of it, and its end; then again from the next",
        arguments: [RingOptions.Barrier.automatic, .symmetric])
    func fromC(barrier: RingOptions.Barrier) throws {
        var consumer = try ring(barrier, alignment: 8).makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        for _ in 0..<2 {
            let sender = try start("send", place.path("r"), "5000")
            for number in 0..<5000 {
                guard let message = try consumer.next(timeout: patience) else { throw Peer.Failure(description: "ended at \(number)") }
                let (text, tag) = (message.text, message.tag)
                #expect(text == "\(number)" && tag == UInt32(number))
            }
            let isOver = try consumer.next(timeout: patience) == nil
            #expect(isOver)
            #expect(try sender.wait() == 0)
        }
    }

    @Test("What Swift sends, C receives", arguments: [RingOptions.Barrier.automatic, .symmetric]) func toC(barrier: RingOptions.Barrier)
        throws
    {
        let ring = try ring(barrier, alignment: 64)
        let receiver = try start("receive", place.path("r"))
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let worker = Worker {
            for number in 0..<3000 { guard try receiver.line() == "\(number) message \(number)" else { return false } }
            return try receiver.line() == "ended"
        }
        for number in 0..<3000 { try producer.send("message \(number)", tag: UInt32(number)) }
        try producer.waitUntilAcknowledged(timeout: patience)
        try producer.close()
        #expect(try worker.join())
        #expect(try receiver.wait() == 0)
    }

    @Test("A C sender that is killed is reported as dead, and its successor in Swift goes on behind its messages") func killed() throws {
        let ring = try ring(.automatic, alignment: 8)
        let sender = try start("send", place.path("r"), "1000000")
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        for number in 0..<100 { #expect(try consumer.next(timeout: patience)?.text == "\(number)") }
        sender.kill()
        var producer = try ring.makeProducer()
        var next = 100
        var isDead = false
        while !isDead {
            do throws(RingError) {
                let text = try consumer.next(timeout: patience)?.text
                #expect(text == "\(next)")
                next += 1
            } catch {
                #expect(error.code == .peerDied)
                isDead = true
            }
        }
        try producer.send("mine")
        #expect(try consumer.next(timeout: patience)?.text == "mine")
        try producer.close()
    }

    /// Such a bit stands for duties that a client has to know: of a file-backed ring, to clear the mark that says it was flushed.
    @Test("It refuses a ring with a required feature that it does not know") func features() throws {
        var options = place.options(capacity: 4096)
        options.isDurable = true
        let ring = try SPSCRing.create("r", options: options)
        try ring.makeProducer().close()
        try ring.flush()
        let before = try Data(contentsOf: URL(fileURLWithPath: place.path("r")))
        #expect(try start("receive", place.path("r")).wait() >> 8 == 1)
        #expect(try Data(contentsOf: URL(fileURLWithPath: place.path("r"))) == before)
    }

    @Test("It takes no role that another process has") func taken() throws {
        let ring = try ring(.automatic, alignment: 8)
        let producer = try ring.makeProducer()
        #expect(try start("send", place.path("r"), "1").wait() >> 8 == 1)
        try producer.close()
    }
}

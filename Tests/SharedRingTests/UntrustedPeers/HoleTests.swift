import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Holes that an untrusted peer punches read as nothing, and end in a typed error or in nothing at all", .oneByOne)
struct HoleTests {
    let place = Place()

    private func punch(_ name: String, at start: Int, _ count: Int = 4096) throws {
        let file = open(place.path(name), O_RDWR)
        defer { close(file) }
        try #require(ts_punch_hole(file, Int64(start), Int64(count)) == 0)
    }

    @Test("Before it is opened: the ring is refused, whichever page is missing") func before() throws {
        for page in 0..<4 {
            let ring = try SPSCRing.create("r", options: place.options(capacity: 8192))
            try punch("r", at: page * 4096)
            let code: RingError.Code = page == 0 ? .notARing : .damaged
            let fact = page == 0 ? "0x0" : "holes"
            expectError(code, saying: fact) { () throws(RingError) in _ = try SPSCRing.open("r", options: place.options()) }
            expectError(code, saying: fact) { () throws(RingError) in _ = try ring.makeConsumer() }
            unlink(place.path("r"))
        }
    }

    @Test("In the data of a ring in use: nothing is there any more, and a successor goes on") func data() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        for i in 0..<10 { try producer.send("\(i)") }
        #expect(try consumer.pollText() == "0")
        try punch("r", at: 8192)

        #expect(try consumer.pollText() == "(empty)")
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(30)) }
        // The producer knows nothing of it. Its messages lie behind the gap, until it meets the consumer's head and waits.
        while try producer.trySend("more".utf8.map { $0 }) {}
        expectError(.timedOut) { () throws(RingError) in try producer.send("more", timeout: .milliseconds(30)) }
        #expect(try consumer.pollText() == "(empty)")
        try producer.close()
        #expect(try consumer.pollText() == "(ended)", "by the epoch, for the mark lies behind the gap")

        var successor = try SPSCRing.open("r", options: place.options()).makeProducer()
        try successor.send("from the successor")
        #expect(try consumer.pollText() == "from the successor")
    }

    /// Every page of a ring in use, with one lane and with several; what comes of it is an error or nothing, and never a crash.
    @Test("In any page, at any time: no crash, no error without a type", arguments: 0..<4)
    func anyPage(page: Int) throws {
        let allowed: Set<RingError.Code> = [.timedOut, .poisoned, .peerDied, .peerClosed]
        for order in [MPSCRing.Order.perProducer, .total] {
            for round in 0..<40 {
                let ring = try MPSCRing.create("r", lanes: 2, order: order, options: place.options())
                var first = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(1)))
                var second = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(1)))
                var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(1)))
                let file = open(place.path("r"), O_RDWR)
                defer { close(file) }
                for step in 0..<80 {
                    if step % 40 == round { _ = ts_punch_hole(file, Int64(page * 4096), 4096) }
                    let failure = failure { () throws(RingError) in
                        try first.send("one \(step)", timeout: .zero)
                        try second.send("two \(step)", timeout: .zero)
                        if step & 3 == 0 { _ = try consumer.next(timeout: .zero)?.byteCount }
                        if step & 7 == 0 { consumer.drain { _ in } }
                    }
                    if let failure { #expect(allowed.contains(failure.code), "\(failure)") }
                }
                unlink(place.path("r"))
            }
        }
    }

    @Test("In an anonymous ring, which seals do not prevent") func anonymous() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        let descriptor = try ring.duplicateDescriptor()
        defer { close(descriptor) }
        try producer.send("x")
        #expect(ts_punch_hole(descriptor, 8192, 4096) == 0)
        #expect(try consumer.pollText() == "(empty)")
    }

    /// Not a promise but its limit. If this fails, the threat model says too little.
    @Test(
        "On a full file system a hole is SIGBUS for a process that touches it", .enabled(if: geteuid() == 0, "mounting needs root"),
        .enabled(if: !SteadyStateTests.isSanitized, "a sanitizer catches SIGBUS itself"))
    func full() throws {
        guard let mountPoint = place.mountSmall(byteCount: 65536) else { return }
        defer { umount2(mountPoint, Int32(MNT_DETACH)) }
        let peer = try Peer(["producer", "r", "directory=\(mountPoint)"], environment: ["SWIFT_BACKTRACE=enable=no"])
        #expect(try peer.line() == "attached")
        try punch("small/r", at: 8192)
        let filler = open(mountPoint + "/filler", O_CREAT | O_RDWR, 0o600)
        let page = [UInt8](repeating: 1, count: 4096)
        while write(filler, page, page.count) > 0 {}
        close(filler)
        peer.tell("send x")
        #expect(try peer.wait() & 0x7f == SIGBUS)
    }
}

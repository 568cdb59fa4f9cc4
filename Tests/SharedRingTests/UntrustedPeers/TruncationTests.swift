import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Memory that an untrusted peer cuts off: impossible where it is sealed, refused where it can be seen, SIGBUS otherwise", .oneByOne)
struct TruncationTests {
    let place = Place()

    @Test("An anonymous ring can't be truncated through any descriptor, also one that was opened again") func sealed() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        let own = try ring.duplicateDescriptor()
        let reader = ts_reopen(own, 0)
        // A descriptor for reading is no protection: the memory's mode counts.
        let writer = ts_reopen(reader, 1)
        defer { for descriptor in [own, reader, writer] { close(descriptor) } }
        try #require(reader >= 0 && writer >= 0)
        for descriptor in [own, writer] {
            for size in [0, 1, 4096, 12 * 4096] {
                #expect(ftruncate(descriptor, size) == -1)
                #expect(errno == EPERM)
            }
        }
        #expect(ftruncate(reader, 0) == -1)
        #expect(truncate("/proc/self/fd/\(own)", 0) == -1)
        #expect(errno == EPERM)
        #expect(open("/proc/self/fd/\(own)", O_RDWR | O_TRUNC) == -1)
        #expect(errno == EPERM)
        try producer.send("still there")
        #expect(try consumer.pollText() == "still there")
    }

    @Test("A named ring truncated to any page before it is opened is refused, by opening and by attaching") func before() throws {
        // A header, a page of control blocks, and the data.
        for size in [0, 1, 7, 8, 511, 512, 4096, 8192, 12_288, 16_383] {
            let ring = try SPSCRing.create("r", options: place.options(capacity: 8192))
            #expect(truncate(place.path("r"), size) == 0)
            // What still begins with a ring's magic number was one.
            let code: RingError.Code = size < 8 ? .notARing : .damaged
            expectError(code) { () throws(RingError) in _ = try SPSCRing.open("r", options: place.options()) }
            expectError(code) { () throws(RingError) in _ = try ring.makeProducer() }
            expectError(code) { () throws(RingError) in _ = try ring.makeConsumer() }
            unlink(place.path("r"))
        }
    }

    /// Not a promise but its limit. If this fails, the threat model says too little.
    @Test(
        "A named ring truncated under its users is SIGBUS for a process that touches it",
        .enabled(if: !SteadyStateTests.isSanitized, "a sanitizer catches SIGBUS itself"))
    func attached() throws {
        let peer = try Peer(["producer", "r", "directory=\(place.path)"], environment: ["SWIFT_BACKTRACE=enable=no"])
        #expect(try peer.line() == "attached")
        #expect(truncate(place.path("r"), 0) == 0)
        peer.tell("send x")
        #expect(try peer.wait() & 0x7f == SIGBUS)
    }
}

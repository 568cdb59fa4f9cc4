import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// What the process in question does, and finds, stands in TestPeer's `Confined`.
@Suite("A process at its limits gets an error that names the limit, and nothing is left over", .oneByOne)
struct LimitTests {
    let place = Place()

    private func confine(_ name: String) throws {
        let peer = try Peer(["confined", name, place.path])
        let answer = try peer.line()
        #expect(answer == "passed")
        #expect(try peer.wait() == 0)
    }

    @Test("Descriptors: EMFILE at whichever step; none is leaked, and no role is kept") func descriptors() throws {
        try confine("descriptors-anonymous")
        #expect(place.names == [])
        try confine("descriptors")
        #expect(place.names == ["r"])
    }

    /// Beyond this limit the kernel sends SIGXFSZ, whose default is death.
    @Test("File size: EFBIG and not SIGXFSZ; attaching to a larger ring works") func fileSize() throws {
        let other = try SPSCRing.create("there", options: place.options(capacity: 1 << 20))
        try confine("file-size")
        #expect(place.names == ["there"])
        var consumer = try other.makeConsumer()
        #expect(try consumer.receive(timeout: patience)?.count == 500_000)
    }

    @Test("Address space: ENOMEM, the role is free again, and with more of it all is well") func addressSpace() throws {
        _ = try SPSCRing.create("r", options: place.options(capacity: 256 << 20))
        try confine("address-space")
        let report = try RingReport("r", options: place.options())
        #expect(report.consumer.presence == .closed && report.consumer.attachments == 1, "a failed attempt is no attachment")
    }

    /// What is in a lane that can't be mapped can't be received; the end must not seem whole, and must come.
    @Test("A merging consumer without room for one more lane says so, receives the others, and does not end in order")
    func brokenLane() throws { try confine("broken-lane") }

    @Test("Where there is no memfd, an anonymous ring is a system error") func memfd() throws { try confine("memfd") }

    @Test("A name that can't be taken away: the system's error; no role is kept, and the ring goes on") func unlink() throws {
        try confine("unlink")
        #expect(place.names == ["r"])
    }

    /// A worker that is forked at that moment would keep the directory open, and what reads standard input would read a directory.
    @Test("Listing a directory and examining rings: no descriptor below 3, and none for a forked child") func lookingAround() throws {
        try confine("looking-around")
    }
}

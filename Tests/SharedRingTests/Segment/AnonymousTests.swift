import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("An anonymous ring is sealed, and goes from process to process as a descriptor", .oneByOne)
struct AnonymousTests {
    @Test("No process can truncate or extend it, or take the seals away") func seals() throws {
        let descriptor = try SPSCRing.anonymous().duplicateDescriptor()
        defer { close(descriptor) }
        for size in [0, 4096, 1 << 30] {
            #expect(ftruncate(descriptor, size) == -1)
            #expect(errno == EPERM)
        }
        #expect(sr_is_sealed(descriptor) == 1)
        #expect(sr_seal(descriptor) == -EPERM)
    }

    @Test("A descriptor without both seals is refused") func unsealed() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let own = try ring.duplicateDescriptor()
        defer { close(own) }
        var bytes = [UInt8](repeating: 0, count: 3 * 4096)
        #expect(pread(own, &bytes, bytes.count, 0) == bytes.count)

        let copy = sr_memfd("unsealed")
        defer { _ = sr_close(copy) }
        #expect(write(copy, bytes, bytes.count) == bytes.count)
        expectError(.notSealed, saying: "descriptor \(copy)", "truncated") { () throws(RingError) in _ = try SPSCRing.open(descriptor: copy)
        }

        // A plain file of a tmpfs has the seal F_SEAL_SEAL, which is not enough.
        let place = Place()
        _ = try SPSCRing.create("a", options: place.options())
        let named = open(place.path("a"), O_RDWR)
        defer { close(named) }
        expectError(.notSealed) { () throws(RingError) in _ = try SPSCRing.open(descriptor: named) }
    }

    @Test("What is no descriptor of a ring is refused with a reason") func otherDescriptors() throws {
        expectError(.system, saying: "descriptor -1", "Bad file descriptor") { () throws(RingError) in _ = try SPSCRing.open(descriptor: -1)
        }
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        defer { ends.forEach { close($0) } }
        expectError(.notARing, saying: "a FIFO") { () throws(RingError) in _ = try SPSCRing.open(descriptor: ends[0]) }
        let other = sr_memfd("other")
        defer { _ = sr_close(other) }
        sr_allocate(other, 4096)
        sr_seal(other)
        expectError(.notARing, saying: "starts with 0x0") { () throws(RingError) in _ = try SPSCRing.open(descriptor: other) }
    }

    @Test("A descriptor that forbids writing is refused by the number that its user gave, and so are later errors") func numbers() throws {
        let copy = sr_memfd("sealed")
        defer { close(copy) }
        do {
            let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
            let own = try ring.duplicateDescriptor()
            defer { close(own) }
            var bytes = [UInt8](repeating: 0, count: 3 * 4096)
            #expect(pread(own, &bytes, bytes.count, 0) == bytes.count && write(copy, bytes, bytes.count) == bytes.count)
        }
        sr_allocate(copy, 3 * 4096)
        #expect(fcntl(copy, 1033 /* F_ADD_SEALS */, 0xe /* SHRINK, GROW, WRITE */) == 0)
        expectError(.system, saying: "'descriptor \(copy)'") { () throws(RingError) in
            try SPSCRing.open(descriptor: copy).makeProducer().close()
        }
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let number = try ring.duplicateDescriptor()
        defer { close(number) }
        let again = try SPSCRing.open(descriptor: number)
        let producer = try again.makeProducer()
        expectError(.roleTaken, saying: "'descriptor \(number)'") { () throws(RingError) in try again.makeProducer().close() }
        try producer.close()
    }

    @Test("The descriptor may be closed once the ring is open, and the ring outlives its handle") func ownership() throws {
        var ring: SPSCRing? = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let descriptor = try ring!.duplicateDescriptor()
        var producer = try ring!.makeProducer()
        ring = nil
        let again = try SPSCRing.open(descriptor: descriptor)
        close(descriptor)
        var consumer = try again.makeConsumer()
        try producer.send("x")
        #expect(try consumer.pollText() == "x")
    }

    @Test("Roles exclude each other through every descriptor of the ring") func roles() throws {
        let ring = try SPSCRing.anonymous()
        let descriptor = try ring.duplicateDescriptor()
        defer { close(descriptor) }
        let first = try ring.makeProducer()
        expectError(.roleTaken, saying: "process \(getpid())") { () throws(RingError) in
            _ = try SPSCRing.open(descriptor: descriptor).makeProducer()
        }
        try first.close()
        _ = try SPSCRing.open(descriptor: descriptor).makeProducer()
    }

    @Test("A child process gets the ring by an inherited descriptor; its death is seen") func inherited() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let descriptor = try ring.duplicateDescriptor(inheritable: true)
        let peer = try Peer(["producer", "-", "fd=\(descriptor)"])
        close(descriptor)
        #expect(try peer.line() == "attached")
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let isAttached = consumer.isPeerAttached
        #expect(isAttached)
        #expect(try peer.ask("send from the child") == "sent")
        #expect(try consumer.receive(timeout: patience) == Array("from the child".utf8))
        peer.kill()
        let isStillAttached = consumer.isPeerAttached
        #expect(!isStillAttached)
        expectError(.peerDied, saying: "process \(peer.pid)") { () throws(RingError) in _ = try consumer.receive(timeout: patience) }
    }

    @Test("A descriptor that was not asked to be inheritable does not survive exec") func notInheritable() throws {
        let ring = try SPSCRing.anonymous()
        let descriptor = try ring.duplicateDescriptor()
        defer { close(descriptor) }
        let peer = try Peer(["producer", "-", "fd=\(descriptor)"])
        #expect(try peer.line().hasPrefix("error system"))
    }

    @Test("A named ring is not handed over as a descriptor") func named() throws {
        let place = Place()
        let ring = try SPSCRing.create("a", options: place.options())
        expectError(.invalidOption) { () throws(RingError) in _ = try ring.duplicateDescriptor() }
    }

    @Test("Permissions with execute bits are no obstacle to an anonymous ring") func executable() throws {
        var options = RingOptions(capacity: 4096)
        options.permissions = 0o700
        _ = try SPSCRing.anonymous(options: options)
    }
}

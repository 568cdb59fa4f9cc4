import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Memory that can only be read takes no endpoint, and says so", .oneByOne)
struct ReadOnlyTests {
    let place = Place()

    @Test("On a file system that is mounted for reading only; a report can be had", .enabled(if: geteuid() == 0, "mounting needs root"))
    func mounted() throws {
        guard let mountPoint = place.mountSmall(byteCount: 65536) else { return }
        defer { umount2(mountPoint, Int32(MNT_DETACH)) }
        var options = RingOptions(capacity: 4096)
        options.directory = mountPoint
        let ring = try SPSCRing.create("r", options: options)
        try #require(mount("none", mountPoint, "tmpfs", UInt(MS_REMOUNT) | UInt(MS_RDONLY), "size=65536") == 0)

        expectError(.system, saying: "Read-only file system") { () throws(RingError) in _ = try SPSCRing.open("r", options: options) }
        expectError(.system, saying: "Read-only file system") { () throws(RingError) in _ = try ring.makeConsumer() }
        expectError(.system, saying: "Read-only file system") { () throws(RingError) in try SPSCRing.remove("r", options: options) }
        #expect(try RingReport("r", options: options).kind == .spsc)
    }

    @Test("A descriptor whose memory is sealed against writing", arguments: [0x8, 0x10] as [Int32]) func sealed(seal: Int32) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let own = try ring.duplicateDescriptor()
        defer { close(own) }
        var bytes = [UInt8](repeating: 0, count: 3 * 4096)
        #expect(pread(own, &bytes, bytes.count, 0) == bytes.count)
        let copy = sr_memfd("sealed")
        defer { _ = sr_close(copy) }
        #expect(write(copy, bytes, bytes.count) == bytes.count)
        // F_ADD_SEALS; the two that a ring's memory must have, and F_SEAL_WRITE or F_SEAL_FUTURE_WRITE.
        #expect(fcntl(copy, 1033, 0x2 | 0x4 | seal) == 0)
        let opened = try SPSCRing.open(descriptor: copy)
        for _ in 0..<2 {  // no role is kept
            expectError(.system, saying: "descriptor \(copy)", "mapped", "Operation not permitted") { () throws(RingError) in
                _ = try opened.makeProducer()
            }
            expectError(.system, saying: "descriptor \(copy)", "mapped", "Operation not permitted") { () throws(RingError) in
                _ = try opened.makeConsumer()
            }
        }
    }
}

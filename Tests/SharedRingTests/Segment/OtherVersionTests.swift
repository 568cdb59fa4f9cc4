import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Two layout versions side by side: a ring of another one is named, left whole, and removed only when nobody uses it", .oneByOne)
struct OtherVersionTests {
    let place = Place()
    private var options: RingOptions { place.options() }

    /// A ring that a program of layout 1 made.
    private func putVersion1(_ golden: String = "spsc-closed", as name: String = "old") throws {
        let image = try Row.golden(ConformanceTests.folder + "/version-1/\(golden).hex")
        try Data(image).write(to: URL(fileURLWithPath: place.path(name)))
    }

    private func bytes(_ name: String = "old") -> Data? { FileManager.default.contents(atPath: place.path(name)) }

    private func change(_ name: String, _ change: (inout sr_header) -> Void) {
        let file = Glibc.open(place.path(name), O_RDWR)
        defer { close(file) }
        var header = sr_header()
        pread(file, &header, MemoryLayout<sr_header>.size, 0)
        change(&header)
        pwrite(file, &header, MemoryLayout<sr_header>.size, 0)
    }

    private func requireRefusal(_ body: () throws(RingError) -> Void) {
        expectError(.incompatible, saying: "'old'", "version 1.0", "speaks 2.0", "'sharedring remove'") { () throws(RingError) in try body()
        }
    }

    @Test("Opening one says the ring, both versions and the remedy, whichever way it is opened, and changes nothing") func refused() throws
    {
        try putVersion1()
        let before = bytes()
        requireRefusal { () throws(RingError) in _ = try SPSCRing.open("old", options: options) }
        requireRefusal { () throws(RingError) in _ = try MPSCRing.open("old", options: options) }
        requireRefusal { () throws(RingError) in _ = try SPSCRing.openOrCreate("old", options: options) }
        requireRefusal { () throws(RingError) in _ = try RingReport("old", options: options) }
        requireRefusal { () throws(RingError) in _ = try RingCheck("old", options: options) }
        #expect(bytes() == before)
    }

    @Test("It is listed apart from damaged ones, and described") func described() throws {
        try putVersion1()
        try putVersion1("mpsc-in-use", as: "older")
        _ = try SPSCRing.create("new", options: options)
        #expect(try RingReport.names(options: options) == ["new"])
        #expect(try DamagedRing.all(options: options).isEmpty)
        let rings = try OtherVersionRing.all(options: options)
        #expect(rings.map(\.fileName) == [FileName("old"), FileName("older")])
        #expect(rings.map(\.kind) == ["spsc", "mpsc"])
        #expect(rings.map(\.byteCount) == [12288, 16384])
        for ring in rings {
            #expect(ring.version == "1.0" && ring.label == "golden" && ring.createdNanoseconds == 1_000_000_000)
            #expect(ring.isInUse == false && ring.isRemovable)
        }
        #expect(try OtherVersionRing(named: FileName("old"), options: options).description == "a ring of layout 1.0 (spsc)")
        for name in ["new", "none"] {
            expectError(.notFound, saying: "'\(name)'") { () throws(RingError) in
                _ = try OtherVersionRing(named: FileName(name), options: options)
            }
        }
    }

    @Test("It is removed when nobody uses it") func removed() throws {
        try putVersion1()
        try SPSCRing.remove("old", options: options)
        try putVersion1("mpsc-in-use")  // as processes left it that were killed
        try MPSCRing.remove("old", options: options)
        #expect(place.names == [])
    }

    @Test("It stays while one of its own lock bytes is held", arguments: [1 << 62, 1 << 62 + 1, 1 << 62 + 1024] as [Int64])
    func inUse(byte: Int64) throws {
        try putVersion1()
        let file = Glibc.open(place.path("old"), O_RDWR)
        #expect(sr_lock(file, byte, 1) == 0)
        #expect(try OtherVersionRing(named: FileName("old"), options: options).isInUse == true)
        expectError(.inUse, saying: "'old'", "layout 1.0") { () throws(RingError) in try SPSCRing.remove("old", options: options) }
        expectError(.inUse) { () throws(RingError) in try MPSCRing.remove("old", options: options) }
        #expect(place.names == ["old"])
        close(file)
        try SPSCRing.remove("old", options: options)
        #expect(place.names == [])
    }

    @Test("A damaged header of layout 1 is one of layout 1, without what it says of itself") func damaged() throws {
        try putVersion1()
        change("old") { $0.label.0 ^= 1 }
        let ring = try OtherVersionRing(named: FileName("old"), options: options)
        #expect(ring.version == "1.0" && ring.label == nil && ring.createdNanoseconds == nil)
        try SPSCRing.remove("old", options: options)
        #expect(place.names == [])
    }

    @Test("A version that is in no table is named, and never removed: where its locks stand is unknown") func newer() throws {
        _ = try SPSCRing.create("next", options: options)
        change("next") { header in
            header.major = 9
            header.minor = 4
            header.kind = 77
        }
        let ring = try OtherVersionRing(named: FileName("next"), options: options)
        #expect(ring.version == "9.4" && ring.kind == "kind 77" && ring.label == nil && ring.isInUse == nil && !ring.isRemovable)
        #expect(try OtherVersionRing.all(options: options).count == 1)
        expectError(.incompatible, saying: "version 9.4", "2.0") { () throws(RingError) in
            try SPSCRing.remove("next", options: options)
        }
        expectError(.incompatible) { () throws(RingError) in try MPSCRing.remove("next", options: options) }
        #expect(place.names == ["next"])
    }

    @Test("A ring of the next minor version, with a longer header and an optional feature, is opened and used") func nextMinor() throws {
        let ring = try MPSCRing.create("r", lanes: 2, order: .total, options: options)
        change("r") { header in
            header.minor = UInt16(SR_LAYOUT_MINOR) + 1
            header.header_length = 1024
            header.optional_features = 1 << 40
            header.other_shapes.0 = 7  // a kind of later that this one does not use
            header.checksum = SegmentHeader.checksum(of: header)
        }
        let file = Glibc.open(place.path("r"), O_RDWR)
        defer { close(file) }
        let addition = [UInt8](repeating: 0xa5, count: 512)
        #expect(pwrite(file, addition, 512, 512) == 512)

        #expect(try RingReport("r", options: options).layoutVersion == "2.1")
        var producer = try MPSCRing.open("r", options: options).makeProducer()
        var consumer = try ring.makeConsumer()
        for number in 0..<1000 {
            try producer.send("message \(number)")
            let bytes = try consumer.receive()
            #expect(bytes == Array("message \(number)".utf8))
        }
        #expect(try RingCheck("r", options: options).damage.isEmpty)
        var after = [UInt8](repeating: 0, count: 512)
        #expect(pread(file, &after, 512, 512) == 512 && after == addition, "what it does not know it leaves alone")
    }

    @Test("A kind that this version does not know is refused as incompatible, not as damage") func laterKind() throws {
        _ = try SPSCRing.create("r", options: options)
        change("r") { header in
            header.kind = 77
            header.checksum = SegmentHeader.checksum(of: header)
        }
        expectError(.incompatible, saying: "kind is 77") { () throws(RingError) in _ = try SPSCRing.open("r", options: options) }
        #expect(try DamagedRing.all(options: options).isEmpty)
    }
}

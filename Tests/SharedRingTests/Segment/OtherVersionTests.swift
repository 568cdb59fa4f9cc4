import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Two layout versions side by side: a ring of another one is named, left whole, and removed only when no process uses it", .oneByOne)
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

    @Test("It is removed when no process uses it") func removed() throws {
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
            header.later_shapes.0 = 7  // a kind of later that this one does not use
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

    /// A ring of this layout version that needs more than this program knows.
    private func putLater(_ name: String, _ change: (inout sr_header) -> Void) throws {
        _ = try MPSCRing.create(name, lanes: 2, options: options)
        self.change(name) { header in
            header.minor = 1
            change(&header)
            header.checksum = SegmentHeader.checksum(of: header)
        }
    }

    @Test("A ring of this version with an unknown kind or feature is named with what is unknown, whichever way it is opened") func later()
        throws
    {
        try putLater("kind") { $0.kind = 77 }
        try putLater("feature") { $0.required_features |= 0x500 }
        try putLater("both") { header in
            header.kind = 9
            header.required_features = 1 << 63
        }
        let facts = [
            ("kind", ["kind is 77"]), ("feature", ["features 0x500"]), ("both", ["kind is 9", "features 0x8000000000000000"]),
        ]
        for (name, unknown) in facts {
            let before = bytes(name)
            func requireRefusal(_ body: () throws(RingError) -> Void) {
                expectError(.incompatible, saying: "'\(name)'", "version 2.1", "speaks 2.0", "'sharedring remove'") {
                    () throws(RingError) in try body()
                }
                for fact in unknown { expectError(.incompatible, saying: fact) { () throws(RingError) in try body() } }
            }
            requireRefusal { () throws(RingError) in _ = try SPSCRing.open(name, options: options) }
            requireRefusal { () throws(RingError) in _ = try MPSCRing.open(name, options: options) }
            requireRefusal { () throws(RingError) in _ = try MPSCRing.openOrCreate(name, lanes: 2, options: options) }
            requireRefusal { () throws(RingError) in _ = try RingReport(name, options: options) }
            #expect(bytes(name) == before)
        }
    }

    @Test("It is listed, apart from sound and from damaged ones, and described") func laterIsListed() throws {
        try putLater("feature") { $0.required_features |= 8 }
        try putLater("kind") { $0.kind = 77 }
        #expect(try RingReport.names(options: options) == [])
        #expect(try DamagedRing.all(options: options).isEmpty)
        let rings = try OtherVersionRing.all(options: options)
        #expect(rings.map(\.fileName) == [FileName("feature"), FileName("kind")])
        #expect(rings.map(\.kind) == ["mpsc", "kind 77"])
        for ring in rings {
            #expect(ring.version == "2.1" && ring.isOfThisMajorVersion && ring.error.code == .incompatible && ring.label == "")
            #expect(ring.createdNanoseconds != nil && ring.isInUse == false && ring.isRemovable)
        }
        #expect(rings[0].error.detail.contains("0x8,") && rings[1].error.detail.contains("kind is 77"))
    }

    @Test(
        "It stays while one of its lock bytes is held, whatever role that is, and is removed then",
        arguments: [0, 1 << 20, 7 << 20 + 3] as [Int64])
    func laterInUse(byte: Int64) throws {
        try putLater("old") { $0.kind = 77 }
        let file = Glibc.open(place.path("old"), O_RDWR)
        #expect(sr_lock(file, sr_lock_first() + byte, 1) == 0)
        #expect(try OtherVersionRing(named: FileName("old"), options: options).isInUse == true)
        expectError(.inUse, saying: "'old'", "layout 2.1") { () throws(RingError) in try SPSCRing.remove("old", options: options) }
        #expect(place.names == ["old"])
        close(file)
        try SPSCRing.remove("old", options: options)
        #expect(place.names == [])
    }

    @Test("A ring whose header does not fit its checksum is damaged, whatever kind it says it is") func laterAndDamaged() throws {
        try putLater("r") { $0.kind = 77 }
        change("r") { $0.label.0 ^= 1 }
        #expect(try OtherVersionRing.all(options: options).isEmpty)
        #expect(try DamagedRing.all(options: options).count == 1)
    }

    @Test("A build of another layout hash is another version, too: listed, and removed when no process uses it") func otherHash() throws {
        try putLater("r") { $0.layout_hash ^= 1 }
        let rings = try OtherVersionRing.all(options: options)
        #expect(rings.count == 1 && rings[0].error.detail.contains("its layout 0x"))
        try MPSCRing.remove("r", options: options)
        #expect(place.names == [])
    }

    @Test("Where the system does not say whether a lock byte is held, no ring counts as unused") func silentSystem() throws {
        try putVersion1()
        // A descriptor that leads to the file and through which no lock can be asked for.
        let path = Glibc.open(place.path("old"), 0o10_000_000 /* O_PATH */)
        let descriptor = Descriptor(path)
        var facts = sr_file_facts()
        #expect(sr_facts(path, &facts) == 0)
        var header = sr_header()
        let file = Glibc.open(place.path("old"), O_RDONLY)
        #expect(pread(file, &header, 512, 0) == 512)
        close(file)
        let found = OtherVersion(descriptor, facts, header, ring: "old")
        let version = try #require(found)
        #expect(version.layout != nil && version.isInUse == nil && version.isLocked == nil)
    }

    @Test("What a creator of layout 1, or of a later minor version, left when it died is removed as stale; while it lives, it stays")
    func temporaries() throws {
        try putVersion1()
        try putLater("later") { $0.kind = 77 }
        var temporaries: [String] = []
        for name in ["old", "later"] {
            let segmentName = try SegmentName(name, in: place.path)
            let found = try #require(
                try Segment.otherVersion(segmentName, in: segmentName.openDirectory(), owners: options.allowedOwners))
            let instance = try #require(found.details?.instance)
            let temporary = try #require(segmentName.temporary(for: instance).text)
            #expect(rename(place.path(name), place.path(temporary)) == 0)
            temporaries.append(temporary)
        }
        #expect(try OtherVersionRing.all(options: options).isEmpty)
        try putVersion1("spsc-closed", as: "whole")

        for name in temporaries {
            let creator = Glibc.open(place.path(name), O_RDWR)
            #expect(sr_lock(creator, sr_lock_first(), 0) == 0)
            for dryRun in [true, false] {
                guard case .kept(.inUse) = StaleRing.remove(name, dryRun: dryRun, options: options).outcome else {
                    Issue.record("\(name) was not kept")
                    continue
                }
            }
            close(creator)
            guard case .removedUnfinished = StaleRing.remove(name, dryRun: true, options: options).outcome else {
                Issue.record("\(name) was not found")
                continue
            }
        }
        #expect(Set(place.names) == Set(temporaries + ["whole"]))
        let results = try StaleRing.removeAll(options: options)
        #expect(results.count == 3)
        #expect(place.names == ["whole"], "a whole ring of layout 1 is never stale")
    }
}

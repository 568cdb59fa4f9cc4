import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Damaged rings are listed, and go when no process uses them", .oneByOne)
struct DamagedRingTests {
    let place = Place()

    private var listed: [String] {
        get throws { try DamagedRing.all(options: place.options()).map { "\($0.fileName)" } }
    }

    /// Every way to be damaged that opening knows.
    private func damage(_ name: String, _ how: String, isNew: Bool = true) throws {
        if isNew { _ = try SPSCRing.create(name, options: place.options()) }
        let path = place.path(name)
        switch how {
        case "checksum": Forgery(path: path).store(0x4141, at: 504)
        case "truncated": truncate(path, 8192)
        case "short": truncate(path, 100)
        case "extended": truncate(path, 1 << 20)
        case "holes":
            let header = try Data(contentsOf: URL(fileURLWithPath: path)).prefix(512)
            let size = try #require(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
            let file = open(path, O_WRONLY)
            ftruncate(file, 0)
            ftruncate(file, off_t(size))
            _ = header.withUnsafeBytes { pwrite(file, $0.baseAddress, 512, 0) }
            close(file)
        default: Issue.record("\(how)")
        }
    }

    private static let ways = ["checksum", "truncated", "short", "extended", "holes"]

    @Test("Whatever the damage is, the error says what to do, the list has it, and it goes", arguments: ways) func goes(how: String) throws
    {
        _ = try SPSCRing.create("sound", options: place.options())
        try damage("r", how)
        expectError(.damaged, saying: "ring 'r'", "sharedring remove --damaged", "DamagedRing.remove") { () throws(RingError) in
            _ = try SPSCRing.open("r", options: place.options())
        }
        #expect(try RingReport.names(options: place.options()) == ["sound"])
        let rings = try DamagedRing.all(options: place.options())
        #expect(rings.map(\.fileName) == [FileName("r")] && rings[0].error.code == .damaged && rings[0].byteCount > 0)
        try DamagedRing.remove("r", options: place.options())
        #expect(place.names == ["sound"])
        try SPSCRing.openOrCreate("r", options: place.options()).makeProducer().close()
    }

    @Test("While a process has a role of it, it stays", arguments: ways) func inUse(how: String) throws {
        for role in ["producer", "consumer"] {
            _ = try SPSCRing.create("r", options: place.options())
            let peer = try Peer(role, of: "r", in: place)
            peer.stop()  // what it has mapped may be gone
            try damage("r", how, isNew: false)
            #expect(try listed == ["r"])
            for dryRun in [true, false] {
                expectError(.inUse) { () throws(RingError) in try DamagedRing.remove("r", dryRun: dryRun, options: place.options()) }
            }
            #expect(place.names == ["r"])
            peer.kill()
            try DamagedRing.remove("r", dryRun: true, options: place.options())
            #expect(place.names == ["r"])
            try DamagedRing.remove("r", options: place.options())
            #expect(place.names == [])
        }
    }

    @Test("What is sound, being made, another's, or no ring is neither listed nor removed") func others() throws {
        _ = try SPSCRing.create("sound", options: place.options())
        try Data("not a ring".utf8).write(to: URL(fileURLWithPath: place.path("text")))
        try Data(repeating: 0, count: 20_000).write(to: URL(fileURLWithPath: place.path("zeros")))
        mkdir(place.path("directory"), 0o700)
        try damage("target", "checksum")
        symlink("target", place.path("link"))
        try damage("two", "checksum")
        link(place.path("two"), place.path("names"))
        // Another layout's is whole, for all that this program knows.
        _ = try SPSCRing.create("newer", options: place.options())
        Forgery(path: place.path("newer")).store(0x0000_0200_0000_0003, at: 8)
        // A creator's that has got no further than its header.
        _ = try SPSCRing.create("r", options: place.options())
        let header = try RingReport("r", options: place.options()).header(in: place)
        let unfinished = try SegmentName("r", in: place.path).temporary(for: header.instance)
        rename(place.path("r"), place.path("\(unfinished)"))
        truncate(place.path("\(unfinished)"), 5000)

        #expect(try listed == ["target"])
        let before = place.names
        for (name, code) in [
            ("sound", RingError.Code.notDamaged), ("text", .notARing), ("zeros", .notARing), ("directory", .notARing), ("link", .notARing),
            ("two", .notARing), ("newer", .incompatible), ("\(unfinished)", .notDamaged), ("nothing", .notFound), ("a/b", .invalidName),
        ] {
            for dryRun in [true, false] {
                expectError(code) { () throws(RingError) in try DamagedRing.remove(name, dryRun: dryRun, options: place.options()) }
            }
        }
        #expect(place.names == before)
    }

    @Test("Another user's damaged ring is left alone unless it is asked for", .enabled(if: geteuid() == 0, "changing owners needs root"))
    func owners() throws {
        try damage("theirs", "checksum")
        chown(place.path("theirs"), 4711, 4711)
        #expect(try listed == [])
        expectError(.wrongOwner) { () throws(RingError) in try DamagedRing.remove("theirs", options: place.options()) }
        var options = place.options()
        options.allowedOwners = .users([4711])
        try DamagedRing.remove("theirs", options: options)
        #expect(place.names == [])
    }

    /// The remover examines it again under the lock that each process needs that attaches.
    @Test("While others make and use rings of that name, only damaged ones go") func race() throws {
        let isDone = Turn()
        defer { isDone.set(1) }
        let remover = Worker { [options = place.options()] in
            var removed = 0
            while isDone.value == 0 {
                do throws(RingError) {
                    try DamagedRing.remove("r", options: options)
                    removed += 1
                } catch {
                    guard [.notDamaged, .notFound, .inUse].contains(error.code) else { throw error }
                }
            }
            return removed
        }
        for round in 0..<300 {
            let ring = try SPSCRing.openOrCreate("r", options: place.options())
            let producer = try ring.makeProducer()
            #expect(access(place.path("r"), F_OK) == 0, "the holder of a role holds it in the ring that has the name")
            try producer.close()
            if round % 3 == 0 {
                Forgery(path: place.path("r")).store(0x4141, at: 504)
                #expect(eventually { access(place.path("r"), F_OK) != 0 })
            }
        }
        isDone.set(1)
        #expect(try remover.join() == 100)
    }
}

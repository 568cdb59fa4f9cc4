import Foundation
import Testing

@testable import SharedRing

@Suite("Every mapping stands between pages that nobody may touch, by the kernel's own account")
struct GuardPageTests {
    let place = Place()

    /// A line of `/proc/self/maps`.
    struct Region {
        let start: UInt
        let end: UInt
        let permissions: Substring
        let inode: UInt64

        init?(_ line: Substring) {
            let words = line.split(separator: " ")
            let bounds = words.first?.split(separator: "-").compactMap { UInt($0, radix: 16) } ?? []
            guard words.count >= 5, bounds.count == 2, let inode = UInt64(words[4]) else { return nil }
            (start, end, permissions, self.inode) = (bounds[0], bounds[1], words[1], inode)
        }

        static func all() throws -> [Region] {
            try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n").compactMap(Region.init)
        }
    }

    /// Looks at every run of this file's mappings that touch each other. Gives the sizes of the runs.
    private func check(inode: UInt64, sourceLocation: SourceLocation = #_sourceLocation) throws -> [Int] {
        let regions = try Region.all()
        var sizes: [Int] = []
        for (index, region) in regions.enumerated() where region.inode == inode {
            let before = regions[index - 1]
            if before.inode == inode, before.end == region.start {
                sizes[sizes.count - 1] += Int(region.end - region.start)
            } else {
                #expect(
                    before.end == region.start && before.permissions == "---p" && before.inode == 0, "\(before), \(region)",
                    sourceLocation: sourceLocation)
                sizes.append(Int(region.end - region.start))
            }
            let after = regions[index + 1]
            if after.inode == inode, after.start == region.end { continue }
            #expect(
                after.start == region.end && after.permissions == "---p" && after.inode == 0, "\(region), \(after)",
                sourceLocation: sourceLocation)
        }
        return sizes.sorted()
    }

    @Test("A ring of one lane: a control mapping and a double one of the data, for each end") func oneLane() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 8192))
        let descriptor = try ring.duplicateDescriptor()
        defer { close(descriptor) }
        var facts = stat()
        fstat(descriptor, &facts)
        #expect(try check(inode: UInt64(facts.st_ino)) == [])
        let producer = try ring.makeProducer()
        #expect(try check(inode: UInt64(facts.st_ino)) == [4096, 16384])
        let consumer = try ring.makeConsumer()
        #expect(try check(inode: UInt64(facts.st_ino)) == [4096, 4096, 16384, 16384])
        try producer.close()
        try consumer.close()
        #expect(try check(inode: UInt64(facts.st_ino)) == [], "and nothing stays")
    }

    @Test("Each lane of a ring of many has its own, and a tap's are writable to nobody", arguments: [MPSCRing.Order.perProducer, .total])
    func manyLanes(order: MPSCRing.Order) throws {
        let ring = try MPSCRing.create("r", lanes: 3, order: order, options: place.options())
        var facts = stat()
        stat(place.path("r"), &facts)
        let inode = UInt64(facts.st_ino)
        do {
            let first = try ring.makeProducer()
            let second = try ring.makeProducer()
            let consumer = try ring.makeConsumer()
            // The words of three lanes are two pages, and a lane's data is one, mapped twice.
            #expect(try check(inode: inode) == [Int](repeating: 8192, count: 2 + 2 + 3))
            try consumer.close()
            try first.close()
            try second.close()
        }
        #expect(try check(inode: inode) == [])
        let tap = try RingTap("r", options: place.options())
        #expect(try check(inode: inode) == [8192, 8192, 8192])
        for region in try Region.all() where region.inode == inode { #expect(region.permissions == "r--s") }
        let isRemoved = tap.isRemoved
        #expect(!isRemoved)
    }
}

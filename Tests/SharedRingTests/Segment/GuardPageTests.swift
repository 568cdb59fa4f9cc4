import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Every mapping stands between pages without access, by the kernel's own list", .oneByOne)
struct GuardPageTests {
    let place = Place()

    /// A line of `/proc/self/maps`.
    struct Region {
        let start: UInt
        let end: UInt
        let permissions: Substring
        /// Device and inode, as they stand there.
        let file: String

        init?(_ line: Substring) {
            let words = line.split(separator: " ")
            let bounds = words.first?.split(separator: "-").compactMap { UInt($0, radix: 16) } ?? []
            guard words.count >= 5, bounds.count == 2 else { return nil }
            (start, end, permissions, file) = (bounds[0], bounds[1], words[1], "\(words[3]) \(words[4])")
        }

        static func file(_ facts: stat) -> String {
            // Of a file in memory the major number is 0.
            String(format: "00:%02x %llu", facts.st_dev & 0xff | facts.st_dev >> 12 & 0xfff00, UInt64(facts.st_ino))
        }

        /// A guard is of no file.
        var isGuard: Bool { permissions == "---p" && file == "00:00 0" }

        static func all() throws -> [Region] {
            // `String(contentsOfFile:)` stops after the first piece that the kernel gives.
            let file = try #require(FileHandle(forReadingAtPath: "/proc/self/maps"))
            let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
            return text.split(separator: "\n").compactMap(Region.init)
        }
    }

    /// Looks at every run of this file's mappings that touch each other. Gives the sizes of the runs.
    private func check(_ file: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> [Int] {
        let regions = try Region.all()
        var sizes: [Int] = []
        for (index, region) in regions.enumerated() where region.file == file {
            let before = regions[index - 1]
            if before.file == file, before.end == region.start {
                sizes[sizes.count - 1] += Int(region.end - region.start)
            } else {
                #expect(before.end == region.start && before.isGuard, "\(before), \(region)", sourceLocation: sourceLocation)
                sizes.append(Int(region.end - region.start))
            }
            let after = regions[index + 1]
            if after.file == file, after.start == region.end { continue }
            #expect(after.start == region.end && after.isGuard, "\(region), \(after)", sourceLocation: sourceLocation)
        }
        return sizes.sorted()
    }

    @Test("A ring of one lane: a control mapping and a double one of the data, for each end") func oneLane() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 8192))
        let descriptor = try ring.duplicateDescriptor()
        defer { close(descriptor) }
        var facts = stat()
        fstat(descriptor, &facts)
        let file = Region.file(facts)
        #expect(try check(file) == [])
        let producer = try ring.makeProducer()
        #expect(try check(file) == [4096, 16384])
        let consumer = try ring.makeConsumer()
        #expect(try check(file) == [4096, 4096, 16384, 16384])
        try producer.close()
        try consumer.close()
        #expect(try check(file) == [], "and nothing stays")
    }

    @Test("Each lane of a ring of many has its own, and a tap's are not writable", arguments: [MPSCRing.Order.perProducer, .total])
    func manyLanes(order: MPSCRing.Order) throws {
        let ring = try MPSCRing.create("r", lanes: 3, order: order, options: place.options())
        var facts = stat()
        stat(place.path("r"), &facts)
        let file = Region.file(facts)
        do {
            let first = try ring.makeProducer()
            let second = try ring.makeProducer()
            let consumer = try ring.makeConsumer()
            // The words of three lanes are two pages, and a lane's data is one, mapped twice.
            #expect(try check(file) == [Int](repeating: 8192, count: 2 + 2 + 3))
            try consumer.close()
            try first.close()
            try second.close()
        }
        #expect(try check(file) == [])
        let tap = try RingTap("r", options: place.options())
        #expect(try check(file) == [8192, 8192, 8192])
        for region in try Region.all() where region.file == file { #expect(region.permissions == "r--s") }
        let isRemoved = tap.isRemoved
        #expect(!isRemoved)
    }
}

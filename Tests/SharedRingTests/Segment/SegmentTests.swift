import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A named ring is made whole, found, and removed", .oneByOne)
struct SegmentTests {
    let place = Place()

    @Test("create makes exactly one file, of the full size, allocated, with the asked-for mode") func create() throws {
        var options = place.options(capacity: 10_000)
        options.permissions = 0o660
        options.label = "for a test"
        options.recordAlignment = 64
        let ring = try SPSCRing.create("a", options: options)
        #expect(place.names == ["a"])
        #expect(ring.capacity == 16384)
        #expect(ring.largestMessage == 16384 - 8 - 128)
        #expect(ring.recordAlignment == 64)
        #expect(ring.label == "for a test")

        var status = stat()
        #expect(stat(place.path("a"), &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o660)
        #expect(Int(status.st_size) == 2 * SegmentHeader.pageSize + 16384)
        #expect(Int(status.st_blocks) * 512 >= Int(status.st_size), "no holes")
        #expect(status.st_nlink == 1)
    }

    @Test("The mode is the asked-for one whatever the umask is") func umask() throws {
        let peer = try Peer("producer", of: "u", in: place)
        _ = peer
        var status = stat()
        #expect(stat(place.path("u"), &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o600)
    }

    @Test("create on a taken name throws alreadyExists, whatever is there") func alreadyExists() throws {
        _ = try SPSCRing.create("a", options: place.options())
        mkdir(place.path("d"), 0o700)
        symlink("nowhere", place.path("l"))
        for name in ["a", "d", "l"] {
            expectError(.alreadyExists, saying: "'\(name)'", place.path) { () throws(RingError) in
                _ = try SPSCRing.create(name, options: place.options())
            }
        }
        #expect(place.names == ["a", "d", "l"])
    }

    @Test("open and remove of what is not there throw notFound with the directory") func notFound() {
        expectError(.notFound, saying: "'x'", place.path) { () throws(RingError) in _ = try SPSCRing.open("x", options: place.options()) }
        expectError(.notFound, saying: "'x'", place.path) { () throws(RingError) in try SPSCRing.remove("x", options: place.options()) }
    }

    @Test("A directory that is not there is a system error with its path") func noDirectory() {
        var options = RingOptions()
        options.directory = "/nonexistent/place"
        expectError(.system, saying: "/nonexistent/place", "No such file") { () throws(RingError) in
            _ = try SPSCRing.open("x", options: options)
        }
        options.directory = ""
        expectError(.invalidName, saying: "directory") { () throws(RingError) in _ = try SPSCRing.open("x", options: options) }
    }

    @Test(
        "A bad name throws invalidName before any file is looked at",
        arguments: [
            "", "/", "/a", "a/b", "a/", ".", "..", "a\0b", "\0", String(repeating: "x", count: 201), String(repeating: "ü", count: 101),
        ])
    func badNames(name: String) {
        let options = place.options()
        expectError(.invalidName) { () throws(RingError) in _ = try SPSCRing.create(name, options: options) }
        expectError(.invalidName) { () throws(RingError) in _ = try SPSCRing.open(name, options: options) }
        expectError(.invalidName) { () throws(RingError) in _ = try SPSCRing.openOrCreate(name, options: options) }
        expectError(.invalidName) { () throws(RingError) in try SPSCRing.remove(name, options: options) }
        #expect(place.names == [])
    }

    @Test("Unusual good names work", arguments: ["...", ".hidden", "a b", "ü", "-rf", String(repeating: "x", count: 200)])
    func goodNames(name: String) throws {
        _ = try SPSCRing.create(name, options: place.options())
        _ = try SPSCRing.open(name, options: place.options())
        try SPSCRing.remove(name, options: place.options())
        #expect(place.names == [])
    }

    @Test("An option no ring can have throws invalidOption with its value, and makes nothing") func badOptions() {
        func refused(_ fact: String, _ change: (inout RingOptions) -> Void) {
            var options = place.options()
            change(&options)
            expectError(.invalidOption, saying: fact) { () throws(RingError) in _ = try SPSCRing.create("a", options: options) }
        }
        for alignment in [0, 1, 4, 7, 9, 24, 129, 256, -8, Int.min, Int.max] { refused("\(alignment)") { $0.recordAlignment = alignment } }
        for capacity in [0, -1, Int.min, 1 << 40 + 1, Int.max] { refused("\(capacity)") { $0.capacity = capacity } }
        refused("64") { $0.label = String(repeating: "x", count: 64) }
        refused("NUL") { $0.label = "a\0b" }
        for mode: UInt32 in [0, 0o400, 0o200, 0o1600, 0o100600] { refused(String(mode, radix: 8)) { $0.permissions = mode } }
        #expect(place.names == [])
    }

    @Test("openOrCreate makes once and then finds the same") func openOrCreate() throws {
        let first = try SPSCRing.openOrCreate("a", options: place.options(capacity: 8192))
        let second = try SPSCRing.openOrCreate("a", options: place.options(capacity: 1 << 20))
        #expect(first.capacity == 8192)
        #expect(second.capacity == 8192, "the creator's capacity counts")
        var producer = try first.makeProducer()
        var consumer = try second.makeConsumer()
        try producer.send("x")
        #expect(try consumer.pollText() == "x")
    }

    @Test("remove takes the name away; it refuses, naming the holder, while a process is attached") func remove() throws {
        let ring = try SPSCRing.create("a", options: place.options())
        let consumer = try ring.makeConsumer()
        expectError(.inUse, saying: "process \(getpid())", "consumer") { () throws(RingError) in
            try SPSCRing.remove("a", options: place.options())
        }
        try consumer.close()
        let peer = try Peer("producer", of: "a", in: place)
        expectError(.inUse, saying: "process \(peer.pid)", "producer") { () throws(RingError) in
            try SPSCRing.remove("a", options: place.options())
        }
        peer.kill()
        try SPSCRing.remove("a", options: place.options())
        #expect(place.names == [])
    }

    @Test("A handle never attaches to a successor of the ring it was opened for; one of openOrCreate does") func replaced() throws {
        let created = try SPSCRing.create("a", options: place.options())
        let flexible = try SPSCRing.openOrCreate("a", options: place.options())
        try SPSCRing.remove("a", options: place.options())
        expectError(.notFound) { () throws(RingError) in _ = try created.makeProducer() }
        let producer = try flexible.makeProducer()
        #expect(place.names == ["a"])
        expectError(.replaced) { () throws(RingError) in _ = try created.makeConsumer() }
        try producer.close()
    }

    @Test("A consumer removes the ring only when no other process is attached, nothing is left in it, and it is not persistent")
    func removeIfUnused() throws {
        let ring = try SPSCRing.create("a", options: place.options())
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        #expect(try !consumer.removeRingIfUnused(), "a producer is attached")
        try producer.send("x")
        try producer.close()
        #expect(try !consumer.removeRingIfUnused(), "a message is left")
        #expect(try consumer.pollText() == "x")
        #expect(try consumer.pollText() == "(ended)")
        // The refusal must have given the bytes back.
        producer = try ring.makeProducer()
        producer.makeRingPersistent()
        try producer.close()
        #expect(try consumer.pollText() == "(ended)")
        #expect(try !consumer.removeRingIfUnused(), "it is persistent")
        #expect(place.names == ["a"])
    }

    @Test("After removing its ring a consumer can only be closed") func removedConsumer() throws {
        let ring = try SPSCRing.openOrCreate("a", options: place.options())
        var consumer = try ring.makeConsumer()
        let removed = try consumer.removeRingIfUnused()
        #expect(removed)
        #expect(place.names == [])
        expectError(.notFound) { () throws(RingError) in _ = try consumer.poll() }
        let second = try ring.makeConsumer()  // of a new ring
        try consumer.close()
        #expect(place.names == ["a"])
        try second.close()
    }

    @Test("A message handed out and not acknowledged keeps the ring from being removed") func removeWithUnacknowledged() throws {
        let ring = try SPSCRing.create("a", options: place.options())
        var producer = try ring.makeProducer()
        try producer.send("x")
        try producer.close()
        var consumer = try ring.makeConsumer(acknowledgement: .manual)
        #expect(try consumer.pollText() == "x")
        #expect(try consumer.pollText() == "(ended)")
        #expect(try !consumer.removeRingIfUnused(), "the message would come again if this consumer died now")
        try consumer.acknowledge()
        #expect(try consumer.removeRingIfUnused())
    }
}

import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// What an untrusted peer, or a bug, would have written into a ring's file.
struct Forgery {
    let path: String

    func store(_ value: UInt64, at offset: Int) {
        let file = open(path, O_WRONLY)
        defer { close(file) }
        var value = value
        #expect(pwrite(file, &value, 8, off_t(offset)) == 8)
    }

    func load(at offset: Int) -> UInt64 {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        var value: UInt64 = 0
        #expect(pread(file, &value, 8, off_t(offset)) == 8)
        return value
    }
}

extension RingReport {
    /// Where things stand in a ring's file.
    func header(in place: Place) throws -> SegmentHeader {
        let segmentName = try SegmentName(name, in: place.path)
        return try #require(try Segment.open(segmentName, in: segmentName.openDirectory(), owners: .sameUser)).header
    }
}

@Suite("A check says what the next process finds, and what is damaged", .oneByOne)
struct RingCheckTests {
    let place = Place()

    private func check(_ name: String = "r") throws -> RingCheck { try RingCheck(name, options: place.options()) }

    private func forgery(_ name: String = "r") throws -> (file: Forgery, header: SegmentHeader) {
        (Forgery(path: place.path(name)), try RingReport(name, options: place.options()).header(in: place))
    }

    @Test("A ring that no process has attached to") func unused() throws {
        _ = try SPSCRing.create("r", options: place.options())
        let check = try check()
        #expect(!check.wasUsed && !check.isInUse && check.lanes.isEmpty && check.damage.isEmpty)
    }

    @Test("Messages, their bytes and the ends of streams are counted where they stand, across the end of the data") func counts() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var consumer = try ring.makeConsumer()
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            var producer = try ring.makeProducer()
            var bytes = 0
            for count in 1...10 {
                let size = Int.random(in: 0...300, using: &random)
                try producer.send([UInt8](repeating: 0xff, count: size))
                bytes += size
                let lane = try check().lanes[0]
                #expect(lane.messages == count && lane.byteCount == bytes && lane.tail == producer.writer.pointee.tail)
                #expect(!lane.isMoving && lane.producer.presence == .attached && !lane.endsWithEndRecord)
            }
            try producer.close()
            let lane = try check().lanes[0]
            #expect(lane.closeRecords == 1 && lane.deathRecords == 0 && lane.endsWithEndRecord && !lane.needsDeathRecord)
            #expect(lane.producer.presence == .closed)
            while try consumer.pollText() != "(ended)" {}
            #expect(try check().streamEnds == 1, "a caller has not acknowledged an end before it comes back")
            try consumer.acknowledge()
            #expect(try check().messages == 0 && check().streamEnds == 0)
        }
    }

    @Test("What it foretells of a ring whose users were killed is what its next users find") func foretells() throws {
        let producer = try Peer("producer", of: "r", in: place)
        let consumer = try Peer("consumer", of: "r", in: place, "acknowledgement=manual")
        for word in ["a", "b", "c"] { #expect(try producer.ask("send \(word)") == "sent") }
        #expect(try consumer.ask("next") == "message a")
        #expect(try consumer.ask("acknowledge") == "acknowledged")
        #expect(try consumer.ask("next") == "message b")
        for peer in [producer, consumer] { peer.kill() }

        let before = try check()
        let lane = before.lanes[0]
        #expect(before.damage.isEmpty && before.report.consumer.presence == .died && lane.producer.presence == .died)
        #expect(lane.head == 16 && lane.tail == 48 && lane.messages == 2 && lane.needsDeathRecord)

        let ring = try SPSCRing.open("r", options: place.options())
        var successor = try ring.makeProducer()
        #expect(successor.writer.pointee.tail == 48 + 8, "it goes on at the tail, with an end record")
        try successor.send("d")
        let between = try check().lanes[0]
        #expect(between.deathRecords == 1 && between.closeRecords == 0 && between.messages == 3 && !between.needsDeathRecord)
        var next = try ring.makeConsumer()
        #expect(next.reader.pointee.head == 16)
        #expect(try next.pollText() == "b")
        #expect(try next.pollText() == "c")
        expectError(.peerDied) { () throws(RingError) in _ = try next.pollText() }
        #expect(try next.pollText() == "d")
    }

    @Test("Words of sleepers that were killed, ticket floors that were cut off and checkpoints of long ago are left over, not damage")
    func leftOver() throws {
        _ = try MPSCRing.create("r", lanes: 2, order: .total, options: place.options())
        let ring = try MPSCRing.open("r", options: place.options())
        do {
            var producer = try ring.makeProducer()
            try producer.send("x")
        }
        do { _ = try ring.makeConsumer() }
        let (file, header) = try forgery()
        let lane = header.laneOffset(0)
        file.store(1, at: header.consumerOffset)
        file.store(1, at: lane + 384)
        file.store(0, at: lane)
        file.store(0, at: lane + 128)  // a checkpoint of before
        file.store(file.load(at: header.consumerOffset + 128) | 1 << 32, at: header.consumerOffset + 128)
        // A lane that a producer marked as in use and had no time to sign.
        file.store(0b11, at: header.controlOffset + 256)

        let check = try check()
        #expect(check.damage.isEmpty, "\(check.damage)")
        #expect(check.consumerSleepWord == .leftBehind && check.hasUnreportedDeath)
        #expect(check.lanes[0].sleepWord == .leftBehind && check.lanes[0].ticketFloor == 0)
        #expect(check.lanes.count == 2 && check.lanes[1].producer.presence == .neverCame)
        // And so it is: everything works.
        var consumer = try ring.makeConsumer()
        #expect(try consumer.next(timeout: patience)?.text == "x")
        var producer = try ring.makeProducer()
        try producer.send("y")
        #expect(try consumer.next(timeout: patience)?.text == "y")
    }

    @Test(
        "A header that no producer writes: where, and what", arguments: [1, 0x7fff_ffff, 0x8000_0000 + 4096 - 23, 0xffff_fffe] as [UInt64])
    func forgedHeader(bits: UInt64) throws {
        let ring = try SPSCRing.create("r", options: place.options())
        do {
            var producer = try ring.makeProducer()
            for _ in 0..<3 { try producer.send("good") }
        }
        let (file, header) = try forgery()
        file.store(bits, at: header.dataOffset + 32)
        let damage = try #require(try check().damage.first)
        #expect(damage.lane == 0 && damage.position == 32 && damage.fileOffset == header.dataOffset + 32)
        #expect(damage.detail.contains("0x" + String(bits, radix: 16)))
        #expect(try check().lanes[0].messages == 2, "what stands before it counts")
        expectError(.poisoned) { () throws(RingError) in _ = try ring.makeProducer() }
    }

    @Test("Records that reach too far, and a lane full of records without an end") func tooFar() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        do { _ = try ring.makeProducer() }
        let (file, header) = try forgery()
        for offset in stride(from: 0, to: 4096, by: 8) { file.store(0x8000_0000, at: header.dataOffset + offset) }
        let damage = try #require(try check().damage.first)
        #expect(damage.detail.contains("capacity 4096"))
        expectError(.poisoned) { () throws(RingError) in _ = try ring.makeProducer() }
    }

    @Test("A head that is no position") func forgedHead() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        do { _ = try ring.makeProducer() }
        let (file, header) = try forgery()
        file.store(12, at: header.laneOffset(0) + 256)
        #expect(try check().damage.first?.detail.contains("its head is 12") == true)
        expectError(.poisoned) { () throws(RingError) in _ = try ring.makeConsumer() }
    }

    @Test("Records that are gone: the producer had noted them") func gone() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        do {
            var producer = try ring.makeProducer()
            for _ in 0..<3 { try producer.send("good") }
        }
        let (file, header) = try forgery()
        file.store(0, at: header.dataOffset + 16)
        let damage = try #require(try check().damage.first)
        #expect(damage.position == 16 && damage.detail.contains("up to position 48") && damage.detail.contains("32 bytes are gone"))
    }

    @Test("In a total order: a ticket that was never drawn, and one that does not grow") func tickets() throws {
        let ring = try MPSCRing.create("r", lanes: 2, order: .total, options: place.options())
        do {
            var producer = try ring.makeProducer()
            for _ in 0..<3 { try producer.send("good") }
        }
        let (file, header) = try forgery()
        #expect(try check().damage.isEmpty)
        file.store(7, at: header.dataOffset + 2 * 24 + 8)
        #expect(try check().damage.first?.detail.contains("the ticket 7, and only those below 3") == true)
        file.store(0, at: header.dataOffset + 2 * 24 + 8)
        let damage = try #require(try check().damage.first)
        #expect(damage.position == 48 && damage.detail.contains("the ticket at position 48 is 0"))
    }

    @Test("A lane that was used and that no consumer would look at") func bitmap() throws {
        let ring = try MPSCRing.create("r", lanes: 2, options: place.options())
        do {
            var producer = try ring.makeProducer()
            try producer.send("x")
        }
        let (file, header) = try forgery()
        file.store(0, at: header.controlOffset + 256)
        let damage = try #require(try check().damage.first)
        #expect(damage.lane == 0 && damage.fileOffset == header.controlOffset + 256)
        // The next producer of the lane mends it.
        do { _ = try ring.makeProducer() }
        #expect(try check().damage.isEmpty)
    }

    /// A lane that is written and read as fast as it goes is the worst case: records are overwritten while they are looked at.
    @Test("A ring in use is never called damaged", arguments: [false, true]) func inMotion(isTotal: Bool) throws {
        let ring = try MPSCRing.create("r", lanes: 2, order: isTotal ? .total : .perProducer, options: place.options(capacity: 32768))
        let isDone = Turn()
        defer { isDone.set(1) }
        let producers = (0..<2).map { _ in
            Worker {
                var producer = try ring.makeProducer()
                let bytes = [UInt8](repeating: 1, count: 400)  // no record's header looks like that
                var size = 0
                repeat {
                    size = (size + 37) % 400
                    _ = try producer.trySend(Array(bytes[..<size]))
                } while isDone.value == 0
                try producer.close()
            }
        }
        let consumer = Worker {
            var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: 2))
            var count = 0
            while try consumer.next(timeout: patience) != nil { count += 1 }
            return count
        }
        for _ in 0..<300 {
            let check = try check()
            #expect(check.damage.isEmpty, "\(check.damage)")
        }
        isDone.set(1)
        for producer in producers { try producer.join() }
        #expect(try consumer.join() > 0)
        let after = try check()
        #expect(after.damage.isEmpty && !after.isMoving && after.messages == 0)
    }

    private func segment() throws -> Segment {
        let name = try SegmentName("r", in: place.path)
        return try #require(try Segment.open(name, in: name.openDirectory(), owners: .sameUser))
    }

    /// As headers, bytes of 1 are damage and bytes of 255 are ends of streams.
    @Test(
        "A lane that is overwritten under the walker's feet is moving, not damaged, and nothing is made up", arguments: [1, 255] as [UInt8])
    func overtaken(payload: UInt8) throws {
        let ring = try SPSCRing.create("r", options: place.options())
        let sender = Box(try ring.makeProducer())
        let receiver = Box(try ring.makeConsumer())
        var producer = sender.take()
        var consumer = receiver.take()
        var turn = 0
        let ones = [UInt8](repeating: payload, count: 2000)
        try producer.send([UInt8](ones[..<400]))
        let segment = try segment()
        let walk = try RingCheck.settledWalk(0, of: segment, ring: "r") {
            // A lap and a bit: where the head stood is the middle of a message now.
            for _ in 0..<5 {
                turn += 1
                _ = try? consumer.next(timeout: .zero)?.byteCount
                try? producer.send([UInt8](ones[..<(800 + turn * 37 % 800)]))
            }
        }
        #expect(turn == 24 * 5)
        #expect(walk.isMoving && walk.result.damage == nil && walk.result.messages == 0 && walk.result.deathRecords == 0)
        #expect(try RingCheck("r", options: place.options()).messages > 0)
    }

    @Test("What is seen only in passing is not damage; what stands there three times is") func inPassing() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        do {
            var producer = try ring.makeProducer()
            try producer.send("x")
        }
        let (file, header) = try forgery()
        let good = file.load(at: header.dataOffset)
        let segment = try segment()
        var turn: UInt64 = 0
        var walk = try RingCheck.settledWalk(0, of: segment, ring: "r") {
            turn += 1
            file.store(turn, at: header.dataOffset)  // another each time
        }
        #expect(walk.isMoving && walk.result.damage == nil)
        turn = 0
        walk = try RingCheck.settledWalk(0, of: segment, ring: "r") {
            turn += 1
            file.store(turn <= 2 ? 77 : good, at: header.dataOffset)
        }
        #expect(!walk.isMoving && walk.result.damage == nil && walk.result.messages == 1)
        file.store(77, at: header.dataOffset)
        walk = try RingCheck.settledWalk(0, of: segment, ring: "r")
        #expect(!walk.isMoving && walk.result.damage?.position == 0)
    }

    @Test("A check takes no role and changes no byte of the file") func disturbsNobody() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        do {
            var producer = try ring.makeProducer()
            try producer.send("x")
        }
        let before = try Data(contentsOf: URL(fileURLWithPath: place.path("r")))
        chmod(place.path("r"), 0o400)
        for _ in 0..<10 { _ = try check() }
        #expect(try Data(contentsOf: URL(fileURLWithPath: place.path("r"))) == before)
    }

    @Test("What is no ring, and what is a damaged header, is the error that opening it is") func noRing() throws {
        try Data("abc".utf8).write(to: URL(fileURLWithPath: place.path("file")))
        expectError(.notARing, saying: "3 bytes") { () throws(RingError) in _ = try RingCheck("file", options: place.options()) }
        expectError(.notFound) { () throws(RingError) in _ = try RingCheck("none", options: place.options()) }
        _ = try SPSCRing.create("r", options: place.options())
        Forgery(path: place.path("r")).store(1, at: 128)
        expectError(.damaged, saying: "checksum") { () throws(RingError) in _ = try RingCheck("r", options: place.options()) }
    }
}

import CSharedRing
import Glibc
import TestPeer
import TestSupport
import Testing

@testable import SharedRing

/// An endpoint's state that is not as it must be.
private struct Broken: Error, CustomStringConvertible {
    let what: String
    var description: String { what }
}

/// A ring that is seen from all sides after every step, and what must be seen.
private struct Model: ~Copyable {
    enum Kind: CaseIterable { case spsc, symmetric, total }

    let place: Place
    let options: RingOptions
    let ring: MPSCRing
    var consumer: MergingConsumer
    var tap: RingTap
    var random: SplitMix
    /// Which step this is, and of which run.
    var what: Comment = ""
    var messages: UInt64 = 0
    var byteCount: UInt64 = 0
    /// What is sent and not received.
    var unread: [[UInt8]] = []
    /// What was sent last at a position, for the tap.
    var sent: [UInt64: [UInt8]] = [:]
    /// As it was published last.
    var writeLimit: UInt64

    init(_ kind: Kind, capacity: Int, alignment: Int, first: UInt64, seed: UInt64) throws {
        let place = Place()
        var options = place.options(capacity: capacity)
        options.recordAlignment = alignment
        options.firstPosition = first
        if kind == .symmetric { options.barrier = .symmetric }
        let ring = try MPSCRing.create("r", lanes: 1, order: kind == .total ? .total : .perProducer, options: options)
        let consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(1)))
        let tap = try RingTap("r", from: .head, options: options)
        self.place = place
        self.options = options
        self.ring = ring
        self.consumer = consumer
        self.tap = tap
        random = SplitMix(seed: seed)
        writeLimit = first
    }

    mutating func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

    /// Mostly small, so that a run holds many of them; of few sizes, so that runs are long.
    mutating func size(_ largest: Int) -> Int {
        return switch below(12) {
        case 0: below(largest + 1)
        case 1: below(min(largest, 600))
        case 2, 3: below(40)
        default: [8, 24][below(2)]
        }
    }

    mutating func message(_ largest: Int) -> [UInt8] {
        let size = size(largest)
        // What a claim or a batch leaves behind when it is dropped looks like records, too.
        let byte = below(4) == 0 ? 0x80 : UInt8(truncatingIfNeeded: random.next())
        return [UInt8](repeating: byte, count: size)
    }

    private mutating func note(_ bytes: [UInt8], at position: UInt64) {
        messages += 1
        byteCount += UInt64(bytes.count)
        unread.append(bytes)
        sent[position] = bytes
    }

    mutating func step(_ producer: inout Producer) throws {
        let largest = producer.largestMessage
        let shape = producer.writer.pointee.shape
        let tail = producer.writer.pointee.tail
        switch below(13) {
        case 0..<5:
            let bytes = message(largest)
            if try producer.trySend(bytes) { note(bytes, at: tail) }
        case 5:
            let (bytes, more) = (message(largest), below(200))
            if var claim = try producer.tryClaim(byteCount: min(bytes.count + more, largest)) {
                var place = claim.bytes
                place.withUnsafeMutableBytes { buffer in
                    if let start = buffer.baseAddress { memset(start, 0x80, buffer.count) }
                    buffer.copyBytes(from: bytes)
                }
                try claim.commit(byteCount: bytes.count)
                note(bytes, at: tail)
            }
        case 6:
            if var claim = try producer.tryClaim(byteCount: size(largest)) {
                var place = claim.bytes
                place.withUnsafeMutableBytes { buffer in
                    if let start = buffer.baseAddress { memset(start, 0x80, buffer.count) }
                }
            }
        case 7, 8:
            var pending: [[UInt8]] = []
            var next: [[UInt8]] = []
            for _ in 0..<below(60) { next.append(message(largest)) }
            let (flushesEach, isDropped) = (below(30) + 1, below(3) == 0)
            var batch = producer.batch()
            var flushed: [[UInt8]] = []
            for (index, bytes) in next.enumerated() {
                let isAppended =
                    index & 1 == 0
                    ? try batch.tryAppend(bytes.span.bytes)
                    : try batch.tryAppend(byteCount: bytes.count) { place in
                        for index in bytes.indices { place.storeBytes(of: bytes[index], toByteOffset: index, as: UInt8.self) }
                    }
                if isAppended { pending.append(bytes) }
                if index % flushesEach == 0 {
                    batch.flush()
                    flushed += pending
                    pending = []
                }
            }
            if !isDropped {
                batch.commit()
                flushed += pending
            } else {
                _ = consume batch
            }
            var position = tail
            for bytes in flushed {
                note(bytes, at: position)
                position &+= shape.spacing(bytes.count)
            }
        case 9:
            // As a producer that waits for room does.
            _ = try producer.writer.pointee.makeRoom(for: size(largest))
        default:
            for _ in 0..<below(100) {
                guard let bytes = try? consumer.receive(timeout: .zero) else { break }
                let wanted = unread.removeFirst()
                try #require(bytes == wanted, what)
            }
        }
    }

    /// Throws at the first thing that is wrong: more would follow from it.
    mutating func check(_ producer: borrowing Producer, _ what: Comment) throws {
        let lane = try RingStatistics("r", options: options).lanes[0]
        try #require(lane.messages == messages && lane.byteCount == byteCount, what)

        let writer = producer.writer
        if let broken = writer.pointee.checkInvariants() { throw Broken(what: "\(broken); \(what)") }
        let checkpoint = Checkpoint(writer.pointee.control)
        try #require(Int64(bitPattern: checkpoint.writeLimit &- writeLimit) >= 0, "the write limit went back; \(what)")
        writeLimit = checkpoint.writeLimit
        try #require(checkpoint.writeLimit &- writer.pointee.lastHead <= writer.pointee.shape.capacity, what)
        try #require(writer.pointee.tail &- checkpoint.tail < checkpoint.writeLimit &- checkpoint.tail, what)
        let offset = writer.pointee.cursor - writer.pointee.data
        try #require(offset >= 0 && offset < 2 * options.capacity, what)

        if below(8) == 0 {
            for event in try tap.poll() {
                switch event {
                case .message(let message): try #require(message.bytes == sent[message.position], what)
                case .damaged(let damage): Issue.record("\(damage); \(what)")
                case .ended, .missed: break
                }
            }
        }
    }
}

@Suite("What a producer has sent is counted exactly, and published before anything is overwritten, however it sends", .oneByOne)
struct CheckpointTests {
    static let shapes: [(capacity: Int, alignment: Int)] = [(4096, 8), (4096, 16), (4096, 64), (4096, 128), (1 << 16, 8), (1 << 20, 32)]

    @Test("Random mixes of all ways to send, with successors, against a model", arguments: shapes, [0, 0 &- 8192, 1 << 32] as [UInt64])
    func model(shape: (capacity: Int, alignment: Int), first: UInt64) throws {
        for kind in Model.Kind.allCases {
            let seed = UInt64.random(in: 0...UInt64.max)
            var model = try Model(kind, capacity: shape.capacity, alignment: shape.alignment, first: first, seed: seed)
            var producer = try model.ring.makeProducer()
            for step in 0..<Int(soaking: 80) {
                switch model.below(28) {
                case 0:
                    try producer.close()
                    producer = try model.ring.makeProducer()
                case 1:
                    _ = consume producer
                    producer = try model.ring.makeProducer()
                default: try model.step(&producer)
                }
                try model.check(producer, "\(kind), seed \(seed), step \(step)")
            }
        }
    }

    @Test("Messages of one size lap the mapping, and are counted at every one", arguments: [8, 128])
    func laps(alignment: Int) throws {
        let place = Place()
        var options = place.options()
        options.recordAlignment = alignment
        options.firstPosition = 0 &- 6000 & ~127
        let ring = try SPSCRing.create("r", options: options)
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        for number in 1...1000 as ClosedRange<UInt64> {
            try producer.send(value: number, timeout: .zero)
            try #require(try RingStatistics("r", options: options).lanes[0].messages == number)
            try #require(producer.writer.pointee.cursor - producer.writer.pointee.data < 2 * 4096)
            #expect(try consumer.receive(timeout: .zero)?.count == 8)
        }
    }

    @Test("What a dropped claim may have overwritten a tap never shows, though less room is opened after it")
    func writeLimitStays() throws {
        let place = Place()
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        var tap = try RingTap("r", from: .head, options: place.options())
        for number in 0..<100 as Range<UInt64> { try producer.send(value: (number, number, number), timeout: .zero) }
        consumer.drain { _ in }
        do {
            var claim = try producer.claim(byteCount: 2000)
            var bytes = claim.bytes
            for index in 0..<bytes.byteCount { bytes.storeBytes(of: UInt8(index % 8 == 3 ? 0x80 : 0), toByteOffset: index, as: UInt8.self) }
        }
        #expect(try producer.writer.pointee.makeRoom(for: 8))
        let events = try tap.poll()
        guard events.count == 1, case .missed = events[0] else {
            Issue.record("\(events.count) events")
            return
        }
    }

    @Test("A batch of another size after single messages, and messages after it, count as what they are") func mixed() throws {
        let place = Place()
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        var sum: (messages: UInt64, byteCount: UInt64) = (0, 0)
        func isCounted(_ messages: Int, of size: Int) throws -> Bool {
            sum.messages += UInt64(messages)
            sum.byteCount += UInt64(messages * size)
            let lane = try RingStatistics("r", options: place.options()).lanes[0]
            return lane.messages == sum.messages && lane.byteCount == sum.byteCount
        }
        for _ in 0..<3 { try producer.send([UInt8](repeating: 1, count: 20)) }
        #expect(try isCounted(3, of: 20))
        var batch = producer.batch()
        for _ in 0..<30 { try batch.append([UInt8](repeating: 1, count: 50)) }  // several times what is opened at once
        #expect(try isCounted(0, of: 0))
        batch.flush()
        #expect(try isCounted(30, of: 50))
        for _ in 0..<10 { try batch.append([UInt8](repeating: 1, count: 50)) }
        _ = consume batch
        #expect(try isCounted(0, of: 0))
        try producer.send([UInt8](repeating: 1, count: 20))
        #expect(try isCounted(1, of: 20))
        try producer.send([UInt8](repeating: 1, count: 700))  // room is opened, and what was sent before is published
        #expect(try isCounted(1, of: 700))
        try producer.send([UInt8](repeating: 1, count: 20))
        try producer.close()
        #expect(try isCounted(1, of: 20))
    }

    @Test("A walk that was overtaken does not count: it begins anew at the next checkpoint") func overtaken() throws {
        var header = try SegmentHeader(.spsc, options: RingOptions(capacity: 4096), ring: "r")
        header.lanes.laneCapacity = 4096
        let shape = LaneShape(header)
        let record = RecordHeader(byteCount: 8, tag: 0)
        let first = Checkpoint(tail: 0, messages: 0, byteCount: 0, writeLimit: 512)
        let second = Checkpoint(tail: 4000, messages: 250, byteCount: 2000, writeLimit: 4500)
        var looks = 0
        let now = Checkpoint.now(shape) {
            looks += 1
            return looks == 1 ? first : second
        } header: { position in
            // Meanwhile something else's words.
            position < 512 || position < 4032 && looks > 1 ? record : RecordHeader(bits: 0)
        }
        #expect(now == Checkpoint(tail: 4032, messages: 252, byteCount: 2016, writeLimit: 4500))
        // A lane that always overtakes: what was published, which was true.
        looks = 0
        let always = Checkpoint.now(shape) {
            looks += 1
            let position = UInt64(looks) * 8192
            return Checkpoint(tail: position, messages: 7, byteCount: 9, writeLimit: position + 512)
        } header: { _ in
            record
        }
        #expect(always == Checkpoint(tail: 4 * 8192, messages: 7, byteCount: 9, writeLimit: 4 * 8192 + 512))
    }
}

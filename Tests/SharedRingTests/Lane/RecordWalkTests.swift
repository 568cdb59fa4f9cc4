import TestSupport
import Testing

@testable import SharedRing

/// A lane's words in an array: what a walk reads, without a segment and without threads.
struct WordLane {
    let shape: LaneShape
    private var words: [UInt64]

    init(capacity: Int = 4096, alignment: Int = 8) throws {
        var options = RingOptions(capacity: capacity)
        options.recordAlignment = alignment
        var header = try SegmentHeader(.spsc, options: options, ring: "r")
        header.lanes.laneCapacity = capacity
        shape = LaneShape(header)
        words = [UInt64](repeating: 0, count: capacity / 8)
    }

    subscript(position: UInt64) -> RecordHeader {
        get { RecordHeader(bits: words[Int(position & shape.mask) / 8]) }
        set { words[Int(position & shape.mask) / 8] = newValue.bits }
    }

    /// Puts records one behind the other, with a terminator; returns where the last ends.
    @discardableResult
    mutating func put(_ headers: [RecordHeader], at start: UInt64) -> UInt64 {
        var position = start
        for header in headers {
            self[position] = header
            position &+= header.isEnd ? shape.spacingOfEnd : shape.spacing(shape.messageSize(header))
        }
        self[position] = RecordHeader(bits: 0)
        return position
    }

    mutating func put(messages: Int, of byteCount: Int, at start: UInt64) -> UInt64 {
        put([RecordHeader](repeating: RecordHeader(byteCount: byteCount, tag: 0), count: messages), at: start)
    }
}

@Suite("A walk takes records, and nothing else, and says what ended it", .oneByOne)
struct RecordWalkTests {
    @Test(
        "Messages and ends, one after the other, to the first absent header; also where positions wrap",
        arguments: [0, 0 &- 64] as [UInt64], [8, 64])
    func records(start: UInt64, alignment: Int) throws {
        var lane = try WordLane(alignment: alignment)
        let (first, last) = (RecordHeader(byteCount: 20, tag: 7), RecordHeader(byteCount: 0, tag: 9))
        let end = lane.put([first, .end(epoch: 2), last], at: start)
        var walk = RecordWalk(lane.shape, fromHead: start)
        #expect(walk.next { lane[$0] } == .message(.init(position: start, header: first, byteCount: 20)))
        let second = walk.position
        #expect(second == start &+ lane.shape.spacing(20))
        #expect(walk.next { lane[$0] } == .end(.init(position: second, header: .end(epoch: 2), byteCount: 0)))
        #expect(walk.next { lane[$0] } == .message(.init(position: second &+ UInt64(alignment), header: last, byteCount: 0)))
        #expect(walk.position == end)
        for _ in 0..<2 { #expect(walk.next { lane[$0] } == .absent) }
        #expect(walk.position == end)
    }

    @Test("A header that no producer writes ends it, whatever it is", arguments: [1, 0x8000_1000, 0x7fff_ffff, 1 << 32] as [UInt64])
    func malformed(bits: UInt64) throws {
        var lane = try WordLane()
        let end = lane.put(messages: 2, of: 8, at: 0)
        lane[end] = RecordHeader(bits: bits)
        var walk = RecordWalk(lane.shape, fromHead: 0)
        for _ in 0..<2 { guard case .message = walk.next({ lane[$0] }) else { throw TestError() } }
        for _ in 0..<2 { #expect(walk.next { lane[$0] } == .malformed(position: end, bits: bits)) }
        #expect(walk.position == end)
    }

    @Test("A lane that is full of records ends at its capacity; with a later limit the same record is taken")
    func beyondCapacity() throws {
        var lane = try WordLane()
        for position in stride(from: 0 as UInt64, to: 4096, by: 16) { lane[position] = RecordHeader(byteCount: 8, tag: 0) }
        let start = 0 &- 1600 as UInt64
        var walk = RecordWalk(lane.shape, fromHead: start)
        var count = 0
        while case .message = walk.next({ lane[$0] }) { count += 1 }
        // One alignment is the terminator's, so the last record of the lap has no place.
        #expect(count == 4096 / 16 - 1)
        guard case .beyondCapacity(let record, let end) = walk.next({ lane[$0] }) else { throw TestError() }
        #expect(record.position == walk.position && end == start &+ 4096)
        walk.limit = end
        guard case .message(let same) = walk.next({ lane[$0] }) else { throw TestError() }
        #expect(same == record && walk.position == end)
    }

    @Test("Each header is loaded once, and one that can't be loaded moves nothing") func loads() throws {
        var lane = try WordLane()
        _ = lane.put(messages: 1, of: 8, at: 0)
        var walk = RecordWalk(lane.shape, fromHead: 0)
        #expect(throws: TestError.self) { try walk.next { (_: UInt64) throws -> RecordHeader in throw TestError() } }
        #expect(walk.position == 0)
        var loads: [UInt64] = []
        for _ in 0..<2 {
            _ = walk.next { position -> RecordHeader in
                loads.append(position)
                return lane[position]
            }
        }
        #expect(loads == [0, 16])
    }

    struct TestError: Error {}
}

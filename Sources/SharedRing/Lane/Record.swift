public import CSharedRing

/// The 8 bytes before every payload: bits 0-30 the byte count, bit 31 "present", bits 32-63 the sender's tag.
///
/// A header of zero means that nothing is here yet. Storing a header is what makes a message exist.
@frozen
@usableFromInline
struct RecordHeader: Equatable {
    @usableFromInline let bits: UInt64

    @inlinable
    init(bits: UInt64) { self.bits = bits }

    @inlinable
    init(byteCount: Int, tag: UInt32) {
        bits = UInt64(tag) << 32 | UInt64(SR_RECORD_PRESENT) | UInt64(truncatingIfNeeded: byteCount)
    }

    /// The end of a stream: `epoch` is its producer's after it ended; even, it closed; odd, it died.
    static func end(epoch: UInt32) -> RecordHeader { RecordHeader(byteCount: Int(SR_RECORD_END), tag: epoch) }

    /// The same with another tag.
    @inlinable
    func tagged(_ tag: UInt32) -> RecordHeader { RecordHeader(bits: UInt64(tag) << 32 | UInt64(size)) }

    @inlinable var isAbsent: Bool { bits == 0 }
    /// The byte count and "present": all but the tag.
    @inlinable var size: UInt32 { UInt32(truncatingIfNeeded: bits) }
    @inlinable var isPresent: Bool { bits & UInt64(SR_RECORD_PRESENT) != 0 }
    @inlinable var byteCount: Int { Int(truncatingIfNeeded: bits & UInt64(SR_RECORD_COUNT_MASK)) }
    @inlinable var tag: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) }
    @inlinable var isEnd: Bool { isPresent && byteCount == Int(SR_RECORD_END) }
}

/// What never changes about a lane, taken from the checked header.
@frozen
@usableFromInline
struct LaneShape: Sendable {
    /// A power of two.
    @usableFromInline let capacity: UInt64
    /// A power of two, 8 to 128.
    @usableFromInline let alignment: UInt64
    @usableFromInline let largestMessage: Int
    /// What stands between the header and the message: the ticket in a total order, else nothing. Counted by the header.
    @usableFromInline let prefix: Int
    /// Where the message begins in its record.
    @usableFromInline let messageOffset: Int
    /// What makes an address of a position.
    @usableFromInline let mask: UInt64
    /// What `spacing` adds before it rounds down, and the mask that does.
    @usableFromInline let roundUp: UInt64
    @usableFromInline let roundDown: UInt64
    /// The header of a message without bytes and tag.
    @usableFromInline let emptyHeader: UInt64

    init(_ header: SegmentHeader) {
        capacity = UInt64(header.laneCapacity)
        alignment = UInt64(header.recordAlignment)
        largestMessage = header.largestMessage
        prefix = header.ticketSize
        messageOffset = Int(SR_RECORD_HEADER_SIZE) + prefix
        mask = capacity - 1
        roundUp = UInt64(messageOffset) + alignment - 1
        roundDown = 0 &- alignment
        emptyHeader = RecordHeader(byteCount: prefix, tag: 0).bits
    }

    /// The bytes that the record of a message takes in the lane.
    @inlinable
    func spacing(_ byteCount: Int) -> UInt64 { (UInt64(truncatingIfNeeded: byteCount) &+ roundUp) & roundDown }

    /// The size of the message whose record has this header.
    @inlinable
    func messageSize(_ header: RecordHeader) -> Int { header.byteCount &- prefix }

    @inlinable
    func header(byteCount: Int, tag: UInt32) -> RecordHeader {
        RecordHeader(bits: UInt64(tag) << 32 | (emptyHeader &+ UInt64(truncatingIfNeeded: byteCount)))
    }

    /// The bytes the end record takes, and what is kept free for a terminator.
    var spacingOfEnd: UInt64 { alignment }

    /// More records than this never stand in a lane at once.
    @inlinable
    var mostRecords: Int { Int(truncatingIfNeeded: capacity / alignment) }

    /// Whether a position can be a record boundary.
    func isAligned(_ position: UInt64) -> Bool { position & (alignment &- 1) == 0 }

    /// Where the last record behind a head may end: one alignment before the head's next lap, for the terminator.
    func largestEnd(fromHead head: UInt64) -> UInt64 { head &+ capacity &- spacingOfEnd }

    /// Whether a header that was found can be a message of this lane.
    @inlinable
    func admits(_ header: RecordHeader) -> Bool {
        // Unsigned, so that a count below the prefix is too large as well.
        header.isPresent && UInt(bitPattern: messageSize(header)) <= UInt(bitPattern: largestMessage)
    }
}

import CSharedRing

/// A walk over the committed records of a lane, from one record boundary to the next.
///
/// The walk does not know where headers come from: the caller of ``next(_:)`` loads each one, from a mapping, a file or a test's array. The
/// walk checks the loaded copy. It returns what stands there, and moves on only behind what is a record.
///
/// Invariants:
/// - `position` is a multiple of the lane's alignment, as the start was.
/// - `position` grows, and never beyond `limit`, unless it began there.
struct RecordWalk {
    /// What stands at the position.
    enum Step: Equatable {
        /// A message, behind which the walk stands now.
        case message(Record)
        /// The end of a stream, behind which the walk stands now.
        case end(Record)
        /// Nothing is committed here. The walk stays.
        case absent
        /// A header that no producer writes. The walk stays.
        case malformed(position: UInt64, bits: UInt64)
        /// A record that would end behind the limit. The walk stays: with a later limit, the same record may be taken.
        case beyondCapacity(Record, end: UInt64)
    }

    /// A record whose header was checked.
    struct Record: Equatable {
        /// The header's position.
        let position: UInt64
        let header: RecordHeader
        /// The message's size in bytes; 0 for the end of a stream.
        let byteCount: Int
    }

    let shape: LaneShape
    /// Where the next record begins.
    private(set) var position: UInt64
    /// No record ends behind this position. Compared as a signed difference, so positions may wrap.
    var limit: UInt64

    /// - Parameters:
    ///   - start: a record boundary. A position from another process is checked first: ``LaneShape/isAligned(_:)``.
    ///   - limit: where the last record may end.
    init(_ shape: LaneShape, from start: UInt64, limit: UInt64) {
        self.shape = shape
        position = start
        self.limit = limit
    }

    /// A walk over all that a lane may hold behind a head: one alignment is left for the last record's terminator.
    init(_ shape: LaneShape, fromHead head: UInt64) {
        self.init(shape, from: head, limit: shape.largestEnd(fromHead: head))
    }

    /// Looks at the record at the position, and steps over it.
    ///
    /// - Parameter header: loads the header at a position, once.
    @inline(__always)
    mutating func next<Failure: Error>(_ header: (UInt64) throws(Failure) -> RecordHeader) throws(Failure) -> Step {
        let start = position
        let found = try header(start)
        if found.isAbsent { return .absent }
        guard found.isEnd || shape.admits(found) else { return .malformed(position: start, bits: found.bits) }
        let byteCount = found.isEnd ? 0 : shape.messageSize(found)
        let end = start &+ (found.isEnd ? shape.spacingOfEnd : shape.spacing(byteCount))
        let record = Record(position: start, header: found, byteCount: byteCount)
        guard Int64(bitPattern: end &- limit) <= 0 else { return .beyondCapacity(record, end: end) }
        position = end
        return found.isEnd ? .end(record) : .message(record)
    }
}

extension RecordHeader {
    /// What stands at a position of a lane, whose data is mapped twice from here.
    @unsafe
    init(at position: UInt64, in data: UnsafeRawPointer, _ shape: LaneShape) {
        // SAFETY: the masked position lies in the first mapping.
        // SYNC: record-visible (pairs with LaneWriter.commit and .storeHeader): with the header come payload and terminator.
        self.init(bits: unsafe sr_load_acquire_u64(data + Int(truncatingIfNeeded: position & shape.mask)))
    }
}

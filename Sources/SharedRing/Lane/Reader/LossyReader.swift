import CSharedRing

/// A reader that holds no space: it copies records, and then finds out whether they may have been written over meanwhile.
///
/// The producer does not know of such a reader, and does not wait for it. One ``step(copy:checkpoint:resume:)``:
/// 1. Copies records from the position on.
/// 2. Passes an acquire fence, and loads a checkpoint. A producer that writes over a record has published a checkpoint that allows it before, so the
///    loaded write limit is no older than what was copied.
/// 3. The copy is whole if the write limit lies no further than the capacity behind the position. Only then "absent" means that nothing is
///    there.
/// 4. Otherwise the copy is thrown away, and the reader goes on where the caller says, or at the checkpoint's tail.
///
/// Invariants, while the producer keeps the protocol:
/// - `position` is a record boundary, and only grows.
/// - What was copied and what was missed is together what was sent since the reader began: exactly, where the totals are known.
struct LossyReader {
    /// Messages since the lane was made, and the bytes in them. Another process's words may be among them: wrapping.
    struct Totals: Equatable {
        var messages: UInt64 = 0
        var byteCount: UInt64 = 0

        init() {}

        init(messages: UInt64, byteCount: UInt64) {
            self.messages = messages
            self.byteCount = byteCount
        }

        init(_ checkpoint: Checkpoint) { self.init(messages: checkpoint.messages, byteCount: checkpoint.byteCount) }

        /// What the records from one position to another amount to. Nil: the records do not lead from one to the other.
        init?(_ shape: LaneShape, from start: UInt64, to end: UInt64, header: (UInt64) -> RecordHeader) {
            var walk = RecordWalk(shape, from: start, limit: end)
            while walk.position != end {
                switch walk.next(header) {
                case .message(let record): count(record)
                case .end: break
                case .absent, .malformed, .beyondCapacity: return nil
                }
            }
        }

        mutating func count(_ record: RecordWalk.Record) {
            messages &+= 1
            byteCount &+= UInt64(record.byteCount)
        }

        static func + (a: Totals, b: Totals) -> Totals {
            Totals(messages: a.messages &+ b.messages, byteCount: a.byteCount &+ b.byteCount)
        }

        static func - (a: Totals, b: Totals) -> Totals {
            Totals(messages: a.messages &- b.messages, byteCount: a.byteCount &- b.byteCount)
        }
    }

    /// A record boundary, and what was sent before it.
    struct Place: Equatable {
        var position: UInt64
        /// Nil: not known.
        var sent: Totals?

        init(_ position: UInt64, sent: Totals?) {
            self.position = position
            self.sent = sent
        }

        /// Behind the records that a checkpoint counts.
        init(_ checkpoint: Checkpoint) { self.init(checkpoint.tail, sent: Totals(checkpoint)) }
    }

    /// A part of the lane that was passed over.
    struct Miss: Equatable {
        let position: UInt64
        let nextPosition: UInt64
        /// Exactly what was missed. Nil: not known.
        let missed: Totals?
        /// `missed`, or the most that can have been there.
        let mostMessages: UInt64
    }

    /// What a step came to.
    enum Outcome: Equatable {
        /// The copy is whole, and holds this. The reader stands behind it.
        case copied(Totals)
        /// The copy is to be thrown away. The reader goes on elsewhere; nil: no further than it was.
        case overtaken(Miss?)
        /// The copy is to be thrown away, and there is nowhere to go on. The reader stays.
        case lost
    }

    let shape: LaneShape
    private(set) var place: Place

    var position: UInt64 { place.position }

    init(_ shape: LaneShape, at place: Place) {
        self.shape = shape
        self.place = place
    }

    /// Takes in some records, or goes on elsewhere if the producer may have written over them.
    ///
    /// - Parameters:
    ///   - copy: copies records, and returns what they amount to. It moves the walk behind the last of them. Nothing of the copy counts before
    ///     the outcome is known.
    ///   - checkpoint: loads one. Nil: nothing behind the position can have been written over, since its space is still held.
    ///   - resume: where to go on, by that checkpoint. Nil: nowhere.
    mutating func step<Failure: Error>(
        copy: (inout RecordWalk) throws(Failure) -> Totals, checkpoint: () -> Checkpoint?,
        resume: (Checkpoint) -> Place? = { Place($0) }
    ) throws(Failure) -> Outcome {
        var walk = RecordWalk(shape, from: position, limit: position &+ shape.capacity)
        let copied = try copy(&walk)
        // SYNC: checkpoint (pairs with Checkpoint.publish): the copy before, the checkpoint after.
        sr_fence_acquire()
        if let newest = checkpoint(), newest.allowsWriting(over: position, shape) {
            return resume(newest).map { .overtaken(goOn(at: $0)) } ?? .lost
        }
        place = Place(walk.position, sent: place.sent.map { $0 + copied })
        return .copied(copied)
    }

    /// Passes over what lies between the position and a place. Nil: the place is no further.
    mutating func goOn(at next: Place) -> Miss? {
        let before = place
        place = next
        let skipped = Int64(bitPattern: next.position &- before.position)
        guard skipped > 0 else { return nil }
        let most = max(1, UInt64(skipped) / shape.alignment)
        // More than can stand in so many bytes is no count of a producer that keeps the protocol.
        if let now = next.sent, let then = before.sent, (now - then).messages <= most, (now - then).byteCount <= UInt64(skipped) {
            return Miss(
                position: before.position, nextPosition: next.position, missed: now - then, mostMessages: (now - then).messages)
        }
        return Miss(position: before.position, nextPosition: next.position, missed: nil, mostMessages: most)
    }
}

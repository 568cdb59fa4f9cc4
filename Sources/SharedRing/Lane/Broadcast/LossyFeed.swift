import CSharedRing
import Synchronization

/// What feeds a lossy subscriber: records are copied out of the ring into memory of this process, and handed out there, in place.
///
/// The publisher does not know of this side. A copy counts only if the write limit that was loaded behind it proves that nothing of it was written over; see
/// ``LossyReader``. What was overtaken is counted as missed.
///
/// Invariants between two calls:
/// - The reader that is fed has handed out everything copied, or has a part of it still before it; `source` stands behind all of it.
/// - What was handed out, what is still to be, and what was missed is together what was sent since the beginning.
@safe
final class LossyFeed: @unchecked Sendable {
    private let data: UnsafeRawPointer
    private let shape: LaneShape
    private let checkpoints: CheckpointPlace
    private let ring: String
    private var source: LossyReader
    /// The copy: records as they stand in the ring, and a header of 0 behind them.
    private var buffer: UnsafeMutableRawPointer
    private var bufferSize: Int
    /// What the reader takes for its lane's words.
    let words: UnsafeMutablePointer<sr_lane_control>
    /// Any thread may ask while another receives. Relaxed: they order nothing.
    private let missedMessages = Atomic<UInt64>(0)
    private let missedBytes = Atomic<UInt64>(0)

    var missed: LossyReader.Totals {
        LossyReader.Totals(messages: missedMessages.load(ordering: .relaxed), byteCount: missedBytes.load(ordering: .relaxed))
    }

    /// So much is copied at a time at most, but for a message that is larger.
    private static let usualSize = 1 << 16
    /// How often a copy may be overtaken in one call.
    private static let mostTries = 16

    /// - Parameters:
    ///   - data: the double mapping, which the owner keeps.
    ///   - start: where to begin.
    ///   - deadline: how long to try that, beside a publisher that writes over each place; the first try is made in any case.
    init(
        data: UnsafeRawPointer, shape: LaneShape, checkpoints: CheckpointPlace, start: SubscriptionStart, until deadline: Deadline,
        ring: String
    ) throws(RingError) {
        unsafe self.data = data
        self.shape = shape
        self.checkpoints = checkpoints
        self.ring = ring
        bufferSize = min(Self.usualSize, Int(shape.capacity))
        guard let buffer = unsafe sr_memory(UInt64(bufferSize)) else { throw Self.noMemory(bufferSize, ring) }
        unsafe self.buffer = buffer
        unsafe words = .allocate(capacity: 1)
        unsafe words.initialize(to: sr_lane_control())
        source = LossyReader(shape, at: LossyReader.Place(0, sent: nil))
        source = LossyReader(shape, at: try place(of: start, until: deadline))
        unsafe sr_store_relaxed_u64(buffer, 0)
        unsafe sr_store_relaxed_u64(sr_head(words), source.position)
    }

    deinit {
        unsafe sr_memory_free(buffer)
        unsafe words.deallocate()
    }

    /// What was sent before the place where this began.
    private(set) var before = LossyReader.Totals()

    private static func noMemory(_ size: Int, _ ring: String) -> RingError {
        RingError(.system, ring: ring, errno: SystemFailure.noMemory, "no memory for a copy of \(counted(size, "byte"))")
    }

    private func header(at position: UInt64) -> RecordHeader {
        // SAFETY: the owner keeps the double mapping.
        unsafe RecordHeader(at: position, in: data, shape)
    }

    // MARK: Beginning

    private func place(of start: SubscriptionStart, until deadline: Deadline) throws(RingError) -> LossyReader.Place {
        for turn in 0..<1_000 {
            if turn > 0, deadline.isPassed(at: sr_now_ns()) {
                throw RingError(
                    .timedOut, ring: ring,
                    "its publisher wrote over each of \(turn) places where this subscriber tried to begin, to the deadline")
            }
            if turn > 16 { sr_sleep_ns(1_000_000) }
            _ = try checkpoints.newestPossible(shape, ring: ring)
            guard let first = checkpoints.first(start, shape) else { continue }
            // Passes over what is not wanted, and judges that walk as a copy is judged.
            var wanted = first
            wanted.advance(to: start, shape, header: header)
            // SYNC: checkpoint (pairs with Checkpoint.publish): the walk before, the checkpoint after.
            sr_fence_acquire()
            guard let newest = try checkpoints.newestPossible(shape, ring: ring), !newest.allowsWriting(over: first.tail, shape) else {
                continue
            }
            before = LossyReader.Totals(wanted)
            return LossyReader.Place(wanted)
        }
        throw RingError(.timedOut, ring: ring, "its publisher wrote over each of 1,000 places where this subscriber tried to begin")
    }

    /// Everything before it was copied, or was missed.
    var position: UInt64 { source.position }

    // MARK: Feeding

    /// Whether a call of `refill` would change something.
    var isAnythingNew: Bool {
        if !header(at: source.position).isAbsent { return true }
        guard let newest = checkpoints.newestWhole?.checkpoint else { return false }
        return newest.allowsWriting(over: source.position, shape)
    }

    /// Copies what is there, for a reader that has handed out everything before. Throws `poisoned`, `system`.
    func refill(_ reader: inout LaneReader) throws(RingError) {
        guard reader.poison == nil, reader.head == source.position else { return }
        for _ in 0..<Self.mostTries {
            let start = source.position
            var needed = 0
            var newest: Checkpoint?
            var failure: RingError?
            var impossible: UInt64?
            var size = 0
            let outcome = source.step { walk in
                copy(&walk, size: &size, needed: &needed, impossible: &impossible)
            } checkpoint: {
                do throws(RingError) { newest = try checkpoints.newestPossible(shape, ring: ring) } catch { failure = error }
                // Where there is none to be had, nothing of the copy is proven.
                return newest ?? Checkpoint(tail: start, messages: 0, byteCount: 0, writeLimit: start &+ 2 &* shape.capacity)
            } resume: { found in
                newest == nil ? nil : LossyReader.Place(found)
            }
            if let failure { throw failure }
            switch outcome {
            case .copied:
                // What was committed lies below the write limit, which only grows.
                guard let newest, Int64(bitPattern: newest.writeLimit &- source.position) > 0 else {
                    throw LaneWriter.impossible(ring, 0, "its records reach to position \(source.position), beyond its write limit")
                }
                if source.position != start {
                    unsafe sr_store_relaxed_u64(buffer + size, 0)
                    unsafe reader.feed(UnsafeRawPointer(buffer), at: start)
                    return
                }
                if let impossible {
                    throw LaneWriter.impossible(ring, 0, "the record header at position \(start) is 0x\(String(impossible, radix: 16))")
                }
                if needed == 0 { return }  // nothing is there
                try grow(to: needed, &reader)
            case .overtaken(let miss):
                guard let missed = miss?.missed else {
                    throw LaneWriter.impossible(
                        ring, 0, "by its checkpoint \(source.position) comes behind \(start), and the messages in between can't be counted")
                }
                missedMessages.wrappingAdd(missed.messages, ordering: .relaxed)
                missedBytes.wrappingAdd(missed.byteCount, ordering: .relaxed)
                empty(&reader)
            case .lost: return
            }
        }
    }

    /// Copies records as long as the buffer has room for them and for a header of 0. `needed`: for the first one, if it has not.
    private func copy(_ walk: inout RecordWalk, size: inout Int, needed: inout Int, impossible: inout UInt64?) -> LossyReader.Totals {
        var totals = LossyReader.Totals()
        while true {
            let position = walk.position
            var next = walk
            let step = next.next(header)
            let record: RecordWalk.Record
            switch step {
            case .message(let found), .end(let found): record = found
            case .absent, .beyondCapacity: return totals
            case .malformed(_, let bits):
                impossible = bits
                return totals
            }
            let spacing = Int(truncatingIfNeeded: next.position &- position)
            guard size + spacing + 8 <= bufferSize else {
                if size == 0 { needed = spacing + 8 }
                return totals
            }
            // SAFETY: the record lies in the double mapping, and fits the buffer.
            let place = unsafe data + Int(truncatingIfNeeded: position & shape.mask)
            unsafe sr_store_relaxed_u64(buffer + size, record.header.bits)
            if !record.header.isEnd {
                unsafe sr_copy(buffer + size + shape.messageOffset, place + shape.messageOffset, Int64(record.byteCount))
                totals.count(record)
            }
            size += spacing
            walk = next
        }
    }

    private func grow(to needed: Int, _ reader: inout LaneReader) throws(RingError) {
        guard let larger = unsafe sr_memory(UInt64(needed)) else { throw Self.noMemory(needed, ring) }
        unsafe sr_memory_free(buffer)
        unsafe buffer = larger
        bufferSize = needed
        empty(&reader)
    }

    /// Has the reader stand where `source` does, with nothing before it.
    func empty(_ reader: inout LaneReader) {
        unsafe sr_store_relaxed_u64(buffer, 0)
        unsafe reader.feed(UnsafeRawPointer(buffer), at: source.position)
    }
}

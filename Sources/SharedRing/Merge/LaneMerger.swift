import CSharedRing
import Synchronization

/// What a merging consumer needs off its fast path: its lanes, and which of them comes next.
///
/// The fast path is one lane's: `cursor` names a reader and how many messages may be taken there before the others get
/// their turn. Everything else is decided here.
///
/// Invariants between two calls, whatever other processes write; `checkInvariants` checks them:
/// - With a budget, the cursor's reader is that of the lane in hand, and the owner has this side (`phase`).
/// - `lanes` and the rows of `table` are the same lanes, in the same places. A lane is known iff it is among them or broken.
/// - The place of each lane that is not in hand is that of its reader.
/// - A lane that is abandoned is poisoned. Each lane's reader holds its own invariants.
///
/// What is where: `+Choosing`, the next message's lane; `+Draining`; `+Waiting`, with a thread and without; `+Acknowledging`; `+Ending`;
/// `+TotalOrder`; `+Invariants`.
@safe
@usableFromInline
final class LaneMerger: @unchecked Sendable {
    /// What came.
    @usableFromInline
    enum Arrival {
        /// A message stands at the head of the cursor's lane.
        case message
        /// Every producer has ended; see `MergingConsumer.Ending`.
        case ended
    }

    /// The lane in hand.
    @safe
    @usableFromInline
    struct Cursor {
        /// Nil: no lane was in hand yet. Then there is no budget either.
        @usableFromInline var lane: UnsafeMutablePointer<LaneReader>?
        /// How many messages may still be taken there. 0 also where the cursor is shut: the fast path comes to `poll` then.
        @usableFromInline var budget: Int
        /// Total order: messages with smaller tickets than this may be taken there.
        @usableFromInline var limit: UInt64 = 0
        /// In a drain: where it began in this lane.
        @usableFromInline var drainStart: UInt64 = 0

        /// The lane's reader. Only with a budget, or while a lane is in hand.
        @inlinable var reader: UnsafeMutablePointer<LaneReader> {
            // SAFETY: with a budget there is a lane.
            unsafe lane.unsafelyUnwrapped
        }
    }

    let role: ConsumerRole
    /// When the merged streams end as a whole. One thread has this side at a time, and no step of it calls back, so accesses are exclusive: checking
    /// that would cost each poll two calls of the runtime.
    @safe @exclusivity(unchecked) var endOfStreams: EndOfStreams
    let budget: Int
    let isManual: Bool
    let prefault: Bool
    @usableFromInline let isTotallyOrdered: Bool
    /// More records than this never stand in all lanes at once.
    @usableFromInline let mostRecords: Int

    /// In the order in which they were found in use; a lane's place here never changes.
    var lanes: [MergedLane] = []
    /// What of `lanes` every look needs, by the same places.
    let table: UnsafeMutablePointer<LaneTable>

    /// Atomic, because they may be asked for while a waiter thread counts. Relaxed: they order nothing.
    let closed = Atomic(0)
    let died = Atomic(0)
    var ends: ProducerEnds { ProducerEnds(closed: closed.load(ordering: .relaxed), died: died.load(ordering: .relaxed)) }
    /// The ends that the owner has not taken.
    struct NewEnds {
        /// The newest ones.
        var list: [ProducerEnd] = []
        /// Whether a wait has ended since the last of them came: it ends no further one, or an owner that never takes them would not come to rest.
        var hasEndedWait = true
    }
    /// Behind a lock: the owner takes them while the waiter thread has this side, too.
    let newEnds = Guarded(NewEnds())
    let watch: Watch
    /// Whether a task waits for a producer, and not for a message.
    var isProducerWanted = false
    /// Which side runs the merge: the owner or the waiter thread.
    var phase = MergePhase<Cursor>.owned
    /// The lanes in use that could not be set up: what is in them can't be received, and must not be taken for received.
    var brokenLanes: [Int] = []
    /// What was found while only messages were asked for; the next `poll` reports it.
    var pending: Result<Arrival, RingError>?
    @usableFromInline let cursor: UnsafeMutablePointer<Cursor>

    var attachment: Attachment { role.attachment }

    /// Goes on where the last consumer's acknowledgements ended. The attachment holds the consumer's byte.
    init(
        attachment: Attachment, expectedEnds: ExpectedEnds?, budget: Int, acknowledgement: Acknowledgement,
        waiting: WaitStrategy, checkInterval: Duration, prefault: Bool
    ) throws(RingError) {
        guard budget > 0 else {
            throw attachment.error(.invalidOption, "the budget of messages a visit must be at least 1, not \(budget)")
        }
        let header = attachment.header
        endOfStreams = EndOfStreams(expectedEnds)
        self.budget = budget
        self.prefault = prefault
        isManual = acknowledgement == .manual
        isTotallyOrdered = header.isTotallyOrdered
        mostRecords = LaneShape(header).mostRecords * header.laneCount
        unsafe table = .allocate(capacity: 1)
        unsafe table.initialize(to: LaneTable(laneCount: header.laneCount))
        unsafe cursor = .allocate(capacity: 1)
        // No lane yet: with no budget the fast path does not look at the reader.
        unsafe cursor.initialize(to: Cursor(lane: nil, budget: 0))
        role = ConsumerRole(attachment, seat: .consumer(of: attachment), waiting: waiting, checkInterval: checkInterval)
        watch = Watch(role.sleeper)
        if expectedEnds != nil, unsafe sr_load_relaxed_u32(sr_unreported_death(attachment.consumer)) != 0 {
            endOfStreams.note(
                attachment.error(
                    .peerDied, "a producer went away without closing; an earlier consumer noted that and ended before it reported it"))
        }
        do throws(RingError) { try findNewLanes() } catch { pending = .failure(error) }
        for lane in lanes { lane.wakeProducer() }  // a producer that waits for a consumer is woken
    }

    deinit {
        if !attachment.isInherited && !phase.isEnded {
            settle()
            attachment.unlock()
        }
        unsafe table.deinitialize(count: 1)
        unsafe table.deallocate()
        role.cancelFlag.detach()
        unsafe cursor.deallocate()
    }

    // MARK: Lanes

    /// Adds the lanes that came into use since the last call. O(lanes / 64) when there is none.
    ///
    /// The caller decides when: after the barrier before sleep, and in a total order after loading the counter. A bitmap
    /// kept over either loses messages of a lane that was new.
    func findNewLanes() throws(RingError) {
        // SAFETY: the bitmap has room for every lane the header admits.
        let bitmap = unsafe sr_lanes_used(attachment.control, 0)
        let known = unsafe table.pointee.known
        for word in 0..<known.count {
            // SYNC: lane-in-use (pairs with ProducerCore.init)
            var new = unsafe sr_load_acquire_u64(bitmap + word) & ~known[word]
            while new != 0 {
                let number = word * 64 + new.trailingZeroBitCount
                new &= new - 1
                guard number < attachment.header.laneCount else { break }  // an untrusted peer set the bit
                unsafe known[word] |= 1 << UInt64(number % 64)
                // Should this throw, the lane stays out: its head makes no sense, or there is no address space for it.
                brokenLanes.append(number)  // until it is set up
                let lane = try MergedLane(number, attachment: attachment, isManual: isManual, prefault: prefault)
                brokenLanes.removeLast()
                unsafe role.cancelFlag.attach(&lane.reader.pointee.cancelled, closing: &lane.reader.pointee.lastSize)
                lanes.append(lane)
                unsafe table.pointee.append(lane)
            }
        }
    }

    /// Whether `findNewLanes` would find one.
    var isAnyLaneNew: Bool {
        // SAFETY: as in `findNewLanes`. Relaxed: it only says where to look.
        let bitmap = unsafe sr_lanes_used(attachment.control, 0)
        let known = unsafe table.pointee.known
        for word in 0..<known.count where unsafe sr_load_relaxed_u64(bitmap + word) & ~known[word] != 0 { return true }
        return false
    }

    // SAFETY, from here on: an index is the place of a lane; its reader belongs to the lane, and only this thread uses it.

    /// Puts the lane in hand down.
    func leaveCurrent() {
        guard let index = unsafe table.pointee.current else { return }
        unsafe table.pointee.cursors[index] = table.pointee.rows[index].reader.pointee.cursor
        unsafe move(lastLane, budget: 0)
        unsafe table.pointee.current = nil
    }

    func take(_ index: Int, budget: Int, limit: UInt64 = 0) {
        unsafe table.pointee.current = index
        let start = unsafe table.pointee.isDraining ? table.pointee.drainStart(of: index) : 0
        unsafe move(table.pointee.rows[index].reader, budget: budget, limit: limit, drainStart: start)
    }

    /// Moves the cursor of the side that runs the merge.
    private func move(_ lane: UnsafeMutablePointer<LaneReader>?, budget: Int, limit: UInt64 = 0, drainStart: UInt64 = 0) {
        let next = unsafe Cursor(lane: lane, budget: budget, limit: limit, drainStart: drainStart)
        if phase.move(to: next) { unsafe cursor.pointee = next }
    }

    /// Of the lane that was in hand last.
    var lastLane: UnsafeMutablePointer<LaneReader>? { unsafe (phase.kept ?? cursor.pointee).lane }
}

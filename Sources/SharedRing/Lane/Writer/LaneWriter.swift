public import CSharedRing

/// The producer's side of a lane: the protocol that makes messages exist.
///
/// Its state is private to the producer and lies at a fixed address outside the segment, because claims and batches refer
/// to it while the producer is borrowed. It is not copyable, so that no call can copy it, references and all, by the way.
///
/// A position is 64 bits wide, only ever grows, and is masked when it becomes an address. The cursor is such an address; sending moves it on
/// without looking at the position.
///
/// Invariants between two calls, whatever other processes write; `checkInvariants` checks them:
/// - The cursor lies in the double mapping, and where the tail's position does.
/// - The run starts at or before the cursor, less than two capacities, and `counted.tail` is its position.
/// - There is a run: then the bytes from its start to the cursor are a multiple of `runSpacing`, which is the spacing of `runSize`, and nothing
///   is counted one by one. Or `runSize` is `mixed`: then messages are counted one by one iff the cursor is behind the run's start.
/// - `lastHead <= tail <= writeLimit <= lastHead + capacity`, as differences.
/// - What is counted up to the run's start differs from what is published in no write limit: that is published before it is used.
/// - A commit looks at the word of `sleepers` or, of a plain lane, at `alwaysSet`.
/// - The window is closed, or ends no further from the cursor than the largest message, inside the double mapping, and so that what fits
///   there ends before the write limit. It is closed if the lane is not plain, or poisoned.
///
/// What is where: `+Window`, room and the consumer's head; `+Counting`, runs and checkpoints; `+Commit`, records and the wake; `+Ahead`, the lines of
/// the next message; `+TotalOrder`, tickets; `+Invariants`.
@safe
@usableFromInline
struct LaneWriter: ~Copyable {
    // Read by every send, and no more than these: each further load costs it a tenth of its time.
    /// Where the next record goes. It lies in the double mapping, mostly in the first half.
    @usableFromInline var cursor: UnsafeMutableRawPointer
    /// End of the fast-path window, an address: a message of n bytes fits iff cursor + n <= windowEnd. `closed` where none does,
    /// because the lane is poisoned, the process was forked, the waiter thread has this side, the canceller was used, or the lane is not plain. A
    /// canceller stores that from any thread, so both store and load it as an atomic word.
    @usableFromInline var windowEnd = LaneWriter.closed
    /// A run is messages of one size, one after the other. They are not counted one by one: how far they reach says how many they are.
    /// This is their size, and what the record of each takes. `mixed`: there is no run, and they are counted one by one.
    @usableFromInline var runSize = LaneWriter.mixed
    @usableFromInline var runSpacing: Int
    @usableFromInline var mixedMessages = 0
    @usableFromInline var mixedBytes = 0
    /// The word that a commit looks at; odd: there is more to do behind it. Mostly the word of `sleepers`: odd, there may be a sleeper. While
    /// messages are far between `alwaysSet`, so that the fast path has no instruction more; see `+Ahead`.
    @usableFromInline var doorbell: UnsafeMutablePointer<UInt32>

    @usableFromInline let data: UnsafeMutableRawPointer
    @usableFromInline let shape: LaneShape
    /// Where the run began: the address of `counted.tail`.
    var runStart: UnsafeMutableRawPointer
    /// Of the messages that were last counted one by one.
    var averageSize = 0
    /// What was sent before the run; its tail is the position of `runStart`. And the write limit that is published, or published next.
    var counted: Checkpoint
    /// The checkpoint that was published last.
    var published: Checkpoint
    /// The head that was last seen.
    var lastHead: UInt64
    @usableFromInline let control: UnsafeMutablePointer<sr_lane_control>
    /// The fork generation this belongs to.
    let generation = sr_fork_generation()
    let usesAsymmetricBarrier: Bool
    /// Whether a commit is a store of the header and a look at the doorbell, and nothing else: no tickets, and the asymmetric barrier.
    @usableFromInline let isPlain: Bool
    /// The ring's ticket counter, where its lanes are in a total order.
    let tickets: UnsafeMutablePointer<UInt64>?
    /// Where room comes from.
    let gate: SpaceGate
    /// Whom a commit wakes.
    let sleepers: CommitSleepers
    /// Where checkpoints are published.
    let checkpoints: CheckpointPlace
    /// When room was opened last, and how many messages were sent before: how far between they are.
    var opened: (at: Int64, messages: UInt64)?

    /// The position after the last end of a stream that was unread when it was seen; another directly after it is left out.
    var positionAfterEnd: UInt64?
    let ring: String
    let lane: Int
    /// What closes the window in a forked child.
    var forkGate = unsafe sr_fork_gate()
    /// Not 0: the canceller was used. Written by `CancelFlag` alone, from any thread.
    var cancelled: UInt32 = 0
    /// Set when the consumer's words can't be true; every later operation throws it.
    var poison: RingError?

    /// In `windowEnd`: nothing fits. An address that is before every cursor, as differences wrap: -1. The canceller and the fork gate store it.
    static let closed = UInt64.max
    /// In `runSize`: there is no run. No message has this size.
    @inlinable static var mixed: Int { -1 }

    /// Takes a lane over where its last producer left it: walks the committed records from head to the first absent one.
    ///
    /// The caller holds the lane's byte, so no other process writes; the consumer may be reading. `data` is the double mapping.
    /// Throws `poisoned` if the walk meets what no producer writes. O(records in the lane).
    init(
        data: UnsafeMutableRawPointer, shape: LaneShape, control: UnsafeMutablePointer<sr_lane_control>,
        doorbell: UnsafeMutablePointer<UInt32>, tickets: UnsafeMutablePointer<UInt64>?, usesAsymmetricBarrier: Bool,
        ring: String, lane: Int
    ) throws(RingError) {
        unsafe self.data = data
        self.shape = shape
        unsafe self.control = control
        unsafe self.doorbell = doorbell
        unsafe self.tickets = tickets
        // SAFETY: both words lie in the control mapping, which the attachment keeps.
        gate = unsafe .consumer(head: sr_head(control))
        sleepers = unsafe .one(doorbell: doorbell)
        checkpoints = unsafe .lane(control)
        self.usesAsymmetricBarrier = usesAsymmetricBarrier
        isPlain = unsafe usesAsymmetricBarrier && tickets == nil
        self.ring = ring
        self.lane = lane
        // SAFETY: `control` lies in the control mapping; every position is masked and every count checked before use, so
        // all reads stay inside the double mapping.
        // SYNC: space-given (pairs with LaneReader.storeHead)
        let head = unsafe sr_load_acquire_u64(sr_head(control))
        lastHead = head
        // Until the end of this all that is stored stands for nothing; the compiler wants it before the first throw.
        unsafe cursor = data
        unsafe runStart = data
        runSpacing = Int(shape.spacing(0))
        counted = unsafe Checkpoint(control)
        published = counted
        guard shape.isAligned(head) else {
            throw Self.impossible(ring, lane, "its head is \(head), no multiple of its record alignment \(shape.alignment)")
        }
        try takeOver(RecordWalk(shape, fromHead: head), beyond: "further than its capacity \(shape.capacity)")
        unsafe openWindow(for: 0, at: cursor)
    }

    /// Goes on behind the records that a predecessor has committed, and counts them. Throws `poisoned` if there is what no producer writes.
    ///
    /// - Parameters:
    ///   - records: the walk over them, from a boundary on.
    ///   - limit: what no record may end beyond, for people.
    mutating func takeOver(_ records: RecordWalk, beyond limit: @autoclosure () -> String) throws(RingError) {
        let start = records.position
        var walk = records
        walk: while true {
            switch walk.next({ position in unsafe RecordHeader(at: position, in: data, shape) }) {
            case .message: positionAfterEnd = nil
            case .end: positionAfterEnd = walk.position
            case .absent: break walk
            case .malformed(let position, let bits):
                throw Self.impossible(ring, lane, "the record header at position \(position) is 0x\(String(bits, radix: 16))")
            case .beyondCapacity(_, let end):
                throw Self.impossible(ring, lane, "its records reach from \(start) to \(end), \(limit())")
            }
        }
        // What was sent since the last checkpoint. One of an untrusted peer, or of a client that publishes none, may lead elsewhere; then its counts
        // stand as they are.
        var inherited = counted
        inherited.countOn(shape) { position in unsafe RecordHeader(at: position, in: data, shape) }
        if inherited.tail == walk.position { counted = inherited }
        counted.tail = walk.position
        unsafe cursor = place(at: counted.tail)
        unsafe runStart = cursor
    }

    static func impossible(_ ring: String, _ lane: Int, _ what: String) -> RingError {
        RingError(.poisoned, ring: ring, "lane \(lane) was corrupted by another process: \(what)")
    }

    // MARK: Positions

    /// The position of the next record.
    var tail: UInt64 { unsafe counted.tail &+ UInt64(bitPattern: Int64(cursor - runStart)) }

    /// The position of an address that is the next record's, or one behind that which is not committed.
    func position(of place: UnsafeMutableRawPointer) -> UInt64 {
        unsafe tail &+ UInt64(bitPattern: Int64(place - cursor)) & shape.mask
    }

    /// Where the header of a record at `position` stands.
    @inlinable
    func place(at position: UInt64) -> UnsafeMutableRawPointer {
        // SAFETY: the masked position lies in the first mapping, and a record that fits ends in the second.
        unsafe data + Int(truncatingIfNeeded: position & shape.mask)
    }

    // MARK: Refusing

    /// From now on every operation throws this.
    mutating func refuse(_ error: RingError) {
        closeWindow()
        poison = error
    }

    mutating func requireUsable() throws(RingError) {
        // First: a child may have a writer that its parent had handed over, and that refuses with another error.
        guard generation == sr_fork_generation() else {
            throw RingError(.forked, ring: ring, "this endpoint belongs to the parent of this forked process")
        }
        if let poison { throw poison }
    }

    /// Whether a task waits on this lane, whose room is its own then.
    var isAwaited: Bool { poison?.code == .alreadyWaiting && generation == sr_fork_generation() }
}

public import CSharedRing
import Synchronization

/// The consumer's side of a lane: finding records, and giving their space back.
///
/// Its state is private to the consumer and lies at a fixed address outside the segment, because a message refers to it
/// while the consumer is borrowed. It is not copyable, so that no call can copy it, references and all, by the way. It only
/// reads the data, though mostly through a writable mapping; see `EndpointOptions.isDataReadOnly`.
///
/// Invariants between two calls, whatever other processes write; `checkInvariants` checks them:
/// - The cursor lies in the first mapping, and where the head's position does. The head is a record boundary.
/// - `published` is a record boundary at or before the head.
/// - The loan is one of the states of `Loan`. While a message is out, `lastSpacing` is what its record takes.
/// - `lastSize` is `noSize`, or the size of a message of this lane whose record takes `lastSpacing`.
/// - The lane is poisoned, or `cursorLimit` lies behind the cursor, and the next proof at most a lap behind the head.
/// - A poisoned reader hands out nothing.
///
/// What is where: `+Finding`, the next message; `+Finishing`, the loan's end and acknowledgement; `+Laps`, a lane without an end; `+TotalOrder`,
/// tickets; `+Invariants`.
@safe
@usableFromInline
struct LaneReader: ~Copyable {
    // Read by every receive, and no more than these; see `LaneWriter`.
    /// Where the next record stands that is to be handed out. It lies in the first mapping of the two.
    @usableFromInline var cursor: UnsafeRawPointer
    /// The loan of a message, in one word; `loan` says which state it is. Even: none is out. Odd: one is, of which it is the id; or
    /// `nothingMore`. It only grows, and every reader of this process has numbers of its own. A forked child finds `nothingMore` in it.
    @usableFromInline var handedOut: UInt64
    /// The size of the record that was handed out last, as headers hold it, and what it takes: mostly the next has the same, and to
    /// compare is quicker than to check it and to work it out again. `noSize` where every record is looked at: in a lane with tickets, and while the
    /// canceller is used, which stores it from any thread. So both store and load it as an atomic word.
    @usableFromInline var lastSize: UInt64
    @usableFromInline var lastSpacing: Int
    /// From this address on finished messages are acknowledged although more messages are there. At most the end of the first mapping.
    @usableFromInline var cursorLimit: UnsafeRawPointer

    @usableFromInline let data: UnsafeRawPointer
    @usableFromInline let shape: LaneShape
    /// A position, and its address: `head` follows from them and the cursor.
    var knownHead: UInt64
    var knownCursor: UnsafeRawPointer
    /// Where this consumer began.
    let start: UInt64
    /// When the head gets here it is asked whether a producer can have written so far: a lap after it was asked last.
    var nextProof: UInt64
    /// Where producers publish no checkpoints: an epoch in which no process could write beyond `nextProof`, because none held the lane's byte.
    var idleEpoch: UInt32
    /// Whether the byte was free then. A producer that came before this consumer may hold it.
    var isIdleEpochProven = false
    /// In `handedOut`, the loan `ended`: this reader hands out nothing any more, because its lane is poisoned, its process was forked (see
    /// `ReaderStorage`) or the waiter thread has it. Odd, so it keeps every fast path away; and no id.
    static let nothingMore = UInt64.max
    /// In `lastSize`: no record is like the last one. Headers hold 32 bits of size, so none equals it.
    static let noSize = UInt64.max
    /// The head that the producer can see: everything before it is acknowledged.
    var published: UInt64
    /// How far `published` may lag behind while messages keep coming. With manual acknowledgement as far as it will.
    let largestLag: Int
    /// The words of the lane's producer, among others.
    @usableFromInline let control: UnsafeMutablePointer<sr_lane_control>
    /// What this side acknowledges by: the lane's head, or a subscriber's own.
    let headWord: UnsafeMutablePointer<UInt64>
    /// Counts, for observers, how often this side woke the producer.
    @usableFromInline let wakes: UnsafeMutablePointer<UInt64>
    let checkpoints: CheckpointPlace
    /// The fork generation this belongs to.
    let generation = sr_fork_generation()
    @usableFromInline let usesAsymmetricBarrier: Bool
    /// Whether acknowledging waits for an explicit call.
    @usableFromInline let isManual: Bool

    /// Total order: the largest ticket that was seen, and the position of its record; before the first one, no position. It is that of the record at the
    /// head, or of one before, or of one behind: the last of a run that is being handed out.
    @usableFromInline var ticket: UInt64 = 0
    var ticketPosition = LaneReader.noTicket
    /// In `ticketPosition`: no ticket was seen. No record boundary is odd.
    static let noTicket: UInt64 = 1
    var pacing = Pacing()
    /// How often to look before waiting in the general way, which takes longer to begin than an answer from another core.
    @usableFromInline let firstPolls: Int
    @usableFromInline let lane: Int
    let ring: String
    let lock: RoleLock
    /// What stores `nothingMore` in a forked child.
    var gate = unsafe sr_fork_gate()
    /// Not 0: the canceller was used. Written by `CancelFlag` alone, from any thread.
    var cancelled: UInt32 = 0
    /// Set when the producer wrote what cannot be; every later operation throws it.
    var poison: RingError?

    /// Starts where the last consumer's acknowledgements ended. Throws `poisoned` if that is no position of this lane.
    init(
        data: UnsafeRawPointer, shape: LaneShape, control: UnsafeMutablePointer<sr_lane_control>, usesAsymmetricBarrier: Bool,
        isManual: Bool, firstPolls: Int = 0, ring: String, lane: Int, lock: RoleLock, head headWord: UnsafeMutablePointer<UInt64>? = nil,
        wakes: UnsafeMutablePointer<UInt64>? = nil, checkpoints: CheckpointPlace? = nil
    ) throws(RingError) {
        // SAFETY: all words lie in the control mapping.
        unsafe self.headWord = headWord ?? sr_head(control)
        unsafe self.wakes = wakes ?? sr_consumer_wakes(control)
        self.checkpoints = unsafe checkpoints ?? .lane(control)
        unsafe self.data = data
        self.shape = shape
        unsafe self.control = control
        self.usesAsymmetricBarrier = usesAsymmetricBarrier
        self.isManual = isManual
        self.firstPolls = firstPolls
        self.ring = ring
        self.lane = lane
        self.lock = lock
        largestLag = Int(isManual ? shape.capacity : shape.capacity / 8)
        handedOut = Self.numbers.add(1 << 45, ordering: .relaxed).newValue
        lastSize = Self.noSize
        lastSpacing = 0
        // SAFETY: `control` lies in the control mapping.
        // SYNC: take-over (pairs with `storeHead` of the consumer before; the role byte orders the two besides)
        let head = unsafe sr_load_acquire_u64(self.headWord)
        published = head
        start = head
        knownHead = head
        nextProof = head &+ shape.capacity
        // SYNC: epoch (pairs with ProducerCore.init and .close). Of an odd epoch it is not known that no process held the byte.
        idleEpoch = unsafe sr_load_acquire_u32(sr_producer_epoch(control))
        unsafe knownCursor = data + Int(head & shape.mask)
        unsafe cursor = knownCursor
        unsafe cursorLimit = cursor
        settleCursor()
        guard head & (shape.alignment &- 1) == 0 else {
            throw RingError(
                .poisoned, ring: ring,
                "lane \(lane) was corrupted by another process: its head is \(head), no multiple of its record alignment \(shape.alignment)"
            )
        }
    }

    private static let numbers = Atomic<UInt64>(0)

    // MARK: Positions

    /// The position of the next record to hand out.
    @usableFromInline
    var head: UInt64 { unsafe knownHead &+ UInt64(bitPattern: Int64(cursor - knownCursor)) }

    /// Brings the cursor back to the first mapping, and works out its limit.
    mutating func settleCursor() {
        let head = head
        // SAFETY: the cursor lies before the end of the second mapping, since no record there is longer than a mapping.
        let end = unsafe data + Int(shape.capacity)
        if unsafe cursor >= end { unsafe cursor -= Int(shape.capacity) }
        knownHead = head
        unsafe knownCursor = cursor
        unsafe cursorLimit = min(cursor + min(largestLag, Int(truncatingIfNeeded: nextProof &- head)), end)
    }

    // MARK: Refusing

    mutating func poison(with what: String) {
        poison = RingError(.poisoned, ring: ring, "lane \(lane) was corrupted by another process: \(what)")
        handedOut = Self.nothingMore
    }

    /// From now on nothing is handed out, and every operation throws this.
    mutating func refuse(_ error: RingError) {
        handedOut = Self.nothingMore
        poison = error
    }

    /// Throws if this process was forked since, or the lane is poisoned. Called off the fast path, before any access.
    func requireUsable() throws(RingError) {
        // First: a child may have a reader that its parent had handed over, and that refuses with another error.
        guard isOfThisProcess else {
            throw RingError(.forked, ring: ring, "this endpoint belongs to the parent of this forked process")
        }
        if let poison { throw poison }
    }

    var isOfThisProcess: Bool { generation == sr_fork_generation() }
}

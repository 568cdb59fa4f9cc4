public import CSharedRing
import Synchronization

/// The consumer's side of a lane: finding records, and giving their space back.
///
/// Its state is private to the consumer and lies at a fixed address outside the segment, because a message refers to it
/// while the consumer is borrowed. It is not copyable, so that no call can copy it, references and all, by the way. The data
/// is mapped read-only.
@safe
@usableFromInline
struct LaneReader: ~Copyable {
    // Read by every receive, and no more than these; see `LaneWriter`.
    /// Where the next record stands that is to be handed out. It lies in the first mapping of the two.
    @usableFromInline var place: UnsafeRawPointer
    /// Tells whether a message is out: even, none is; odd, one, of which it is the id; `nothingMore`. It only grows, and every reader of
    /// this process has numbers of its own.
    @usableFromInline var handedOut: UInt64
    /// The size of the record that was handed out last, as headers hold it, and what it takes: mostly the next has the same, and to
    /// compare is quicker than to check it and to work it out again. `noSize` where every record is looked at;
    /// a canceller stores it, from any thread. So both store and load it as an atomic word.
    @usableFromInline var lastSize: UInt64
    @usableFromInline var lastSpacing: Int
    /// From this place on space is given back though more messages are there; or here the first mapping ends.
    @usableFromInline var due: UnsafeRawPointer

    @usableFromInline let data: UnsafeRawPointer
    @usableFromInline let shape: LaneShape
    /// A position, and its place: they say what `head` is.
    private var knownHead: UInt64
    private var knownPlace: UnsafeRawPointer
    /// Where this consumer began.
    let start: UInt64
    /// When the head gets here it is asked whether a producer can have written so far: a lap after it was asked last.
    private var nextProof: UInt64
    /// Where producers publish no checkpoints: an epoch in which nobody could write beyond `nextProof`, because nobody held the lane's byte.
    private var idleEpoch: UInt32
    /// Whether the byte was free then. A producer that came before this consumer may hold it.
    private var isIdleEpochProven = false
    /// In `handedOut`: this reader hands out nothing any more, because its lane is poisoned, its process was forked (see
    /// `ReaderStorage`) or the waiter thread has it. Odd, so it keeps every fast path away; and no id.
    static let nothingMore = UInt64.max
    private static let noSize = UInt64.max
    /// The head that the producer can see: everything before it is acknowledged.
    private(set) var published: UInt64
    /// How far `published` may lag behind while messages keep coming. With manual acknowledgement as far as it will.
    private let largestLag: Int
    @usableFromInline let control: UnsafeMutablePointer<sr_lane_control>
    /// The fork generation this belongs to.
    let generation = sr_fork_generation()
    @usableFromInline let usesAsymmetricBarrier: Bool
    /// Whether acknowledging waits for an explicit call.
    @usableFromInline let isManual: Bool

    /// Total order: the ticket that was seen last, and the position of its record; before the first one, no position.
    @usableFromInline var ticket: UInt64 = 0
    @usableFromInline var ticketPosition: UInt64 = 1
    private var pacing = Pacing()
    /// How often to look before waiting in the general way, which takes longer to begin than an answer from another core.
    @usableFromInline let firstPolls: Int
    @usableFromInline let lane: Int
    let ring: String
    private let lock: RoleLock
    /// What stores `nothingMore` in a forked child.
    var gate = unsafe sr_fork_gate()
    /// Not 0: the canceller was used. Written by `CancelFlag` alone, from any thread.
    var cancelled: UInt32 = 0
    /// Set when the producer wrote what cannot be; every later operation throws it.
    var poison: RingError?

    /// Starts where the last consumer's acknowledgements ended. Throws `poisoned` if that is no position of this lane.
    init(
        data: UnsafeRawPointer, shape: LaneShape, control: UnsafeMutablePointer<sr_lane_control>, usesAsymmetricBarrier: Bool,
        isManual: Bool, firstPolls: Int = 0, ring: String, lane: Int, lock: RoleLock
    ) throws(RingError) {
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
        let head = unsafe sr_load_acquire_u64(sr_head(control))
        published = head
        start = head
        knownHead = head
        nextProof = head &+ shape.capacity
        // SYNC: epoch (pairs with ProducerSide.init and .close). Odd is no epoch of which it is known that nobody held the byte.
        idleEpoch = unsafe sr_load_acquire_u32(sr_producer_epoch(control))
        unsafe knownPlace = data + Int(head & shape.mask)
        unsafe place = knownPlace
        unsafe due = place
        settlePlace()
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
    var head: UInt64 { unsafe knownHead &+ UInt64(bitPattern: Int64(place - knownPlace)) }

    /// Brings the place back to the first mapping, and works out when it is to be looked at again.
    private mutating func settlePlace() {
        let head = head
        // SAFETY: a place before the end of the first mapping, and no record there is longer than a mapping.
        let end = unsafe data + Int(shape.capacity)
        if unsafe place >= end { unsafe place -= Int(shape.capacity) }
        knownHead = head
        unsafe knownPlace = place
        unsafe due = min(place + min(largestLag, Int(truncatingIfNeeded: nextProof &- head)), end)
    }

    // MARK: A lane without an end

    /// Once a lap: whether a producer can have written all that was read. If not, the lane is poisoned.
    ///
    /// The consumer never writes into a lane, so it would go round for ever in one that is full of records: a peer's doing that has gone
    /// since, or that of a producer with a fault.
    private mutating func proveWritten() {
        let head = head
        guard poison == nil, Int64(bitPattern: head &- nextProof) >= 0 else { return }
        nextProof = head &+ shape.capacity
        // SAFETY: `control` lies in the control mapping.
        // SYNC: account (pairs with Checkpoint.publish). The record before the head was loaded before. So was the checkpoint that
        // allowed it stored, or a newer one. A mixture of two is as good: write limits only grow.
        let turn = unsafe sr_load_acquire_u64(sr_checkpoint_turn(control))
        let limit = unsafe Checkpoint(control).writeLimit
        let isPossible =
            if turn != 0 {
                // The terminator at the head was stored below the write limit, which lay no further than the capacity beyond a head that was seen.
                limit &- published <= shape.capacity && head &- published < limit &- published
            } else {
                !isLapIdle()
            }
        if !isPossible { poison(with: "its records reach to position \(head), where its producer can't have written") }
    }

    /// Whether nobody could write since the last time, of a lane whose producers publish no checkpoints. At most one system call.
    ///
    /// Such a producer keeps to the head alone. Who finds the byte free has seen all that its last holder could write: up to a capacity
    /// beyond the head. The next one stores a new epoch before it commits a message.
    private mutating func isLapIdle() -> Bool {
        // SYNC: epoch (pairs with ProducerSide.init and .close): whoever committed what was read has stored its epoch before.
        let epoch = unsafe sr_load_acquire_u32(sr_producer_epoch(control))
        let wasIdle = idleEpoch == epoch
        // The epoch before the byte. A failing query is no proof.
        let isFree = epoch & 1 == 0 || (try? lock.holder(of: .lane(lane))) == .nobody
        // An odd epoch that was only loaded, as at the start, says nothing of the byte; one that was kept does.
        let isProof = wasIdle && isFree && (epoch & 1 == 0 || isIdleEpochProven)
        idleEpoch = epoch
        isIdleEpochProven = isFree
        return isProof
    }

    private mutating func poison(with what: String) {
        poison = RingError(.poisoned, ring: ring, "lane \(lane) was corrupted by another process: \(what)")
        handedOut = Self.nothingMore
    }

    // MARK: Finding

    /// The header at the head; absent if nothing is there yet. The only load by which a message is ever seen.
    @inlinable
    func poll() -> RecordHeader { unsafe Self.header(at: place) }

    @inlinable
    @inline(__always)
    static func header(at place: UnsafeRawPointer) -> RecordHeader {
        // SAFETY: the place is the head's, or that of the record behind the one there: both lie in the double mapping.
        // SYNC: record-visible (pairs with LaneWriter.commit and .storeHeader): with the header come payload and terminator.
        unsafe RecordHeader(bits: sr_load_acquire_u64(place))
    }

    /// Watches the head, where nothing was found just now, for a moment. True: something is there.
    @usableFromInline
    @inline(never)
    mutating func watch(timeout: Duration?) -> Bool {
        guard firstPolls > 0, timeout != .zero, isOfThisProcess else { return false }
        pace()
        for _ in 0..<firstPolls {
            sr_pause()
            if !poll().isAbsent { return true }
        }
        stopPacing()
        return false
    }

    /// Nothing was found: gives the producer a moment, where that pays.
    mutating func pace() { pacing.pause(at: head, spacing: UInt64(truncatingIfNeeded: lastSpacing)) }

    /// Nothing came for longer than a moment.
    mutating func stopPacing() { pacing.reset() }

    /// Where the payload of the record at the head stands.
    @inlinable
    var payload: UnsafeRawPointer {
        // SAFETY: the place lies in the first mapping; a count that `admits` let pass ends in the second.
        unsafe place + shape.messageOffset
    }

    /// The error for a header that no producer writes. Nothing of the record was used.
    mutating func reject(_ header: RecordHeader, ticket: UInt64? = nil) -> RingError {
        let bits = "the record header at position \(head) is 0x\(String(header.bits, radix: 16))"
        let what =
            if let ticket {
                "the ticket \(ticket) at position \(head) was not drawn yet or does not grow"
            } else if header.isEnd {
                "the ends of streams from position \(head &- shape.capacity) to \(head) are more than it has room for"
            } else if header.isPresent {
                "\(bits), a message of \(shape.messageSize(header)) bytes where \(shape.largestMessage) is the largest"
            } else {
                "\(bits), without the mark of a record"
            }
        poison(with: what)
        return poison!
    }

    /// Whether this is an end mark, and no more of them were met since the position `begin` than a lane can hold: a stranger's lane
    /// may be full of them, and a consumer that stepped over one after the other would go round for ever.
    func isMark(_ header: RecordHeader, since begin: UInt64) -> Bool { header.isEnd && head &- begin < shape.capacity }

    /// Throws if this process was forked since, or the lane is poisoned. Called off the fast path, before any access.
    func requireUsable() throws(RingError) {
        // First: a child may have a reader that its parent had handed over, and that refuses with another error.
        guard isOfThisProcess else {
            throw RingError(.forked, ring: ring, "this endpoint belongs to the parent of this forked process")
        }
        if let poison { throw poison }
    }

    var isOfThisProcess: Bool { generation == sr_fork_generation() }

    // MARK: Finishing

    /// A message that stands at the head and may go out.
    @frozen
    @usableFromInline
    @safe
    struct Found {
        /// Its payload.
        @usableFromInline let start: UnsafeRawPointer
        @usableFromInline let byteCount: Int
        @usableFromInline let tag: UInt32
        @usableFromInline let id: UInt64

        @inlinable
        @inline(__always)
        init(_ start: UnsafeRawPointer, _ byteCount: Int, _ tag: UInt32, _ id: UInt64) {
            unsafe self.start = start
            self.byteCount = byteCount
            self.tag = tag
            self.id = id
        }
    }

    /// Looks for the next message; nil if there is none, or none may go out. (The message itself is made in the caller's frame: one that
    /// a function returned, even an inlined one, is not kept in registers.)
    ///
    /// Where the next record stands follows from this one's header, so the processor would fetch headers one after the other.
    /// A branch lets it run ahead: it predicts that this record is as long as the last. Then it is a message of this lane as that was.
    @inlinable
    @inline(__always)
    mutating func find(beforeWaiting: Bool) -> Found? {
        if _slowPath(handedOut & 1 != 0) {
            guard finishWhatIsOut() else { return nil }
        }
        // Both worked out before the header is loaded: behind that the compiler would have to load everything anew.
        let (place, id) = unsafe (place, handedOut &+ 1)
        let header = unsafe Self.header(at: place)
        // Relaxed: what a canceller stored is seen soon, and orders nothing.
        if unsafe _slowPath(UInt64(header.size) != sr_load_relaxed_u64(&lastSize)) {
            return takes(header, beforeWaiting: beforeWaiting) ? findAnew(header, id) : nil
        }
        // 8 is SR_RECORD_HEADER_SIZE: a lane with tickets has `noSize`, and never comes here.
        return unsafe Found(place + 8, header.byteCount, header.tag, id)
    }

    /// Whether the record at the head, which has this header, is a message of this lane, and may be handed out. It is the last one then.
    ///
    /// `beforeWaiting`: by a call that would wait if there were none. Such calls refuse once the canceller was used. They get to know that here: while
    /// it is so, no record is like the last one.
    @usableFromInline
    @inline(never)
    mutating func takes(_ header: RecordHeader, beforeWaiting: Bool) -> Bool {
        guard shape.admits(header) else { return false }
        unsafe sr_store_relaxed_u64(&lastSize, shape.prefix == 0 ? UInt64(header.size) : Self.noSize)
        lastSpacing = Int(truncatingIfNeeded: shape.spacing(shape.messageSize(header)))
        return !(forgetSizeIfCancelled() && beforeWaiting)
    }

    /// Has every record be looked at while the canceller is used.
    ///
    /// SYNC: cancel-seen (pairs with CancelFlag.raise): `lastSize` was stored before, the flag is loaded after. The canceller stores the flag, passes
    /// a membarrier, which runs a full barrier on this core, and stores `lastSize`. So it stores last, or the flag is seen here.
    private mutating func forgetSizeIfCancelled() -> Bool {
        sr_fence_compiler()
        guard unsafe sr_load_relaxed_u32(&cancelled) != 0 else { return false }
        unsafe sr_store_relaxed_u64(&lastSize, Self.noSize)
        return true
    }

    @inlinable
    func findAnew(_ header: RecordHeader, _ id: UInt64) -> Found { unsafe Found(payload, shape.messageSize(header), header.tag, id) }

    /// Finishes a message that is out although its user came back: it was not used since, but is not destroyed yet. False: nothing
    /// may be handed out any more.
    @usableFromInline
    @inline(never)
    @discardableResult
    mutating func finishWhatIsOut() -> Bool {
        if handedOut == Self.nothingMore { return false }
        if handedOut & 1 != 0 {
            handedOut &+= 1
            finish(spacing: lastSpacing)
        }
        return handedOut != Self.nothingMore  // stepping over it may have poisoned the lane
    }

    /// Steps over the message that is out, which has this id and has been used.
    @inlinable
    @inline(__always)
    mutating func finish(_ id: UInt64) {
        handedOut = id &+ 1
        finish(spacing: lastSpacing)
    }

    /// Steps over the record at the head, which has been used.
    @inlinable
    @inline(__always)
    mutating func finish(spacing: Int) {
        // SAFETY: as the lane is mapped twice, the next header follows this record wherever it ends.
        let next = unsafe place + spacing
        unsafe place = next
        // At once when nothing more is there, or a producer that waits for this space and a consumer that waits for its message
        // would wait for ever. And if it is due: lazily, since every store of `head` may cost the producer a cache miss.
        if unsafe _slowPath(next >= due) || _slowPath(Self.header(at: next).isAbsent) { giveBack() }
    }

    /// Hands out the messages that are there now, at most `limit`, with the position kept in a register. Returns how many the
    /// body took; one that throws leaves its message where it is.
    ///
    /// A producer may go on sending meanwhile. It ends a lap behind the position `start`, or an eighth of the capacity later: whatever
    /// stood there when the head was `start` was handed out then.
    @inlinable
    @inline(__always)
    static func run<Failure: Error>(
        _ reader: UnsafeMutablePointer<LaneReader>, from start: UInt64, limit: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        if unsafe reader.pointee.handedOut & 1 != 0 {
            guard unsafe reader.pointee.finishWhatIsOut() else { return 0 }
        }
        guard limit > 0 else { return 0 }
        var header = unsafe reader.pointee.poll()
        var count = 0
        while unsafe reader.pointee.shape.admits(header) {
            // As long as the records are as long as this one, where the next one stands is known before its header arrives.
            let spacing = unsafe Int(truncatingIfNeeded: reader.pointee.shape.spacing(reader.pointee.shape.messageSize(header)))
            let first = header
            repeat {
                let message = unsafe Message(lent: reader, header)
                do throws(Failure) {
                    try body(message)
                } catch {
                    unsafe reader.pointee.giveBack()
                    throw error
                }
                header = unsafe reader.pointee.step(spacing, from: start)
                count &+= 1
                if count == limit {
                    if header.isAbsent { unsafe reader.pointee.giveBack() }
                    return count
                }
            } while header.bits == first.bits
        }
        unsafe reader.pointee.giveBack()
        return count
    }

    /// `finish` for a run of records: the header that stands behind, and no look at whether it is absent. Absent where the run ends.
    @inlinable
    @inline(__always)
    mutating func step(_ spacing: Int, from start: UInt64) -> RecordHeader {
        let next = unsafe place + spacing
        unsafe place = next
        if unsafe _slowPath(next >= due) {
            guard giveBack(of: start) else { return RecordHeader(bits: 0) }
        }
        return unsafe Self.header(at: next)
    }

    /// Acknowledges everything that was finished, unless that is the user's to do, or its process was forked: a body may have done that.
    @usableFromInline
    @inline(never)
    mutating func giveBack() {
        guard handedOut != Self.nothingMore else { return settlePlace() }
        let isDue = unsafe place >= due
        // Where there is no membarrier, a canceller's store to `lastSize` may be lost to one of ours: until here.
        if isDue {
            _ = forgetSizeIfCancelled()
            proveWritten()
        }
        if !isManual && head != published { publish() }
        if isDue { settlePlace() }
    }

    /// `giveBack` in a run. False: the run ends, because it is a lap long, or the lane was poisoned.
    @usableFromInline
    @inline(never)
    mutating func giveBack(of start: UInt64) -> Bool {
        giveBack()
        return !isLap(from: start) && poison == nil
    }

    /// Whether the head is a lap or more behind a position.
    func isLap(from start: UInt64) -> Bool { head &- start >= shape.capacity }

    /// Acknowledges everything that was finished, and wakes a producer that waits for space.
    mutating func publish() {
        storeHead()
        Self.barrier(isAsymmetric: usesAsymmetricBarrier)
        wakeProducerIfAsleep()
    }

    /// Between storing heads and looking at doorbells.
    ///
    /// SYNC: space-doorbell (pairs with Sleeper.declareAsleep): head before, doorbell after. The producer stores the doorbell
    /// before and looks at the head after, so one of the two sees the other.
    @inlinable
    static func barrier(isAsymmetric: Bool) {
        // Asymmetric: the producer's membarrier runs a full barrier on this core, wherever this code is just then.
        if isAsymmetric { sr_fence_compiler() } else { sr_fence_full() }
    }

    // SAFETY, for both: `control` lies in the control mapping, which the attachment keeps.

    mutating func storeHead() {
        published = head
        // SYNC: space-given (pairs with SpaceGate.state and LaneWriter.init): all reads of these records come before.
        // SYNC: take-over (pairs with `init` of the next consumer)
        unsafe sr_store_release_u64(sr_head(control), published)
    }

    /// Acknowledges what lies before this position, and nothing if it is none from the published one to the head.
    mutating func storeHead(before position: UInt64) {
        guard position &- published <= head &- published else { return }
        published = position
        // SYNC: space-given, take-over: as above.
        unsafe sr_store_release_u64(sr_head(control), published)
    }

    /// After `storeHead` and `barrier`.
    @inlinable
    func wakeProducerIfAsleep() {
        // Relaxed: the barrier orders it.
        if unsafe sr_load_relaxed_u32(sr_space_doorbell(control)) != 0 {
            unsafe Doorbell.wake(sr_space_doorbell(control))
            unsafe sr_count(sr_consumer_wakes(control), 1)
        }
    }

    /// From now on nothing is handed out, and every operation throws this.
    mutating func refuse(_ error: RingError) {
        handedOut = Self.nothingMore
        poison = error
    }

    /// Steps over the end mark at the head. It is acknowledged when the caller, who is told of it now, comes back: were this
    /// process killed before, the next consumer is to find it.
    mutating func stepOverMark() {
        unsafe place += Int(shape.spacingOfEnd)
        guard unsafe place >= due else { return }
        proveWritten()
        settlePlace()
    }
}

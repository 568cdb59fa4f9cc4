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
    // Read by every receive.
    @usableFromInline let data: UnsafeRawPointer
    @usableFromInline let shape: LaneShape
    /// The next record to hand out.
    @usableFromInline var head: UInt64
    /// Where this consumer began.
    let start: UInt64
    /// The message that is out, by its `id`; 0 if none is; `nothingMore`, which is no id.
    @usableFromInline var handedOut: UInt64 = 0
    /// In `handedOut`: this reader hands out nothing any more, because its lane is poisoned, its process was forked (see
    /// `ReaderStorage`) or the waiter thread has it. It keeps every fast path away.
    static let nothingMore = UInt64.max
    /// Makes an id of a position: odd, and another one for every reader of this process.
    @usableFromInline let salt: UInt64
    /// The head that the producer can see: everything before it is acknowledged.
    private(set) var published: UInt64
    /// From this position on space is given back though more messages are there.
    @usableFromInline var dueAt: UInt64
    /// The size of the record that was handed out last, as headers hold it, and what follows from it: mostly the next has the
    /// same, and to compare is quicker than to check it and to work it out again.
    @usableFromInline var lastSize: UInt32
    @usableFromInline var lastByteCount: Int
    @usableFromInline var lastSpacing: UInt64
    /// From where the message begins to the header behind it.
    @usableFromInline var lastReach: Int
    /// How far `published` may lag behind while messages keep coming. With manual acknowledgement further than any lane is long.
    private let largestLag: UInt64
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
    /// What stores `nothingMore` in a forked child.
    var gate = unsafe sr_fork_gate()
    /// Set when the producer wrote what cannot be; every later operation throws it.
    var poison: RingError?

    /// Starts where the last consumer's acknowledgements ended. Throws `poisoned` if that is no position of this lane.
    init(
        data: UnsafeRawPointer, shape: LaneShape, control: UnsafeMutablePointer<sr_lane_control>, usesAsymmetricBarrier: Bool,
        isManual: Bool, firstPolls: Int = 0, ring: String, lane: Int
    ) throws(RingError) {
        unsafe self.data = data
        self.shape = shape
        unsafe self.control = control
        self.usesAsymmetricBarrier = usesAsymmetricBarrier
        self.isManual = isManual
        self.firstPolls = firstPolls
        self.ring = ring
        self.lane = lane
        largestLag = isManual ? 1 << 62 : shape.capacity / 8
        salt = Self.salts.add(1 << 45, ordering: .relaxed).newValue
        lastSize = shape.header(byteCount: 0, tag: 0).size
        lastByteCount = 0
        lastSpacing = shape.spacing(0)
        lastReach = Int(lastSpacing) - shape.messageOffset
        // SAFETY: `control` lies in the control mapping.
        // SYNC: take-over (pairs with `storeHead` of the consumer before; the role byte orders the two besides)
        head = unsafe sr_load_acquire_u64(sr_head(control))
        published = head
        dueAt = head &+ largestLag
        start = head
        guard head & (shape.alignment &- 1) == 0 else {
            throw RingError(
                .poisoned, ring: ring,
                "lane \(lane) was corrupted by another process: its head is \(head), no multiple of its record alignment \(shape.alignment)"
            )
        }
    }

    private static let salts = Atomic<UInt64>(1)

    // MARK: Finding

    /// The header at the head; absent if nothing is there yet. The only load by which a message is ever seen.
    @inlinable
    func poll() -> RecordHeader { unsafe Self.header(at: place) }

    @inlinable
    @inline(__always)
    static func header(at place: UnsafeRawPointer) -> RecordHeader {
        // SAFETY: the place is the head's, which lies in the data mapping, masked or not more than a record behind that.
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
    mutating func pace() { pacing.pause(at: head, spacing: lastSpacing) }

    /// Nothing came for longer than a moment.
    mutating func stopPacing() { pacing.reset() }

    /// Where the header at the head stands.
    @inlinable
    var place: UnsafeRawPointer {
        // SAFETY: the masked head lies in the first mapping.
        unsafe data + Int(truncatingIfNeeded: head & shape.mask)
    }

    /// Where the payload of the record at the head stands.
    @inlinable
    var payload: UnsafeRawPointer {
        // SAFETY: the masked head lies in the first mapping; a count that `admits` let pass ends in the second.
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
        let error = RingError(.poisoned, ring: ring, "lane \(lane) was corrupted by another process: \(what)")
        poison = error
        handedOut = Self.nothingMore
        return error
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

    /// Whether the record with this header is as long as the last: then it is a message of this lane as that was, and `lastByteCount`,
    /// `lastSpacing` and `lastReach` are its own.
    ///
    /// Where the next record stands follows from this one's header, so the processor would fetch headers one after the other.
    /// A branch lets it run ahead: it predicts that this record is as long as the last.
    @inlinable
    @inline(__always)
    func isLikeLast(_ header: RecordHeader) -> Bool { header.size == lastSize }

    /// Whether another record, which has this header, is a message of this lane. It is the last one then.
    @usableFromInline
    @inline(never)
    mutating func takes(_ header: RecordHeader) -> Bool {
        guard shape.admits(header) else { return false }
        lastSize = header.size
        lastByteCount = shape.messageSize(header)
        lastSpacing = shape.spacing(lastByteCount)
        lastReach = Int(truncatingIfNeeded: lastSpacing) &- shape.messageOffset
        return true
    }

    /// The message at this position, which is the head, goes out. Its id.
    @inlinable
    @inline(__always)
    mutating func handOut(_ position: UInt64) -> UInt64 {
        handedOut = position &+ salt
        return handedOut
    }

    /// A message that stands at the head and may go out. Its place is worked out before the header is loaded: behind that the compiler
    /// would have to load everything anew.
    @frozen
    @usableFromInline
    @safe
    struct Found {
        @usableFromInline let place: UnsafeRawPointer
        @usableFromInline let position: UInt64
        @usableFromInline let header: RecordHeader

        @inlinable
        @inline(__always)
        init(_ reader: borrowing LaneReader) {
            unsafe place = reader.place
            position = reader.head
            header = unsafe LaneReader.header(at: place)
        }
    }

    /// Looks for the next message; nil if there is none, or none may go out. (The message itself is made in the caller's frame: one that
    /// a function returned, even an inlined one, is not kept in registers.)
    @inlinable
    @inline(__always)
    mutating func find() -> Found? {
        if _slowPath(handedOut != 0) {
            guard finishWhatIsOut() else { return nil }
        }
        let found = Found(self)
        if _slowPath(!isLikeLast(found.header)) {
            guard takes(found.header) else { return nil }
        }
        return found
    }

    /// Finishes a message that is out although its user came back: it was not used since, but is not destroyed yet. False: nothing
    /// may be handed out any more.
    @usableFromInline
    @inline(never)
    @discardableResult
    mutating func finishWhatIsOut() -> Bool {
        if handedOut == Self.nothingMore { return false }
        if handedOut != 0 {
            handedOut = 0
            finish(spacing: lastSpacing)
        }
        return true
    }

    /// Steps over the message that is out, which begins at `message` and has been used.
    @inlinable
    @inline(__always)
    mutating func finish(_ message: UnsafeRawPointer) {
        handedOut = 0
        head &+= lastSpacing
        // At once when nothing more is there, or a producer that waits for this space and a consumer that waits for its message
        // would wait for ever. As the lane is mapped twice, the next header follows this record wherever it ends.
        if unsafe _slowPath(isSpaceDue) || _slowPath(Self.header(at: message + lastReach).isAbsent) { giveBack() }
    }

    /// Steps over the record at the head, which has been used.
    mutating func finish(spacing: UInt64) {
        head &+= spacing
        if isSpaceDue || poll().isAbsent { giveBack() }
    }

    /// Whether space is to be given back although more messages are there: lazily, since every store of `head` may cost the producer
    /// a cache miss.
    @inlinable
    var isSpaceDue: Bool { Int64(bitPattern: head &- dueAt) >= 0 }

    /// Hands out the messages that are there now, at most `limit`, with the position kept in a register. Returns how many the
    /// body took; one that throws leaves its message where it is.
    @inlinable
    @inline(__always)
    static func run<Failure: Error>(
        _ reader: UnsafeMutablePointer<LaneReader>, limit: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        if unsafe reader.pointee.handedOut != 0 {
            guard unsafe reader.pointee.finishWhatIsOut() else { return 0 }
        }
        guard limit > 0 else { return 0 }
        var header = unsafe reader.pointee.poll()
        var count = 0
        while unsafe reader.pointee.shape.admits(header) {
            // As long as the records are as long as this one, where the next one stands is known before its header arrives.
            let spacing = unsafe reader.pointee.shape.spacing(reader.pointee.shape.messageSize(header))
            let first = header
            repeat {
                let message = unsafe Message(lent: reader, header)
                do throws(Failure) {
                    try body(message)
                } catch {
                    unsafe reader.pointee.giveBack()
                    throw error
                }
                header = unsafe reader.pointee.step(spacing)
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

    /// `finish` for a run of records: the header that stands behind, and no look at whether it is absent.
    @inlinable
    @inline(__always)
    mutating func step(_ spacing: UInt64) -> RecordHeader {
        head &+= spacing
        if isSpaceDue { giveBack() }
        return poll()
    }

    /// Acknowledges everything that was finished, unless that is the user's to do, or its process was forked: a body may have done that.
    @usableFromInline
    @inline(never)
    mutating func giveBack() {
        if !isManual && head != published && handedOut != Self.nothingMore { publish() }
    }

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
        dueAt = head &+ largestLag
        // SYNC: space-given (pairs with LaneWriter.look and .init): all reads of these records come before.
        // SYNC: take-over (pairs with `init` of the next consumer)
        unsafe sr_store_release_u64(sr_head(control), head)
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

    /// Steps over the end mark at the head. It is acknowledged when the caller, who is told of it now, comes back: were this
    /// process killed before, the next consumer is to find it.
    mutating func stepOverMark() { head &+= shape.spacingOfEnd }
}

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
    /// The message that is out, by its `id`; 0 if none is.
    @usableFromInline var handedOut: UInt64 = 0
    /// Makes an id of a position: odd, and another one for every reader of this process.
    @usableFromInline let salt: UInt64
    /// The head that the producer can see: everything before it is acknowledged.
    @usableFromInline var published: UInt64
    /// The record that was finished last: mostly the next has its size, and to say so is quicker than to work it out again.
    @usableFromInline var lastByteCount = -1
    @usableFromInline var lastSpacing: UInt64 = 0
    /// How far `published` may lag behind while messages keep coming.
    @usableFromInline let largestLag: UInt64
    @usableFromInline let control: UnsafeMutablePointer<sr_lane_control>
    /// The fork generation this belongs to; one that never comes once poisoned, which keeps every fast path away.
    @usableFromInline var generation: UInt64
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
        largestLag = shape.capacity / 8
        salt = Self.salts.add(1 << 45, ordering: .relaxed).newValue
        generation = UInt64(sr_fork_generation())
        // SAFETY: `control` lies in the control mapping.
        // SYNC: take-over (pairs with `storeHead` of the consumer before; the role byte orders the two besides)
        head = unsafe sr_load_acquire_u64(sr_head(control))
        published = head
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
    func poll() -> RecordHeader {
        // SAFETY: the masked head lies in the data mapping.
        // SYNC: record-visible (pairs with LaneWriter.storeHeader): with the header come payload and terminator.
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
        generation = .max
        return error
    }

    /// Whether this is an end mark, and no more of them were met since the position `begin` than a lane can hold: a stranger's lane
    /// may be full of them, and a consumer that stepped over one after the other would go round for ever.
    func isMark(_ header: RecordHeader, since begin: UInt64) -> Bool { header.isEnd && head &- begin < shape.capacity }

    /// Throws if this process was forked since, or the lane is poisoned. Called off the fast path, before any access.
    func requireUsable() throws(RingError) {
        if let poison { throw poison }
        guard isOfThisProcess else {
            throw RingError(.forked, ring: ring, "this endpoint belongs to the parent of this forked process")
        }
    }

    @inlinable
    var isOfThisProcess: Bool { generation == UInt64(sr_fork_generation()) }

    // MARK: Finishing

    /// The message at the head goes out. Its id.
    @inlinable
    @inline(__always)
    mutating func handOut() -> UInt64 {
        handedOut = head &+ salt
        return handedOut
    }

    /// Finishes a message that is out although its user came back: it was not used since, but is not destroyed yet.
    @usableFromInline
    @inline(never)
    mutating func finishWhatIsOut() {
        guard handedOut != 0 else { return }
        handedOut = 0
        // If a stranger changed the header meanwhile, the next look rejects it, or takes another message's size for this one's.
        let header = poll()
        if shape.admits(header) { finish(byteCount: shape.messageSize(header)) }
    }

    /// Steps over the message at the head, which has been used.
    ///
    /// Where the next record stands follows from this one's header, so the processor would fetch headers one after the other.
    /// A branch lets it run ahead: it predicts that this record is as long as the last.
    @inlinable
    @inline(__always)
    mutating func finish(byteCount: Int) {
        handedOut = 0
        if _fastPath(byteCount == lastByteCount) { return finish(spacing: lastSpacing) }
        lastByteCount = byteCount
        lastSpacing = shape.spacing(byteCount)
        finish(spacing: lastSpacing)
    }

    /// Steps over the record at the head, which has been used.
    @inlinable
    @inline(__always)
    mutating func finish(spacing: UInt64) {
        head &+= spacing
        if isManual { return }
        // Lazily, since every store of `head` may cost the producer a cache miss; but at once when nothing more is there,
        // or a producer that waits for this space and a consumer that waits for its message would wait for ever.
        if head &- published >= largestLag || poll().isAbsent { publish() }
    }

    /// Hands out the messages that are there now, at most `limit`, with the position kept in a register. Returns how many the
    /// body took; one that throws leaves its message where it is.
    @inlinable
    @inline(__always)
    static func run<Failure: Error>(
        _ reader: UnsafeMutablePointer<LaneReader>, limit: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        if unsafe reader.pointee.handedOut != 0 { unsafe reader.pointee.finishWhatIsOut() }
        guard unsafe limit > 0 && reader.pointee.isOfThisProcess else { return 0 }
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
                    unsafe reader.pointee.publishIfDue()
                    throw error
                }
                header = unsafe reader.pointee.step(spacing)
                count &+= 1
                if count == limit {
                    if header.isAbsent { unsafe reader.pointee.publishIfDue() }
                    return count
                }
            } while header.bits == first.bits
        }
        unsafe reader.pointee.publishIfDue()
        return count
    }

    /// `finish` for a run of records: the header that stands behind, and no look at whether it is absent.
    @inlinable
    @inline(__always)
    mutating func step(_ spacing: UInt64) -> RecordHeader {
        head &+= spacing
        if !isManual && head &- published >= largestLag { publish() }
        return poll()
    }

    /// At the end of a run.
    @inlinable
    mutating func publishIfDue() {
        if !isManual && head != published { publish() }
    }

    /// Acknowledges everything that was finished, and wakes a producer that waits for space.
    @usableFromInline
    @inline(never)
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

    @inlinable
    mutating func storeHead() {
        published = head
        // SYNC: space-given (pairs with LaneWriter.makeRoom and .init): all reads of these records come before.
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

public import CSharedRing

/// The producer's side of a lane: the protocol that makes messages exist.
///
/// Its state is private to the producer and lies at a fixed address outside the segment, because claims and batches refer
/// to it while the producer is borrowed. It is not copyable, so that no call can copy it, references and all, by the way. Every position is 64 bits wide, only ever grows, and is masked when it becomes an
/// address.
@safe
@usableFromInline
struct LaneWriter: ~Copyable {
    // Read by every send.
    @usableFromInline let data: UnsafeMutableRawPointer
    @usableFromInline let shape: LaneShape
    /// Where the next record goes.
    @usableFromInline var tail: UInt64
    /// What is left from a position to here is the largest message that fits there, going by the head that was last seen: so
    /// the consumer's line is left alone while there is room. Set to `tail - 1` where nothing may be sent any more, because the
    /// lane is poisoned, the process was forked or the waiter thread has this side: then nothing fits.
    @usableFromInline var room: UInt64 = 0
    /// The head that was last seen.
    private(set) var lastHead: UInt64
    @usableFromInline let doorbell: UnsafeMutablePointer<UInt32>
    @usableFromInline let control: UnsafeMutablePointer<sr_lane_control>
    /// The fork generation this belongs to.
    private let generation = sr_fork_generation()
    let usesAsymmetricBarrier: Bool
    /// Whether a commit is a store of the header and a look at the doorbell, and nothing else.
    @usableFromInline let isPlain: Bool
    /// The ring's ticket counter, where its lanes are in a total order.
    let tickets: UnsafeMutablePointer<UInt64>?

    /// The position after the last end of a stream that was unread when it was seen; another directly after it is left out.
    var positionAfterEnd: UInt64?
    let ring: String
    let lane: Int
    /// What takes the room away in a forked child.
    var gate = unsafe sr_fork_gate()
    /// Set when the consumer's words can't be true; every later operation throws it.
    var poison: RingError?

    /// Takes a lane over where its last producer left it: walks the committed records from head to the first absent one.
    ///
    /// The caller holds the lane's byte, so nobody else writes; the consumer may be reading. `data` is the double mapping.
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
        self.usesAsymmetricBarrier = usesAsymmetricBarrier
        isPlain = unsafe usesAsymmetricBarrier && tickets == nil
        self.ring = ring
        self.lane = lane
        // SAFETY: `control` lies in the control mapping; every position is masked and every count checked before use, so
        // all reads stay inside the double mapping.
        // SYNC: space-given (pairs with LaneReader.storeHead)
        let head = unsafe sr_load_acquire_u64(sr_head(control))
        tail = head
        lastHead = head
        guard head & (shape.alignment &- 1) == 0 else {
            throw Self.impossible(ring, lane, "its head is \(head), no multiple of its record alignment \(shape.alignment)")
        }
        while true {
            // SYNC: record-visible (pairs with `storeHeader` of the producer before)
            let header = unsafe RecordHeader(bits: sr_load_acquire_u64(data + Int(tail & shape.mask)))
            if header.isAbsent { break }
            guard header.isEnd || shape.admits(header) else {
                throw Self.impossible(ring, lane, "the record header at position \(tail) is 0x\(String(header.bits, radix: 16))")
            }
            tail &+= header.isEnd ? shape.spacingOfEnd : shape.spacing(shape.messageSize(header))
            positionAfterEnd = header.isEnd ? tail : nil
            guard tail &- head <= shape.capacity &- shape.alignment else {
                throw Self.impossible(ring, lane, "its records reach from \(head) to \(tail), further than its capacity \(shape.capacity)")
            }
        }
        setRoom()
    }

    private static func impossible(_ ring: String, _ lane: Int, _ what: String) -> RingError {
        RingError(.poisoned, ring: ring, "lane \(lane) was corrupted by another process: \(what)")
    }

    // MARK: Room

    /// Whether a record of `byteCount` fits at `position`, going by the head that was last seen.
    ///
    /// The difference wraps properly near 2^64, where a comparison of sums would not; it is negative if not even an empty message
    /// fits. (Up to the next multiple of the alignment there is room besides.) Counts above `largestMessage` never fit; negative
    /// ones are the caller's to see to.
    @inlinable
    func fits(_ byteCount: Int, at position: UInt64) -> Bool { byteCount <= Int(bitPattern: UInt(room &- position)) }

    /// The fast path of every way of sending: room, and still the process that attached.
    @inlinable
    func isReady(for byteCount: Int) -> Bool { fits(byteCount, at: tail) }

    /// By `lastHead`. One alignment beyond a record is for the terminator, one so that closing never waits. A lane of more than 2 GiB
    /// has more room than a message may have bytes: of that as much as one from the tail may take, and the rest next time.
    private mutating func setRoom() {
        let end = lastHead &+ shape.capacity &- 2 &* shape.alignment &- UInt64(truncatingIfNeeded: shape.messageOffset)
        room = tail &+ UInt64(bitPattern: Int64(min(Int(bitPattern: UInt(end &- tail)), shape.largestMessage)))
    }

    /// From now on nothing fits.
    mutating func takeRoomAway() { room = tail &- 1 }

    /// Looks at the consumer's head. Afterwards `fits` is up to date.
    ///
    /// False: still no room; that is not poison. Throws `poisoned`, `forked`, `messageTooLarge`.
    mutating func makeRoom(for byteCount: Int, at position: UInt64) throws(RingError) -> Bool {
        // First: a child may have a writer that its parent had handed over, and that refuses with another error.
        guard generation == sr_fork_generation() else {
            throw RingError(.forked, ring: ring, "this endpoint belongs to the parent of this forked process")
        }
        if let poison { throw poison }
        guard (0...shape.largestMessage).contains(byteCount) else {
            throw RingError(
                .messageTooLarge, ring: ring,
                "a message of \(byteCount) bytes was given; the largest is \(shape.largestMessage), by the ring's capacity")
        }
        // SAFETY: `control` lies in the control mapping, which the attachment keeps.
        // SYNC: space-given (pairs with LaneReader.storeHead): what the consumer read there, it has finished reading.
        let head = unsafe sr_load_acquire_u64(sr_head(control))
        guard head & (shape.alignment &- 1) == 0, head &- lastHead <= tail &- lastHead else {
            let error = Self.impossible(
                ring, lane, "its head is \(head), which lies not between the last head \(lastHead) and the tail \(tail)")
            poison = error
            takeRoomAway()  // so every operation comes here, and throws
            throw error
        }
        lastHead = head
        setRoom()
        unsafe sr_note_backlog(control, tail &- head)
        return fits(byteCount, at: position)
    }

    /// `makeRoom`, and if there is none, that is counted.
    @usableFromInline
    @inline(never)
    mutating func makeRoomOrCount(for byteCount: Int, at position: UInt64) throws(RingError) -> Bool {
        if try makeRoom(for: byteCount, at: position) { return true }
        unsafe sr_count_full(control)
        return false
    }

    /// Whether the consumer has acknowledged everything.
    mutating func isAcknowledged() throws(RingError) -> Bool {
        _ = try makeRoom(for: 0, at: tail)
        return lastHead == tail
    }

    /// How large a message may be to fit now, looking at the consumer's head; 0 if poisoned.
    mutating func freeBytes() -> Int {
        guard (try? makeRoom(for: 0, at: tail)) != nil else { return 0 }
        return max(0, Int(bitPattern: UInt(room &- tail)))
    }

    // MARK: Committing

    /// Where the header of a record at `position` stands.
    @inlinable
    func place(at position: UInt64) -> UnsafeMutableRawPointer {
        // SAFETY: the masked position lies in the first mapping, and a record that fits ends in the second.
        unsafe data + Int(truncatingIfNeeded: position & shape.mask)
    }

    /// Asks for a line that will be written soon. The consumer has read it a lap ago, so it must come from there: where that takes long,
    /// more of them are on their way at a time than the processor's store buffer, full of small stores, would ask for.
    @inlinable
    @inline(__always)
    static func prefetch(_ place: UnsafeMutableRawPointer) {
        // SAFETY: nothing is read or written, and no address faults.
        unsafe sr_prefetch_to_write(place + 512)
    }

    /// A message for which there is room, and what its commit needs: all worked out before the payload is written, because
    /// behind a store to the segment the compiler would have to load it anew.
    @frozen
    @usableFromInline
    @safe
    struct Slot {
        /// Where the header goes.
        @usableFromInline let place: UnsafeMutableRawPointer
        /// Where the message goes.
        @usableFromInline let payload: UnsafeMutableRawPointer
        @usableFromInline var header: RecordHeader
        /// The position behind the record, and the bytes to there.
        @usableFromInline let next: UInt64
        @usableFromInline let spacing: Int
        @usableFromInline let byteCount: Int

        @inlinable
        @inline(__always)
        init(_ writer: borrowing LaneWriter, byteCount: Int, tag: UInt32) {
            // SAFETY: a record that fits at `tail` ends inside the double mapping.
            unsafe place = writer.place(at: writer.tail)
            unsafe LaneWriter.prefetch(place)
            unsafe payload = place + writer.shape.messageOffset
            header = writer.shape.header(byteCount: byteCount, tag: tag)
            self.byteCount = byteCount
            spacing = Int(truncatingIfNeeded: writer.shape.spacing(byteCount))
            next = writer.tail &+ UInt64(truncatingIfNeeded: spacing)
        }

        /// The same with another tag.
        @inlinable
        @inline(__always)
        func tagged(_ tag: UInt32) -> Slot {
            var slot = self
            slot.header = header.tagged(tag)
            return slot
        }
    }

    /// Writes and commits a message for which there is room.
    @inlinable
    @inline(__always)
    mutating func write(_ bytes: RawSpan, tag: UInt32) {
        let slot = Slot(self, byteCount: bytes.byteCount, tag: tag)
        unsafe Self.copy(bytes, to: slot.payload)
        commit(slot)
    }

    /// Writes the payload of a record.
    @inlinable
    @inline(__always)
    static func copy(_ bytes: RawSpan, to payload: UnsafeMutableRawPointer) {
        // SAFETY: a record that fits ends inside the double mapping; the span is as long as it says.
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe sr_copy(payload, start, Int64(source.count))
        }
    }

    /// Commits the message that was written at `tail`.
    @inlinable
    @inline(__always)
    mutating func commit(byteCount: Int, tag: UInt32) { commit(Slot(self, byteCount: byteCount, tag: tag)) }

    /// Makes the record at `tail` exist. Its payload is written, and `fits` was true for this count or a larger one.
    @inlinable
    @inline(__always)
    mutating func commit(_ slot: Slot) {
        unsafe Self.terminate(slot.place + slot.spacing)  // as the lane is mapped twice, it goes on there
        unsafe publish(slot.header, at: slot.place, next: slot.next, count: 1, byteCount: slot.byteCount)
    }

    /// What comes next is not there yet: without this, the last lap's payload would be read as a header.
    @inlinable
    @inline(__always)
    static func terminate(_ place: UnsafeMutableRawPointer) {
        // SAFETY: `fits` keeps an alignment, at least 8 bytes, free behind every record.
        // Relaxed: the header's release store, which follows, makes it visible together with the record.
        unsafe sr_store_relaxed_u64(place, 0)
    }

    /// Stores the header at `tail`, which stands at `place`: the commit of one record, or of a whole batch of `count`.
    @inlinable
    @inline(__always)
    mutating func publish(
        _ header: RecordHeader, at place: UnsafeMutableRawPointer, next: UInt64, count: Int, byteCount: Int
    ) {
        guard _fastPath(isPlain) else { return publishOtherwise(header, next: next, count: count, byteCount: byteCount) }
        // Loaded before the header is stored; see `Slot`.
        let (control, doorbell) = unsafe (control, doorbell)
        tail = next
        // SAFETY: `tail` was masked; the words lie in the control mapping.
        // SYNC: record-visible (pairs with LaneReader.poll and the walk in `init`): payload and terminator come before.
        unsafe sr_store_release_u64(place, header.bits)
        // Relaxed: for observers only, who take it for no more than a hint.
        unsafe sr_store_relaxed_u64(sr_tail_mirror(control), next)
        unsafe sr_count_sent(control, UInt64(truncatingIfNeeded: count), UInt64(truncatingIfNeeded: byteCount))
        // SYNC: doorbell, as in `ringDoorbell`, whose asymmetric kind this is.
        sr_fence_compiler()
        if unsafe _slowPath(sr_load_relaxed_u32(doorbell) != 0) { wakeConsumer() }
    }

    /// `publish` with tickets, or with a barrier of its own.
    @usableFromInline
    @inline(never)
    mutating func publishOtherwise(_ header: RecordHeader, next: UInt64, count: Int, byteCount: Int) {
        unsafe sr_count_sent(control, UInt64(truncatingIfNeeded: count), UInt64(truncatingIfNeeded: byteCount))
        if unsafe tickets != nil {
            publishInTotalOrder(header, next: next, count: count)
        } else {
            storeHeader(header, next: next)
            ringDoorbell()
        }
    }

    mutating func storeHeader(_ header: RecordHeader, next: UInt64) {
        // SAFETY, SYNC, relaxed: as in `publish`.
        unsafe sr_store_release_u64(place(at: tail), header.bits)
        tail = next
        unsafe sr_store_relaxed_u64(sr_tail_mirror(control), next)
    }

    /// The end of a stream, unless one stands directly before. There is always room: see `fits`.
    mutating func commitEnd(epoch: UInt32) {
        guard positionAfterEnd != tail else { return }
        let next = tail &+ shape.spacingOfEnd
        unsafe Self.terminate(place(at: next))
        storeHeader(.end(epoch: epoch), next: next)  // without a ticket: it ends a lane, and has no place between others
        ringDoorbell()
        positionAfterEnd = tail
    }

    // MARK: Waking the consumer

    /// After every commit: if the consumer sleeps, wake it.
    func ringDoorbell() {
        // SYNC: doorbell (pairs with Sleeper.declareAsleep): the header before, the doorbell after. The consumer stores the
        // doorbell before and looks at the header after, so one of the two sees the other.
        if usesAsymmetricBarrier {
            // The consumer's membarrier runs a full barrier on this core, wherever this code is just then.
            sr_fence_compiler()
        } else {
            sr_fence_full()
        }
        // SAFETY: the doorbell lies in the control mapping. Relaxed: it orders nothing by itself.
        if unsafe sr_load_relaxed_u32(doorbell) != 0 { wakeConsumer() }
    }

    @usableFromInline
    @inline(never)
    func wakeConsumer() {
        // SAFETY: the doorbell and the counter lie in the control mapping.
        unsafe Doorbell.wake(doorbell)
        unsafe sr_count_wake(control)
    }
}

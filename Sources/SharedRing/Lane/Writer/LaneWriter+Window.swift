public import CSharedRing

/// Room: the window in which messages fit in the short way, and where it comes from.
extension LaneWriter {
    /// How much room is opened at a time at most, beside that for a message: after so much, a checkpoint is published again.
    static var longestStretch: Int { 1 << 16 }

    // MARK: Does it fit

    /// What a record takes at most beside its message: header, ticket, gap, terminator, and the end of the stream.
    var overhead: UInt64 { 2 &* shape.alignment &+ UInt64(truncatingIfNeeded: shape.messageOffset) }

    /// How large a message may be at a position, if nothing may be written at or beyond a limit; negative if not even an empty one fits. One
    /// alignment beyond a record is for the terminator, one so that closing never waits.
    ///
    /// The one formula for this. The difference wraps properly near 2^64, where a comparison of sums would not.
    func left(at position: UInt64, before limit: UInt64) -> Int {
        Int(bitPattern: UInt(limit &- overhead &- position))
    }

    /// The same, by a head: one capacity behind it stands what is still needed.
    func left(at position: UInt64, by head: UInt64) -> Int { left(at: position, before: head &+ shape.capacity) }

    /// Whether a message of `byteCount` bytes fits at the tail, by a head that the gate gave. Changes nothing.
    func fits(_ byteCount: Int, by head: UInt64) -> Bool { byteCount <= left(at: tail, by: head) }

    // MARK: The window

    /// From now on nothing fits in the short way.
    mutating func closeWindow() { unsafe sr_store_relaxed_u64(&windowEnd, Self.closed) }

    /// Has messages fit in the short way, as long as they fit before this address, and the canceller is not used.
    ///
    /// SYNC: cancel-seen (pairs with CancelFlag.raise): the window before, the flag after. The canceller stores the flag, passes a membarrier, which
    /// runs a full barrier on this core, and closes the window. So it stores last, or the flag is seen here.
    private mutating func setWindowEnd(_ end: UInt64) {
        unsafe sr_store_relaxed_u64(&windowEnd, end)
        sr_fence_compiler()
        if unsafe sr_load_relaxed_u32(&cancelled) != 0 { closeWindow() }
    }

    /// Opens the window at an address in the first mapping, and publishes a checkpoint: what is left there, but no more than this message needs and
    /// `longestStretch` or an eighth of the lane. So a cursor never leaves the double mapping, and a checkpoint is published before much more is sent.
    /// The address may be a batch's, ahead of the tail: what is published is the tail, and the write limit holds for what is not committed, too.
    @unsafe
    mutating func openWindow(for byteCount: Int, at start: UnsafeMutableRawPointer) {
        let position = unsafe position(of: start)
        // Beside the message, since of a claim there may be little committed: then the next one is to fit, too.
        let length = Int64(min(left(at: position, by: lastHead), run(for: byteCount)))
        let end = position &+ UInt64(bitPattern: length)
        // The write limit is monotonic: below an earlier one there may be uncommitted bytes, also a killed predecessor's. The first one
        // may be an untrusted peer's; a write limit lies no further from the head than the capacity.
        let (last, next) = (counted.writeLimit &- lastHead, end &+ overhead)
        if last > shape.capacity || last < next &- lastHead { counted.writeLimit = next }
        publishCheckpoint()
        tryRun()
        chooseWhetherAhead()
        unsafe reopenWindow(for: byteCount, at: start, position)
    }

    /// The bytes of a message and of what is opened beside it.
    func run(for byteCount: Int) -> Int {
        min(byteCount &+ min(Self.longestStretch, Int(shape.capacity / 8)), shape.largestMessage)
    }

    /// Opens the window at an address in the first mapping, which has this position, as far as `lastHead` allows.
    @unsafe
    mutating func reopenWindow(for byteCount: Int, at start: UnsafeMutableRawPointer, _ position: UInt64) {
        let length = Int64(min(left(at: position, by: lastHead), run(for: byteCount)))
        guard isPlain else { return closeWindow() }
        // A dropped batch leaves the tail far before `start`: there, too, nothing fits that is larger than any message.
        let most = unsafe UInt64(UInt(bitPattern: cursor)) &+ UInt64(truncatingIfNeeded: shape.largestMessage)
        setWindowEnd(min(UInt64(UInt(bitPattern: start)) &+ UInt64(bitPattern: length), most))
    }

    /// The cursor, where it may stand in the second mapping, in the first one. The window's end is another then: `openWindow` gives it.
    mutating func moveToFirstMapping() {
        closeWindow()
        settle()
        unsafe cursor = place(at: counted.tail)
        unsafe runStart = cursor
    }

    // MARK: The consumer's head

    /// Loads the consumer's head again. Throws `poisoned`, `forked`.
    mutating func refresh() throws(RingError) {
        try requireUsable()
        let tail = tail
        // What subscribers allow is opened in steps.
        if subscribers != nil { return }
        switch gate.state(since: lastHead, tail: tail, shape) {
        case .head(let head):
            lastHead = head
            // SAFETY: `control` lies in the control mapping, which the attachment keeps.
            unsafe sr_note_backlog(control, tail &- head)
        case .impossible(let head):
            let error = Self.impossible(
                ring, lane, "its head is \(head), which lies not between the last head \(lastHead) and the tail \(tail)")
            refuse(error)  // so every operation comes here, and throws
            throw error
        }
    }

    /// Whether the consumer has acknowledged everything.
    mutating func isAcknowledged() throws(RingError) -> Bool {
        try refresh()
        if let subscribers { return slowestHead(among: subscribers) == tail }
        return lastHead == tail
    }

    /// How large a message may be to fit now, by the consumer's head now; 0 if poisoned.
    mutating func freeBytes() -> Int {
        guard (try? refresh()) != nil else { return 0 }
        let head = if let subscribers { slowestHead(among: subscribers) } else { lastHead }
        return max(0, min(left(at: tail, by: head), shape.largestMessage))
    }

    // MARK: Making room

    /// Whether a message of `byteCount` fits at the tail, if need be after a refresh of the consumer's head.
    ///
    /// False: no room; that is not poison. Throws `poisoned`, `forked`, `messageTooLarge`.
    mutating func makeRoom(for byteCount: Int) throws(RingError) -> Bool {
        var place = unsafe cursor
        return try unsafe makeRoom(for: byteCount, at: &place)
    }

    /// The same where a batch's next record goes. That address may be moved to the first mapping, as the cursor may.
    @unsafe
    mutating func makeRoom(for byteCount: Int, at start: inout UnsafeMutableRawPointer) throws(RingError) -> Bool {
        try requireUsable()
        guard (0...shape.largestMessage).contains(byteCount) else {
            throw RingError(
                .messageTooLarge, ring: ring,
                "a message of \(SharedRing.counted(byteCount, "byte")) was given; the largest is \(shape.largestMessage), by the ring's capacity"
            )
        }
        let position = unsafe position(of: start)
        moveToFirstMapping()
        unsafe start = place(at: position)
        if case .subscribers(let heads) = gate { return unsafe makeRoom(for: byteCount, at: start, position, among: heads) }
        // A lane that is not plain comes here with each message, mostly with room that is open already: what keeps to the write limit that
        // is published, which lies no further from the head than the capacity.
        if !isPlain && byteCount <= left(at: position, before: published.writeLimit) { return true }
        if byteCount > left(at: position, by: lastHead) { try refresh() }
        unsafe openWindow(for: byteCount, at: start)
        return byteCount <= left(at: position, by: lastHead)
    }

    /// What the window is to a plain lane: where a message goes for which there is room below the published write limit. Nil: `makeRoom` says why not.
    /// A publisher keeps below its private limit, which the published one may lie beyond.
    mutating func slotBelowLimit(for byteCount: Int) -> Slot? {
        // Relaxed: what a canceller stored is seen soon, and orders nothing.
        guard !isPlain, generation == sr_fork_generation(), poison == nil, unsafe sr_load_relaxed_u32(&cancelled) == 0 else { return nil }
        // In the first mapping, so that the record ends in the second.
        guard unsafe cursor < data + Int(shape.capacity), (0...shape.largestMessage).contains(byteCount) else { return nil }
        let room = if case .subscribers = gate { left(at: tail, by: lastHead) } else { left(at: tail, before: published.writeLimit) }
        guard byteCount <= room else { return nil }
        askForLines(of: byteCount, room: room)
        return Slot(self)
    }

    /// `Slot` asks for one line ahead; this asks for the others that a message like this one will take. The drawing of a ticket, as the symmetric barrier,
    /// waits until every store before it is done: each line that has not come yet holds it up. Not beyond the room, where the consumer reads.
    private func askForLines(of byteCount: Int, room: Int) {
        var line = Self.lineSize
        let end = min(byteCount + shape.messageOffset, Self.longestAsked, room - Self.askedAhead)
        while line < end {
            unsafe Self.prefetch(cursor + line)
            line += Self.lineSize
        }
    }

    /// Behind so much, a message's stores of one message keep as many lines on their way as the processor can.
    private static var longestAsked: Int { 512 }

    /// `makeRoom`, and if there is none, that is counted.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func makeRoomOrCount(for byteCount: Int, at start: inout UnsafeMutableRawPointer) throws(RingError) -> Bool {
        if try unsafe makeRoom(for: byteCount, at: &start) { return true }
        unsafe sr_count_full(control)
        return false
    }

    /// The same at the tail.
    mutating func makeRoomOrCount(for byteCount: Int) throws(RingError) -> Bool {
        var place = unsafe cursor
        return try unsafe makeRoomOrCount(for: byteCount, at: &place)
    }

    /// Where a message of `byteCount` bytes goes; nil if there is no room, which is counted, or if a task waits for what room comes.
    @usableFromInline
    @inline(never)
    mutating func makeSlot(for byteCount: Int) throws(RingError) -> Slot? {
        if let slot = slotBelowLimit(for: byteCount) { return slot }
        if isAwaited { return nil }
        return try makeRoomOrCount(for: byteCount) ? Slot(self) : nil
    }

    /// `makeRoomOrCount` for a caller that does not wait: also false while a task waits.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func makeRoomNow(for byteCount: Int, at start: inout UnsafeMutableRawPointer) throws(RingError) -> Bool {
        if isAwaited { return false }
        return try unsafe makeRoomOrCount(for: byteCount, at: &start)
    }
}

// MARK: The fast path

extension UnsafeMutablePointer where Pointee == LaneWriter {
    /// Whether a message of `byteCount` bytes fits at `place` in the short way.
    ///
    /// The difference is negative if not even an empty message fits. (Up to the next multiple of the alignment there is room besides.)
    /// Counts above `largestMessage` never fit; negative ones are the caller's to see to.
    @inlinable
    @inline(__always)
    func fits(_ byteCount: Int, at place: UnsafeMutableRawPointer) -> Bool {
        // Relaxed: what a canceller stored is seen soon, and orders nothing.
        unsafe byteCount <= Int(truncatingIfNeeded: sr_load_relaxed_u64(&pointee.windowEnd) &- UInt64(UInt(bitPattern: place)))
    }

    /// The fast path of every way of sending: room, still the process that attached, not cancelled, and nothing to do but to store.
    @inlinable
    @inline(__always)
    func isReady(for byteCount: Int) -> Bool { unsafe fits(byteCount, at: pointee.cursor) }
}

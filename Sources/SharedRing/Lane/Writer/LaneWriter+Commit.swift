public import CSharedRing

/// Records: where a message goes, what makes it exist, and the wake behind it.
extension LaneWriter {
    /// Asks for a line that will be written soon. The consumer has read it a lap ago, so it must come from there: where that takes long,
    /// more of them are on their way at a time than the processor's store buffer, full of small stores, would ask for.
    @inlinable
    @inline(__always)
    static func prefetch(_ place: UnsafeMutableRawPointer) {
        // SAFETY: nothing is read or written, and no address faults.
        unsafe sr_prefetch_to_write(place + askedAhead)
    }

    /// How far ahead lines are asked for.
    @inlinable static var askedAhead: Int { 1024 }

    /// Where a message goes for which there is room.
    @frozen
    @usableFromInline
    @safe
    struct Slot {
        /// Where the header goes.
        @usableFromInline let place: UnsafeMutableRawPointer
        /// Where the message goes.
        @usableFromInline let payload: UnsafeMutableRawPointer
        @usableFromInline let isPlain: Bool

        /// In the short way, which `isReady` has found open.
        @inlinable
        @inline(__always)
        init(ready writer: borrowing LaneWriter) {
            // SAFETY: a record that fits ends inside the double mapping.
            unsafe place = writer.cursor
            unsafe LaneWriter.prefetch(place)
            unsafe payload = place + 8  // SR_RECORD_HEADER_SIZE: a plain lane has no tickets
            isPlain = true
        }

        /// In any lane, where `makeRoom` has found room.
        @usableFromInline
        init(_ writer: borrowing LaneWriter) {
            // SAFETY: as above.
            unsafe place = writer.cursor
            unsafe LaneWriter.prefetch(place)
            unsafe payload = place + writer.shape.messageOffset
            isPlain = writer.isPlain
        }
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

    /// Writes the bytes of a collection: without a copy in between if they lie in one piece, else one by one. How many were written: `count`,
    /// or fewer if the collection had not as many as it said.
    @inlinable
    static func copy(_ bytes: some Collection<UInt8>, count: Int, to payload: UnsafeMutableRawPointer) -> Int {
        // SAFETY: there is room for `count` bytes, and no more are written.
        let copied = bytes.withContiguousStorageIfAvailable { source in
            guard let start = source.baseAddress else { return 0 }
            let most = min(count, source.count)
            unsafe sr_copy(payload, start, Int64(most))
            return most
        }
        if let copied { return copied }
        var written = 0
        for byte in bytes {
            guard written < count else { break }
            unsafe payload.storeBytes(of: byte, toByteOffset: written, as: UInt8.self)
            written &+= 1
        }
        return written
    }

    /// Makes the record in the slot exist. Its payload is written, and `byteCount` is what there was room for, or less.
    @inlinable
    @inline(__always)
    mutating func commit(_ slot: Slot, byteCount: Int, tag: UInt32) {
        let spacing = count(byteCount)
        // As the lane is mapped twice, it goes on there.
        let next = unsafe slot.place + spacing
        unsafe Self.terminate(next)
        if _slowPath(!slot.isPlain) { return unsafe publishOtherwise(byteCount: byteCount, tag: tag, next: next) }
        // Loaded before the header is stored: behind a store to the segment the compiler loads everything anew.
        let doorbell = unsafe doorbell
        unsafe cursor = next
        // SAFETY: the slot lies in the data mapping, the doorbell in the control mapping.
        // SYNC: record-visible (pairs with LaneReader.poll and the walk in `init`): payload and terminator come before.
        unsafe sr_store_release_u64(slot.place, RecordHeader(byteCount: byteCount, tag: tag).bits)
        // SYNC: doorbell, event-count, as in `ringDoorbell`, whose asymmetric kind this is.
        sr_fence_compiler()
        if unsafe _slowPath(sr_load_relaxed_u32(doorbell) & 1 != 0) { finishCommit() }
    }

    /// What comes next is not there yet: without this, the last lap's payload would be read as a header.
    @inlinable
    @inline(__always)
    static func terminate(_ place: UnsafeMutableRawPointer) {
        // SAFETY: `left` keeps an alignment, at least 8 bytes, free behind every record.
        // Relaxed: the header's release store, which follows, makes it visible together with the record.
        unsafe sr_store_relaxed_u64(place, 0)
    }

    /// The rest of `commit` where it takes a ticket, or a barrier of its own.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func publishOtherwise(byteCount: Int, tag: UInt32, next: UnsafeMutableRawPointer) {
        let (start, position) = unsafe (cursor, tail)
        unsafe cursor = next
        unsafe publish(shape.header(byteCount: byteCount, tag: tag), at: start, position, count: 1)
    }

    /// Commits the records from the tail to `next`, whose headers but for the first are written, and 0 behind them.
    @usableFromInline
    @inline(never)
    @unsafe
    mutating func publish(batch header: RecordHeader, to next: UnsafeMutableRawPointer, count: Int, byteCount: Int) {
        let (start, position) = unsafe (cursor, tail)
        unsafe book(messages: count, byteCount: byteCount, to: next)
        unsafe publish(header, at: start, position, count: count)
    }

    // `mutating`, like what else is called for every batch or slot: of a value that is only borrowed the compiler may make a copy.
    /// Stores the header of the record at `position`, which stands at `start`: that commits it, and what follows it up to the tail.
    @unsafe
    private mutating func publish(_ header: RecordHeader, at start: UnsafeMutableRawPointer, _ position: UInt64, count: Int) {
        if unsafe tickets != nil {
            publishInTotalOrder(header, at: position, count: count)
        } else {
            unsafe Self.storeHeader(header, at: start)
            ringDoorbell()
        }
    }

    @unsafe
    static func storeHeader(_ header: RecordHeader, at place: UnsafeMutableRawPointer) {
        // SAFETY, SYNC: as in `commit`.
        unsafe sr_store_release_u64(place, header.bits)
    }

    /// The end of a stream, unless one stands directly before. There is always room: see `left`.
    mutating func commitEnd(epoch: UInt32) {
        guard positionAfterEnd != tail else { return }
        moveToFirstMapping()
        let start = unsafe cursor
        let next = unsafe start + Int(shape.spacingOfEnd)
        unsafe Self.terminate(next)
        unsafe book(messages: 0, byteCount: 0, to: next)
        unsafe Self.storeHeader(.end(epoch: epoch), at: start)  // without a ticket: it ends a lane, and has no place between others
        ringDoorbell()
        positionAfterEnd = tail
    }

    // MARK: Waking the consumer

    /// After every commit: if the consumer sleeps, wake it.
    mutating func ringDoorbell() {
        // SYNC: doorbell, event-count (pairs with Sleeper.declareAsleep): the header before, the doorbell after. The consumer stores the
        // doorbell before and looks at the header after, so one of the two sees the other.
        if usesAsymmetricBarrier {
            // The consumer's membarrier runs a full barrier on this core, wherever this code is just then.
            sr_fence_compiler()
        } else {
            sr_fence_full()
        }
        // SAFETY: the doorbell lies in the control mapping. Relaxed: it orders nothing by itself.
        if unsafe sr_load_relaxed_u32(doorbell) & 1 != 0 { finishCommit() }
    }

    /// What is behind a commit, beside the fast path: a consumer that may be asleep, and the lines of the next message.
    @usableFromInline
    @inline(never)
    mutating func finishCommit() {
        if sleepers.mayBeAsleep {
            sleepers.wake()
            // SAFETY: the counter lies in the control mapping.
            unsafe sr_count_wake(control)
        }
        if isAhead { takeNextLines() }
    }
}

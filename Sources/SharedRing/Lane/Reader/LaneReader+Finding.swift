public import CSharedRing

/// The next message: where it stands, and whether it may go out.
extension LaneReader {
    /// The header at the head; absent if nothing is there yet. The only load by which a message is ever seen.
    @inlinable
    func poll() -> RecordHeader { unsafe Self.header(at: cursor) }

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
        return false
    }

    /// Nothing was found: gives the producer a moment, where that pays.
    mutating func pace() { pacing.pause(at: head, spacing: UInt64(truncatingIfNeeded: lastSpacing)) }

    /// A wait has ended that began at `start`, in nanoseconds. After a long one the traffic is another: what was measured so far says nothing.
    mutating func noteWait(since start: Int64) { if sr_now_ns() &- start > 20_000 { pacing.reset() } }

    /// Where the payload of the record at the head stands.
    @inlinable
    var payload: UnsafeRawPointer {
        // SAFETY: the cursor lies in the first mapping; a count that `admits` let pass ends in the second.
        unsafe cursor + shape.messageOffset
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
                "\(bits), without the bit that every record has"
            }
        poison(with: what)
        return poison!
    }

    /// Whether this is an end record, and no more of them were met since the position `begin` than a lane can hold. An untrusted peer's
    /// lane may be full of them, and a consumer that stepped over one after the other would go round for ever.
    func isEndRecord(_ header: RecordHeader, since begin: UInt64) -> Bool { header.isEnd && head &- begin < shape.capacity }

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
        let (cursor, id) = unsafe (cursor, handedOut &+ 1)
        let header = unsafe Self.header(at: cursor)
        // Relaxed: what a canceller stored is seen soon, and orders nothing.
        if unsafe _slowPath(UInt64(header.size) != sr_load_relaxed_u64(&lastSize)) {
            return takes(header, beforeWaiting: beforeWaiting) ? findAnew(header, id) : nil
        }
        // 8 is SR_RECORD_HEADER_SIZE: a lane with tickets has `noSize`, and never comes here.
        return unsafe Found(cursor + 8, header.byteCount, header.tag, id)
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
    mutating func forgetSizeIfCancelled() -> Bool {
        sr_fence_compiler()
        guard unsafe sr_load_relaxed_u32(&cancelled) != 0 else { return false }
        unsafe sr_store_relaxed_u64(&lastSize, Self.noSize)
        return true
    }

    @inlinable
    func findAnew(_ header: RecordHeader, _ id: UInt64) -> Found { unsafe Found(payload, shape.messageSize(header), header.tag, id) }
}

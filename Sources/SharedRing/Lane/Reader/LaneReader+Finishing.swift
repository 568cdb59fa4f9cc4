public import CSharedRing

/// The end of a loan, and the acknowledgement of its space.
extension LaneReader {
    /// Finishes a message that is out although its user came back: it was not used since, but is not destroyed yet. False: nothing
    /// may be handed out any more.
    @usableFromInline
    @inline(never)
    @discardableResult
    mutating func finishWhatIsOut() -> Bool {
        if case .out(let id) = loan { finish(id) }
        return loan != .ended  // stepping over it may have poisoned the lane
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
        let next = unsafe cursor + spacing
        unsafe cursor = next
        // At once when nothing more is there, or a producer that waits for this space and a consumer that waits for its message
        // would wait for ever. And if it is due: lazily, since every store of `head` may cost the producer a cache miss.
        if unsafe _slowPath(next >= cursorLimit) || _slowPath(Self.header(at: next).isAbsent) { acknowledgeFinished() }
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
                    unsafe reader.pointee.acknowledgeFinished()
                    throw error
                }
                header = unsafe reader.pointee.step(spacing, from: start)
                count &+= 1
                if count == limit {
                    if header.isAbsent { unsafe reader.pointee.acknowledgeFinished() }
                    return count
                }
            } while header.bits == first.bits
        }
        unsafe reader.pointee.acknowledgeFinished()
        return count
    }

    /// `finish` for a run of records: the header that stands behind, and no look at whether it is absent. Absent where the run ends.
    @inlinable
    @inline(__always)
    mutating func step(_ spacing: Int, from start: UInt64) -> RecordHeader {
        let next = unsafe cursor + spacing
        unsafe cursor = next
        if unsafe _slowPath(next >= cursorLimit) {
            guard acknowledgeFinished(since: start) else { return RecordHeader(bits: 0) }
        }
        return unsafe Self.header(at: next)
    }

    /// Acknowledges everything that was finished, unless that is the user's to do, or its process was forked: a body may have done that.
    @usableFromInline
    @inline(never)
    mutating func acknowledgeFinished() {
        guard loan != .ended else { return settleCursor() }
        let isDue = unsafe cursor >= cursorLimit
        // Where there is no membarrier, a canceller's store to `lastSize` may be lost to one of ours: until here.
        if isDue {
            _ = forgetSizeIfCancelled()
            proveWritten()
        }
        if !isManual && head != published { publish() }
        if isDue { settleCursor() }
    }

    /// `acknowledgeFinished` in a run. False: the run ends, because it is a lap long, or the lane was poisoned.
    @usableFromInline
    @inline(never)
    mutating func acknowledgeFinished(since start: UInt64) -> Bool {
        acknowledgeFinished()
        return !isLap(from: start) && poison == nil
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
        // SYNC: space-given (pairs with SpaceGate.state and LaneWriter.init): all reads of these records come before.
        // SYNC: take-over (pairs with `init` of the next consumer)
        unsafe sr_store_release_u64(headWord, published)
    }

    /// Acknowledges what lies before this position, and nothing if it is none from the published one to the head.
    mutating func storeHead(before position: UInt64) {
        guard position &- published <= head &- published else { return }
        published = position
        // SYNC: space-given, take-over: as above.
        unsafe sr_store_release_u64(headWord, published)
    }

    /// After `storeHead` and `barrier`.
    @inlinable
    func wakeProducerIfAsleep() {
        // Relaxed: the barrier orders it.
        if unsafe sr_load_relaxed_u32(sr_space_doorbell(control)) != 0 {
            unsafe Doorbell.wake(sr_space_doorbell(control))
            unsafe sr_count(wakes, 1)
        }
    }

    /// Steps over the end record at the head. It is reported to the caller now, and acknowledged when the caller comes back: were this
    /// process killed before, the next consumer is to find it.
    mutating func stepOverEndRecord() {
        unsafe cursor += Int(shape.spacingOfEnd)
        guard unsafe cursor >= cursorLimit else { return }
        proveWritten()
        settleCursor()
    }
}

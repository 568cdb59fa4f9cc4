public import CSharedRing

extension Producer {
    /// Several messages that are committed together: one store makes them all visible, one look decides about waking.
    ///
    /// A batch borrows its producer. It is no transaction: when the ring fills up, what the batch holds is committed before it
    /// waits for room (or the consumer, who can't see it, would wait for it in turn). Dropping a batch takes back what was
    /// appended since.
    @safe
    @frozen
    public struct Batch: ~Copyable, ~Escapable {
        @usableFromInline let writer: UnsafeMutablePointer<LaneWriter>
        /// Counted, though the producer that this batch borrows keeps it: on a path that ends in `exit`, Swift 6.3 destroys the producer before
        /// the batch was used last.
        @usableFromInline let core: ProducerCore
        /// Where the next record goes. The writer's place stays at the first one until the commit.
        @usableFromInline var place: UnsafeMutableRawPointer
        /// The header that is stored last.
        @usableFromInline var first = RecordHeader(bits: 0)
        @usableFromInline var appended = 0
        @usableFromInline var appendedBytes = 0

        /// How many messages are appended and not committed.
        @inlinable
        public var count: Int { appended }

        @inlinable
        @_lifetime(&producer)
        init(_ producer: inout Producer) {
            unsafe writer = producer.writer
            core = producer.core
            unsafe place = producer.writer.pointee.cursor
        }

        // SAFETY, for every `unsafe` here: as in `Claim`; every record was found to fit at `place` before it is written.

        /// Sends what was appended. Nothing appended: does nothing.
        @inlinable
        @inline(__always)
        public consuming func commit() { flush() }

        /// Sends what was appended so far; more can be appended afterwards.
        @inlinable
        @inline(__always)
        public mutating func flush() {
            guard !first.isAbsent else { return }
            // A copy of the pointer: with the thread sanitizer on, Swift 6.3 takes a mutation through `self.writer` for an escape.
            let writer = unsafe writer
            unsafe LaneWriter.terminate(place)
            unsafe writer.pointee.publish(batch: first, to: place, count: appended, byteCount: appendedBytes)
            first = RecordHeader(bits: 0)
            appended = 0
            appendedBytes = 0
        }

        @inlinable
        @inline(__always)
        func isReady(for byteCount: Int) -> Bool { unsafe writer.fits(byteCount, at: place) }

        /// The record at `place` is written. All but the first get their header now: nobody looks there before the first's.
        @inlinable
        @inline(__always)
        mutating func advance(byteCount: Int, tag: UInt32) {
            unsafe LaneWriter.prefetch(place)
            let header = unsafe writer.pointee.shape.header(byteCount: byteCount, tag: tag)
            if first.isAbsent {
                first = header
            } else {
                // Relaxed: the first header's release store makes it visible.
                unsafe sr_store_relaxed_u64(place, header.bits)
            }
            unsafe place += Int(truncatingIfNeeded: writer.pointee.shape.spacing(byteCount))
            appended &+= 1
            appendedBytes &+= byteCount
        }

        /// Whether there is room at `place`, if need be after a look at the consumer's head.
        @usableFromInline
        @inline(never)
        mutating func findRoom(for byteCount: Int) throws(RingError) -> Bool {
            let writer = unsafe writer  // see `flush`
            return try unsafe writer.pointee.makeRoomNow(for: byteCount, at: &place)
        }

        @usableFromInline
        @inline(never)
        mutating func waitForRoom(for byteCount: Int, timeout: Duration?) throws(RingError) {
            try core.requireNotCancelled()
            let writer = unsafe writer  // see `flush`
            if try unsafe writer.pointee.makeRoomOrCount(for: byteCount, at: &place) { return }
            flush()
            try core.sleepForRoom(for: byteCount, until: Deadline(after: timeout))
            unsafe place = writer.pointee.cursor
        }

        /// The same without holding a thread.
        @usableFromInline
        mutating func waitForRoom(for byteCount: Int, timeout: Duration?) async throws(RingError) {
            if try findRoom(for: byteCount) { return }
            flush()
            _ = try await core.slotInTurn(for: byteCount, timeout: timeout)
            core.turns.pass()
            unsafe place = writer.pointee.cursor
        }
    }
}

extension Producer {
    /// Begins a batch; see ``Batch``.
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func batch() -> Batch { Batch(&self) }
}

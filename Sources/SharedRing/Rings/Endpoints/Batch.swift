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
        /// the batch was used last. Counted by hand: to destroy a strong reference the compiler takes the batch's address, and then keeps all of it
        /// in memory and not in registers.
        @usableFromInline let core: Unmanaged<ProducerCore>
        /// Of the lane; here, since behind each store to the ring the compiler would load it anew.
        @usableFromInline let shape: LaneShape
        @usableFromInline var state: State

        /// What was appended and is not committed. No call gets its address, so it is kept in registers.
        @safe
        @frozen
        @usableFromInline
        struct State {
            /// Where the next record goes. The writer's cursor stays at the first one until the commit.
            @usableFromInline var cursor: UnsafeMutableRawPointer
            /// The header of the first record, which is stored last. Absent: nothing was appended.
            @usableFromInline var first = RecordHeader(bits: 0)
            @usableFromInline var count = 0
            @usableFromInline var byteCount = 0

            @inlinable
            init(_ cursor: UnsafeMutableRawPointer) { unsafe self.cursor = cursor }
        }

        /// How many messages are appended and not committed.
        @inlinable
        public var count: Int { state.count }

        @inlinable
        @inline(__always)
        @_lifetime(&producer)
        init(_ producer: inout Producer) {
            unsafe writer = producer.writer
            unsafe core = Unmanaged.passRetained(producer.core)
            shape = unsafe producer.writer.pointee.shape
            state = unsafe State(producer.writer.pointee.cursor)
        }

        @inlinable
        @inline(__always)
        deinit { unsafe core.release() }

        // SAFETY, for every `unsafe` here: as in `Claim`; every record was found to fit at the cursor before it is written; `core` is released by
        // `deinit` alone.

        /// Sends what was appended. Nothing appended: does nothing.
        @inlinable
        @inline(__always)
        public consuming func commit() { flush() }

        /// Sends what was appended so far; more can be appended afterwards.
        @inlinable
        @inline(__always)
        public mutating func flush() {
            // A copy of the pointer: with the thread sanitizer on, Swift 6.3 takes a mutation through `self.writer` for an escape.
            let writer = unsafe writer
            unsafe Self.commit(state, writer)
            state = unsafe State(state.cursor)
        }

        @unsafe
        @inlinable
        @inline(__always)
        static func commit(_ state: State, _ writer: UnsafeMutablePointer<LaneWriter>) {
            guard !state.first.isAbsent else { return }
            unsafe LaneWriter.terminate(state.cursor)
            unsafe writer.pointee.publish(batch: state.first, to: state.cursor, count: state.count, byteCount: state.byteCount)
        }

        @inlinable
        @inline(__always)
        func isReady(for byteCount: Int) -> Bool { unsafe writer.fits(byteCount, at: state.cursor) }

        /// The record at the cursor is written. All but the first get their header now: the consumer does not poll there before the first has its own.
        @inlinable
        @inline(__always)
        mutating func advance(byteCount: Int, tag: UInt32) {
            unsafe LaneWriter.prefetch(state.cursor)
            let header = shape.header(byteCount: byteCount, tag: tag)
            if state.first.isAbsent {
                state.first = header
            } else {
                // Relaxed: the first header's release store makes it visible.
                unsafe sr_store_relaxed_u64(state.cursor, header.bits)
            }
            unsafe state.cursor += Int(truncatingIfNeeded: shape.spacing(byteCount))
            state.count &+= 1
            state.byteCount &+= byteCount
        }

        /// Whether there is room at the cursor, if need be after a look at the consumer's head.
        @inlinable
        @inline(__always)
        mutating func findRoom(for byteCount: Int) throws(RingError) -> Bool {
            let found = try unsafe Self.findRoom(writer, byteCount, at: state.cursor)
            unsafe state.cursor = found.place
            return unsafe found.isRoom
        }

        /// The same, and the place, which may have been moved to the first mapping.
        @unsafe
        @usableFromInline
        @inline(never)
        static func findRoom(
            _ writer: UnsafeMutablePointer<LaneWriter>, _ byteCount: Int, at place: UnsafeMutableRawPointer
        ) throws(RingError) -> (place: UnsafeMutableRawPointer, isRoom: Bool) {
            var place = unsafe place
            let isRoom = try unsafe writer.pointee.makeRoomNow(for: byteCount, at: &place)
            return unsafe (place, isRoom)
        }

        /// Waits for room. Before it waits, what was appended is committed: also if it throws then, so the error comes with the state.
        @unsafe
        @usableFromInline
        @inline(never)
        static func waitForRoom(
            _ core: Unmanaged<ProducerCore>, _ state: State, for byteCount: Int, timeout: Duration?
        ) -> (state: State, error: RingError?) {
            let core = unsafe core.takeUnretainedValue()
            var state = state
            do throws(RingError) {
                try core.requireNotCancelled()
                if try unsafe core.writer.pointee.makeRoomOrCount(for: byteCount, at: &state.cursor) { return (state, nil) }
                unsafe commit(state, core.writer)
                state = unsafe State(state.cursor)
                try core.sleepForRoom(for: byteCount, until: Deadline(after: timeout))
                return (unsafe State(core.writer.pointee.cursor), nil)
            } catch {
                return (state, error)
            }
        }

        /// The same without holding a thread.
        @usableFromInline
        mutating func waitForRoom(for byteCount: Int, timeout: Duration?) async throws(RingError) {
            if try findRoom(for: byteCount) { return }
            flush()
            let core = unsafe core.takeUnretainedValue()
            _ = try await core.slotInTurn(for: byteCount, timeout: timeout)
            core.turns.pass()
            state = unsafe State(writer.pointee.cursor)
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

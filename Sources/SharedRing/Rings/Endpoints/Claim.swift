extension Producer {
    /// Room in the ring for one message, to be written in place and then committed: sending without a copy.
    ///
    /// A claim borrows its producer: while it exists, the producer can do nothing else, and there is no second claim; the
    /// compiler sees to both. Dropping a claim leaves no trace.
    @safe
    @frozen
    public struct Claim: ~Copyable, ~Escapable {
        @usableFromInline let writer: UnsafeMutablePointer<LaneWriter>
        @usableFromInline let slot: LaneWriter.Slot
        /// How many bytes there are to write, and the most that can be committed.
        public let byteCount: Int

        @inlinable
        @inline(__always)
        @_lifetime(&producer)
        init(_ producer: inout Producer, _ slot: LaneWriter.Slot, byteCount: Int) {
            unsafe writer = producer.writer
            self.slot = slot
            self.byteCount = byteCount
        }

        // SAFETY, for every `unsafe` here: the writer lives as long as the producer, which this claim borrows exclusively; it
        // found room for `byteCount` at its tail, and the tail moves only when the claim is committed.

        /// The message's bytes. What they hold before they are written is arbitrary.
        @inlinable
        public var bytes: MutableRawSpan {
            @_lifetime(&self)
            mutating get {
                let span = unsafe MutableRawSpan(_unsafeStart: slot.payload, byteCount: byteCount)
                return unsafe _overrideLifetime(span, mutating: &self)
            }
        }

        /// Sends the whole claim.
        ///
        /// - Parameter tag: anything; it reaches the consumer with the message.
        @inlinable
        @inline(__always)
        public consuming func commit(tag: UInt32 = 0) {
            let writer = unsafe writer  // see `Batch.flush`
            unsafe writer.pointee.commit(slot, byteCount: byteCount, tag: tag)
        }

        /// Sends the first `count` bytes of the claim.
        ///
        /// - Throws: `messageTooLarge` if `count` is negative or more than was claimed. Nothing is sent then.
        @inlinable
        @inline(__always)
        public consuming func commit(byteCount count: Int, tag: UInt32 = 0) throws(RingError) {
            guard (0...byteCount).contains(count) else { throw unsafe writer.pointee.overcommitted(count, of: byteCount) }
            let writer = unsafe writer  // see `Batch.flush`
            unsafe writer.pointee.commit(slot, byteCount: count, tag: tag)
        }
    }
}

extension LaneWriter {
    @usableFromInline
    @inline(never)
    func overcommitted(_ count: Int, of claimed: Int) -> RingError {
        RingError(.messageTooLarge, ring: ring, "a claim of \(SharedRing.counted(claimed, "byte")) was committed with \(count)")
    }
}

extension Producer {
    /// Claims room for a message of up to `byteCount` bytes, waiting for it if the ring is full.
    ///
    /// - Parameters:
    ///   - byteCount: 0 to ``largestMessage``.
    ///   - timeout: how long to wait for room: nil, for ever; zero, not at all.
    /// - Throws: as `send` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func claim(byteCount: Int, timeout: Duration? = nil) throws(RingError) -> Claim {
        // A negative count is refused where there is no room.
        let slot = byteCount < 0 ? try waitForSlot(for: byteCount, timeout: timeout) : try slot(for: byteCount, timeout: timeout)
        return Claim(&self, slot, byteCount: byteCount)
    }

    /// Claims room for a message of up to `byteCount` bytes if there is any; nil if there is not.
    ///
    /// - Throws: `messageTooLarge`, `poisoned`, `forked`.
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func tryClaim(byteCount: Int) throws(RingError) -> Claim? {
        let slot = byteCount < 0 ? try unsafe writer.pointee.makeSlot(for: byteCount) : try slotNow(for: byteCount)
        guard let slot else { return nil }
        return Claim(&self, slot, byteCount: byteCount)
    }
}

// Several tasks may share a producer: none of these calls needs it exclusively. Each takes its turn first, and whoever has the turn
// is alone with the producer's state. SAFETY, for every `unsafe` here: as in `Producer+Send`, with the turn for the exclusive borrow.

extension ProducerCore {
    /// Takes the turn and finds room. Nil: it is another task's turn, or there is no room. With a slot, the caller has the turn.
    @usableFromInline
    func slotAtOnce(for byteCount: Int) throws(RingError) -> LaneWriter.Slot? {
        guard turns.takeAtOnce() else { return nil }
        if byteCount >= 0, unsafe writer.isReady(for: byteCount) { return unsafe LaneWriter.Slot(ready: writer.pointee) }
        do throws(RingError) {
            try requireNotCancelled()
            if try unsafe writer.pointee.makeRoom(for: byteCount) { return unsafe LaneWriter.Slot(writer.pointee) }
        } catch {
            turns.pass()
            throw error
        }
        turns.pass()
        return nil
    }

    /// Waits for the turn and for room. The caller has the turn then, unless this throws.
    @usableFromInline
    func slotInTurn(for byteCount: Int, timeout: Duration?) async throws(RingError) -> LaneWriter.Slot {
        try await takeTurn(for: .room(byteCount), until: Deadline(after: timeout))
        return unsafe LaneWriter.Slot(writer.pointee)
    }

    /// Commits the message in the slot, and lets the next task go on.
    @usableFromInline
    func commitInTurn(_ slot: LaneWriter.Slot, byteCount: Int, tag: UInt32) {
        unsafe writer.pointee.commit(slot, byteCount: byteCount, tag: tag)
        turns.pass()
    }

    /// Waits for the turn, and then for what is wanted, if anything is. The caller has the turn then, unless this throws.
    func takeTurn(for wanted: Wanted?, until deadline: Deadline) async throws(RingError) {
        try attachment.requireOwnProcess()  // in a forked child nobody passes its parent's turn on
        if wanted != nil { try requireNotCancelled() }
        switch await turns.take(until: deadline) {
        case .granted: break
        case .cancelled: throw attachment.error(.cancelled, "the task that waited for its turn with this producer was cancelled")
        case .timedOut: throw attachment.error(.timedOut, "no turn with this producer before the deadline")
        }
        guard let wanted else { return }
        do throws(RingError) { try await wait(for: wanted, until: deadline) } catch {
            turns.pass()
            throw error
        }
    }
}

extension Producer {
    // MARK: Waiting

    /// Waits, without holding a thread, until ``trySend(_:tag:)-([UInt8],_)`` or ``tryClaim(byteCount:)`` of a message of this size
    /// succeeds or throws, unless another task sends meanwhile.
    ///
    /// Tasks that share a producer come to their turns in the order in which they asked, here as in every asynchronous call.
    ///
    /// - Parameters:
    ///   - byteCount: the size of the message to come.
    ///   - timeout: nil, for ever; zero, only to look.
    /// - Throws: `messageTooLarge`, `timedOut`, `poisoned`, `forked`, `ended`; `cancelled` if the task is cancelled or the
    ///   ``canceller`` was used, and there is no room; `peerDied` or `peerClosed` as `send` of a raw span.
    public func waitUntilReady(for byteCount: Int, timeout: Duration? = nil) async throws(RingError) {
        if try core.slotAtOnce(for: byteCount) == nil { _ = try await core.slotInTurn(for: byteCount, timeout: timeout) }
        core.turns.pass()
    }

    /// Waits, without holding a thread, until a consumer is attached. What other tasks send meanwhile with this producer waits behind it.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `forked`, `ended`, `poisoned`; `cancelled` if the task is cancelled or the ``canceller`` was used.
    public func waitForPeer(timeout: Duration? = nil) async throws(RingError) {
        try await core.takeTurn(for: .peers(1), until: Deadline(after: timeout))
        core.turns.pass()
    }

    /// Waits, without holding a thread, until the consumer has acknowledged every message sent so far. What other tasks send meanwhile
    /// with this producer waits behind it.
    ///
    /// Of a broadcast as in a thread: a durable subscriber that is away is waited for, without a timeout for ever. A subscriber with a name that died and is
    /// not durable loses its place.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `forked`, `ended`, `poisoned`; `cancelled` if the task is cancelled or the ``canceller`` was used;
    ///   `peerDied` or `peerClosed` if the consumer has gone before it acknowledged.
    public func waitUntilAcknowledged(timeout: Duration? = nil) async throws(RingError) {
        try await core.takeTurn(for: .acknowledgement, until: Deadline(after: timeout))
        core.turns.pass()
    }

    /// Ends the stream in its turn: behind everything that tasks sent, or wait to send, with this producer when this was called. What
    /// they ask for later throws `ended`. Ending again does nothing.
    ///
    /// Does not wait for the consumer to receive. A task that is cancelled ends the stream too, unless it would have to wait for its turn.
    ///
    /// - Throws: `poisoned`, `forked`, `cancelled`; the stream then stays without an end.
    public func end() async throws(RingError) {
        try await core.takeTurn(for: nil, until: .never)
        defer { core.turns.pass() }
        try core.end()
    }

    // MARK: Sending

    /// Sends a message, waiting for room without holding a thread. In asynchronous code this is what `send` means.
    ///
    /// Several tasks may share the producer, in an actor or as a constant of a class: those that wait are served in the order in which they
    /// called, and a message is sent whole before the next one begins. It costs two atomic operations more than the synchronous `trySend`, which
    /// goes before it where every nanosecond counts: `if try !producer.trySend(bytes) { try await producer.send(bytes) }`.
    ///
    /// The bytes are copied once, into the ring. O(bytes).
    ///
    /// - Parameters:
    ///   - bytes: the message, at most ``largestMessage`` bytes, possibly none.
    ///   - tag: anything; it reaches the consumer with the message.
    ///   - timeout: how long to wait for the turn and for room: nil, for ever; zero, not at all.
    /// - Throws: as ``waitUntilReady(for:timeout:)``. Nothing was sent then.
    @inlinable
    public func send(_ bytes: RawSpan, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        let count = bytes.byteCount
        let slot: LaneWriter.Slot
        if let free = try core.slotAtOnce(for: count) {
            slot = free
        } else {
            slot = try await core.slotInTurn(for: count, timeout: timeout)
        }
        unsafe LaneWriter.copy(bytes, to: slot.payload)
        core.commitInTurn(slot, byteCount: count, tag: tag)
    }

    /// Sends the bytes of a span, waiting for room without holding a thread.
    @inlinable
    public func send(_ bytes: Span<UInt8>, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try await unsafe send(bytes.bytes, tag: tag, timeout: timeout)
    }

    /// Sends the bytes of an array, waiting for room without holding a thread.
    @inlinable
    public func send(_ bytes: [UInt8], tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try await unsafe send(bytes.span.bytes, tag: tag, timeout: timeout)
    }

    /// Sends the bytes of a buffer, which stays allocated until this returns, waiting for room without holding a thread.
    @inlinable
    public func send(_ bytes: UnsafeRawBufferPointer, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try await unsafe send(bytes.bytes, tag: tag, timeout: timeout)
    }

    /// Sends a text as UTF-8, waiting for room without holding a thread.
    public func send(_ text: String, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try await unsafe send(text.utf8.span.bytes, tag: tag, timeout: timeout)
    }

    /// Sends the bytes of a collection, waiting for room without holding a thread.
    @inlinable
    public func send(_ bytes: some Collection<UInt8>, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        let count = bytes.count
        let slot: LaneWriter.Slot
        if let free = try core.slotAtOnce(for: count) {
            slot = free
        } else {
            slot = try await core.slotInTurn(for: count, timeout: timeout)
        }
        let written = unsafe LaneWriter.copy(bytes, count: count, to: slot.payload)
        core.commitInTurn(slot, byteCount: written, tag: tag)
    }

    /// Sends the bytes of one value, waiting for room without holding a thread.
    @inlinable
    public func send<Value: BitwiseCopyable>(value: Value, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        let count = MemoryLayout<Value>.size
        let slot: LaneWriter.Slot
        if let free = try core.slotAtOnce(for: count) {
            slot = free
        } else {
            slot = try await core.slotInTurn(for: count, timeout: timeout)
        }
        unsafe slot.payload.storeBytes(of: value, as: Value.self)
        core.commitInTurn(slot, byteCount: count, tag: tag)
    }

    // MARK: In place

    /// Claims room for a message of up to `byteCount` bytes, waiting for it without holding a thread. See ``tryClaim(byteCount:)``.
    ///
    /// A claim is its owner's alone: a producer that several tasks share can't be claimed from.
    ///
    /// - Parameters:
    ///   - byteCount: 0 to ``largestMessage``.
    ///   - timeout: how long to wait for room: nil, for ever; zero, not at all.
    /// - Throws: as ``waitUntilReady(for:timeout:)``.
    @inlinable
    @_lifetime(&self)
    public mutating func claim(byteCount: Int, timeout: Duration? = nil) async throws(RingError) -> Claim {
        let slot: LaneWriter.Slot
        if let free = try core.slotAtOnce(for: byteCount) {
            slot = free
        } else {
            slot = try await core.slotInTurn(for: byteCount, timeout: timeout)
        }
        core.passTurn()
        return Claim(&self, slot, byteCount: byteCount)
    }
}

extension ProducerCore {
    @usableFromInline
    func passTurn() { turns.pass() }
}

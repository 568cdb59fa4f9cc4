extension MessageSource where Self: ~Copyable {
    /// The next message, in place, waiting for it without holding a thread. In asynchronous code this is what `next` means.
    ///
    /// ```swift
    /// while let message = try await consumer.next() { print(message.text) }
    /// ```
    ///
    /// While messages keep coming it neither suspends nor looks whether the task was cancelled; ``Consumer/forEach(_:)`` does both now and
    /// then.
    ///
    /// - Parameter timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: nil at an end, as the synchronous one.
    /// - Throws: as the synchronous one; `cancelled` also if the task is cancelled and nothing is there; `alreadyWaiting`.
    @inlinable
    @_lifetime(&self)
    public mutating func next(timeout: Duration? = nil) async throws(RingError) -> Message? {
        var patience = Patience.fresh
        while true {
            switch try poll() {
            case .message(let message): return message
            case .ended: return nil
            case .empty: break
            }
            patience = try await suspend(timeout, patience)
        }
    }

    /// The rest of `next`: something may have come afterwards.
    @usableFromInline
    func suspend(_ timeout: Duration?, _ patience: Patience) async throws(RingError) -> Patience {
        let deadline = patience.deadline(after: timeout)
        try await waitUntilReady(timeout: deadline.remaining)
        return Patience(deadline)
    }

    /// Copies the next message into the caller's memory, waiting for it without holding a thread. Allocates nothing while messages keep
    /// coming. O(bytes).
    ///
    /// - Parameters:
    ///   - buffer: where to copy to, from its start.
    ///   - timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: nil at an end.
    /// - Throws: as `next`; `sizeMismatch` if the message is larger than the buffer. It stays in the ring then.
    @inlinable
    public mutating func receive(into buffer: inout MutableRawSpan, timeout: Duration? = nil) async throws(RingError) -> Received? {
        guard let message = try await next(timeout: timeout) else { return nil }
        // SAFETY: the buffer is used inside the closure only.
        var whole: Message? = message
        return try unsafe buffer.withUnsafeMutableBytes { target throws(RingError) in try unsafe whole.take()!.move(to: target) }
    }

    /// The same for a buffer that stays allocated until this returns.
    @inlinable
    public mutating func receive(
        into buffer: UnsafeMutableRawBufferPointer, timeout: Duration? = nil
    ) async throws(RingError) -> Received? {
        guard let message = try await next(timeout: timeout) else { return nil }
        return try unsafe message.move(to: buffer)
    }

    /// A copy of the next message, waiting for it without holding a thread. Allocates the array.
    ///
    /// - Returns: nil at an end.
    /// - Throws: as `next`.
    public mutating func receive(timeout: Duration? = nil) async throws(RingError) -> [UInt8]? {
        guard let message = try await next(timeout: timeout) else { return nil }
        return message.array
    }
}

extension Consumer {
    /// Waits, without holding a thread, until a producer is attached.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`; `cancelled` if the task is cancelled or the ``canceller`` was used; `alreadyWaiting`, `ended`, `forked`.
    public func waitForPeer(timeout: Duration? = nil) async throws(RingError) {
        try await core.waitForProducerWithoutThread(until: Deadline(after: timeout))
    }
}

extension MergingConsumer {
    /// Waits, without holding a thread, until a producer is attached.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`; `cancelled` if the task is cancelled or the ``canceller`` was used; `alreadyWaiting`, `ended`, `forked`.
    public func waitForPeer(timeout: Duration? = nil) async throws(RingError) {
        try await core.waitForProducerWithoutThread(until: Deadline(after: timeout))
    }
}

import CSharedRing

extension Producer {
    /// Waits, without holding a thread, until ``trySend(_:tag:)-([UInt8],_)`` of a message of this size succeeds or throws.
    ///
    /// While it is suspended nothing else can be done with this producer: a reentrant call throws `alreadyWaiting`.
    ///
    /// - Parameters:
    ///   - byteCount: the size of the message to come.
    ///   - timeout: nil, for ever; zero, only to look.
    /// - Throws: `messageTooLarge`, `timedOut`, `poisoned`, `forked`, `alreadyWaiting`; `cancelled` if the task is cancelled or the
    ///   ``canceller`` was used, and there is no room; `peerDied` or `peerClosed` as ``send(_:tag:timeout:)-(RawSpan,_,_)``.
    public func ready(for byteCount: Int, timeout: Duration? = nil) async throws(RingError) {
        try side.requireNotCancelled()
        if unsafe byteCount >= 0 && writer.isReady(for: byteCount) { return }
        let deadline = Deadline(after: timeout)
        while try !side.prepareToWait(forRoom: byteCount) {
            try await side.watch.ready(side, until: deadline, "room in the ring")
            try side.throwIfConsumerEnded()
        }
    }

    /// Sends a message, waiting for room without holding a thread. In asynchronous code this is what `send` means.
    ///
    /// Takes no longer than the synchronous `trySend` while there is room.
    ///
    /// - Parameters: as of the synchronous one.
    /// - Throws: as ``ready(for:timeout:)``. Nothing was sent then.
    public mutating func send(_ bytes: [UInt8], tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try side.requireNotCancelled()
        while try !trySend(bytes, tag: tag) { try await ready(for: bytes.count, timeout: timeout) }
    }

    /// Sends a text as UTF-8, waiting for room without holding a thread.
    public mutating func send(_ text: String, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try await send(Array(text.utf8), tag: tag, timeout: timeout)
    }

    /// Sends the bytes of one value, waiting for room without holding a thread.
    public mutating func send<Value: BitwiseCopyable>(
        value: Value, tag: UInt32 = 0, timeout: Duration? = nil
    ) async throws(RingError) {
        try side.requireNotCancelled()
        while try !trySend(value: value, tag: tag) { try await ready(for: MemoryLayout<Value>.size, timeout: timeout) }
    }
}

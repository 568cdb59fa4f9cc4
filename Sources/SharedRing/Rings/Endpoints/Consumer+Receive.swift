// SAFETY, for every `unsafe` here: the reader lives as long as `core`; nothing else uses it, since this consumer is borrowed
// exclusively; a message is made only of a header that `admits` let pass.

extension Consumer: MessageSource {
    /// The next message, in place, waiting for it if need be.
    ///
    /// ```swift
    /// while let message = try consumer.next() { print(message.text) }
    /// ```
    ///
    /// - Parameter timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: nil at the end of a producer's stream.
    /// - Throws: `timedOut`, `cancelled`, `poisoned`, `forked`; `peerDied` after the last message of a producer that went away
    ///   without closing, within a check interval.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func next(timeout: Duration? = nil) throws(RingError) -> Message? {
        var patience = Patience.fresh
        while true {
            if let found = unsafe reader.pointee.find(beforeWaiting: true) {
                return unsafe _overrideLifetime(Message(reader, found), mutating: &self)
            }
            // Waiting is a call of its own, which returns here: a message that is made in this frame stays in registers, one that a
            // call returned does not.
            patience = try waitForMessage(timeout: timeout, patience)
            if patience == .ended { return nil }
        }
    }

    /// The rest of `next`: something stands at the head afterwards, or the end of a stream was read.
    @usableFromInline
    @inline(never)
    mutating func waitForMessage(timeout: Duration?, _ patience: Patience) throws(RingError) -> Patience {
        if patience == .fresh, unsafe reader.pointee.watch(timeout: timeout) { return .watched }
        let deadline = patience.deadline(after: timeout)
        return try core.wait(until: deadline) == .ended ? .ended : Patience(deadline)
    }

    /// The next message, in place, if there is one now.
    ///
    /// - Throws: `poisoned`, `forked`; `peerDied` if a successor wrote an end record for its producer. (That a producer died just now
    ///   is found out only by waiting.)
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func poll() throws(RingError) -> PollResult {
        if let message = nextIfAvailable() { return .message(message) }
        return try pollFurther()
    }

    /// The rest of `poll`.
    @usableFromInline
    @inline(never)
    @_lifetime(&self)
    mutating func pollFurther() throws(RingError) -> PollResult {
        while true {
            switch try core.poll() {
            case .ended: return .ended
            case nil: return .empty
            case .message: if let message = nextIfAvailable() { return .message(message) }
            }
        }
    }

    /// The next message, in place, if one is there now. Ends and errors are left for ``next(timeout:)``.
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func nextIfAvailable() -> Message? {
        guard let found = unsafe reader.pointee.find(beforeWaiting: false) else { return nil }
        return unsafe _overrideLifetime(Message(reader, found), mutating: &self)
    }

    /// As ``MessageSource/drain(limit:_:)``, with the position kept in a register. Inlined, so that the body is, too.
    @discardableResult
    @inlinable
    @inline(__always)
    public mutating func drain<Failure: Error>(
        limit: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        try unsafe LaneReader.run(reader, from: reader.pointee.head, limit: min(limit, reader.pointee.shape.mostRecords), body)
    }

    /// Gives back everything that was handed out, where ``Acknowledgement/manual`` was asked for. Visible to the producer, and
    /// safe from redelivery, when this returns. One full barrier; no system call unless a producer waits for room.
    public mutating func acknowledge() throws(RingError) {
        try core.acknowledge()
    }
}

// SAFETY, for every `unsafe` here: the reader lives as long as `core`; no other code uses it, since this subscriber is borrowed
// exclusively; a message is made only of a header that `admits` let pass.

extension Subscriber: MessageSource {
    /// The next message, in place, waiting for it if need be.
    ///
    /// - Parameter timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: nil at the end of a publisher's stream.
    /// - Throws: `timedOut`, `cancelled`, `poisoned`, `forked`; `peerDied` after the last message of a publisher that went away
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
    /// - Throws: `poisoned`, `forked`; `peerDied` if a successor marked its publisher's death. (That a publisher died just now
    ///   is found out only by waiting.)
    @inlinable
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
    @_lifetime(&self)
    public mutating func nextIfAvailable() -> Message? {
        if let found = unsafe reader.pointee.find(beforeWaiting: false) {
            return unsafe _overrideLifetime(Message(reader, found), mutating: &self)
        }
        guard refill(), let found = unsafe reader.pointee.find(beforeWaiting: false) else { return nil }
        return unsafe _overrideLifetime(Message(reader, found), mutating: &self)
    }

    /// Has a lossy subscriber copy what is there now. Whether it may have found something.
    @usableFromInline
    @inline(never)
    mutating func refill() -> Bool { core.refill() }

    /// As ``MessageSource/drain(limit:_:)``. A lossy subscriber ends it with what it has copied: 64 KiB, or one larger message.
    @discardableResult
    @inlinable
    public mutating func drain<Failure: Error>(
        limit: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        let most = unsafe min(limit, reader.pointee.shape.mostRecords)
        let count = try unsafe LaneReader.run(reader, from: reader.pointee.head, limit: most, body)
        guard count == 0, limit > 0, refill() else { return count }
        return try unsafe LaneReader.run(reader, from: reader.pointee.head, limit: most, body)
    }

    /// Gives back everything that was handed out, where ``Acknowledgement/manual`` was asked for. Visible to the publisher when this returns. One
    /// full barrier; no system call unless the publisher waits for room. A lossy subscriber holds nothing, and this does nothing.
    public mutating func acknowledge() throws(RingError) {
        try core.acknowledge()
    }
}

extension ConsumerCore {
    /// Of a lossy subscriber: copies what is there now, if all of the last copy was handed out. False: nothing was there, or this is none. What went
    /// wrong is found again by `poll`.
    func refill() -> Bool {
        guard let subscription, subscription.isLossy, unsafe reader.pointee.isOfThisProcess, unsafe reader.pointee.loan == .none else {
            return false
        }
        try? unsafe subscription.refill(reader)
        return unsafe !reader.pointee.poll().isAbsent
    }
}

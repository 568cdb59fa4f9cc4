// SAFETY, for every `unsafe` here: the reader lives as long as `side`; nobody else uses it, since this consumer is borrowed
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
    ///   without closing, within a slice.
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func next(timeout: Duration? = nil) throws(RingError) -> Message? {
        var isFirst = true
        while true {
            if let message = nextNow() { return message }
            // Only looking is apart, and whoever finds something comes back here: in the caller's registers a message is at
            // hand sooner than in what a call returns.
            guard isFirst, unsafe reader.pointee.watch(timeout: timeout) else { return try waitForMessage(timeout: timeout) }
            isFirst = false
        }
    }

    /// The rest of `next`: apart, so that the usual case is small enough to be inlined.
    @usableFromInline
    @inline(never)
    @_lifetime(&self)
    mutating func waitForMessage(timeout: Duration?) throws(RingError) -> Message? {
        let deadline = Deadline(after: timeout)  // once: a peer that shows a record and hides it must not start it anew
        while true {
            if try side.wait(until: deadline) == .ended { return nil }
            if let message = nextNow() { return message }
        }
    }

    /// The next message, in place, if there is one now.
    ///
    /// - Throws: `poisoned`, `forked`; `peerDied` if a successor marked its producer's death. (That a producer died just now
    ///   is found out only by waiting.)
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func tryNext() throws(RingError) -> Poll {
        if let message = nextNow() { return .message(message) }
        return try lookFurther()
    }

    /// The rest of `tryNext`.
    @usableFromInline
    @inline(never)
    @_lifetime(&self)
    mutating func lookFurther() throws(RingError) -> Poll {
        while true {
            switch try side.look() {
            case .ended: return .ended
            case nil: return .empty
            case .message: if let message = nextNow() { return .message(message) }
            }
        }
    }

    /// The next message, in place, if one is there now. Ends and errors are left for ``next(timeout:)``.
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func nextNow() -> Message? {
        if unsafe reader.pointee.handedOut != 0 { unsafe reader.pointee.finishWhatIsOut() }
        guard unsafe reader.pointee.isOfThisProcess else { return nil }
        let header = unsafe reader.pointee.poll()
        guard unsafe reader.pointee.shape.admits(header) else { return nil }
        return unsafe _overrideLifetime(Message(reader, header), mutating: &self)
    }

    /// As ``MessageSource/drain(limit:_:)``, with the position kept in a register. Inlined, so that the body is, too.
    @inlinable
    @inline(__always)
    public mutating func drain<Failure: Error>(
        limit: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        // No more than there can be now: a stranger's lane may look as if it never ended.
        let limit = unsafe min(limit, reader.pointee.shape.mostRecords)
        return try unsafe LaneReader.run(reader, limit: limit, body)
    }

    /// Gives back everything that was handed out, where ``Acknowledgement/manual`` was asked for. Visible to the producer, and
    /// safe from redelivery, when this returns. One full barrier; no system call unless a producer waits for room.
    public mutating func acknowledge() throws(RingError) {
        try side.acknowledge()
    }
}

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
    @_lifetime(&self)
    public mutating func next(timeout: Duration? = nil) throws(RingError) -> Message? {
        while true {
            if unsafe reader.pointee.isOfThisProcess {
                var header = unsafe reader.pointee.poll()
                if header.isAbsent {
                    header = unsafe LaneReader.watch(reader.pointee.place, polls: reader.pointee.firstPolls, timeout: timeout)
                }
                if unsafe reader.pointee.shape.admits(header) {
                    return unsafe _overrideLifetime(Message(reader, header), mutating: &self)
                }
            }
            if try side.wait(timeout: timeout) == .ended { return nil }
        }
    }

    /// The next message, in place, if there is one now.
    ///
    /// - Throws: `poisoned`, `forked`; `peerDied` if a successor marked its producer's death. (That a producer died just now
    ///   is found out only by waiting.)
    @inlinable
    @_lifetime(&self)
    public mutating func tryNext() throws(RingError) -> Poll {
        while true {
            if unsafe reader.pointee.isOfThisProcess {
                let header = unsafe reader.pointee.poll()
                if unsafe reader.pointee.shape.admits(header) {
                    return .message(unsafe _overrideLifetime(Message(reader, header), mutating: &self))
                }
            }
            switch try side.look() {
            case .message: continue
            case .ended: return .ended
            case nil: return .empty
            }
        }
    }

    /// The next message, in place, if one is there now. Ends and errors are left for ``next(timeout:)``.
    @inlinable
    @_lifetime(&self)
    public mutating func nextNow() -> Message? {
        guard unsafe reader.pointee.isOfThisProcess else { return nil }
        let header = unsafe reader.pointee.poll()
        guard unsafe reader.pointee.shape.admits(header) else { return nil }
        return unsafe _overrideLifetime(Message(reader, header), mutating: &self)
    }

    /// Gives back everything that was handed out, where ``Acknowledgement/manual`` was asked for. Visible to the producer, and
    /// safe from redelivery, when this returns. One full barrier; no system call unless a producer waits for room.
    public mutating func acknowledge() throws(RingError) {
        try side.acknowledge()
    }
}

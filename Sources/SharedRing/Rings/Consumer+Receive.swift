// SAFETY, for every `unsafe` here: the reader lives as long as `side`; nobody else uses it, since this consumer is borrowed
// exclusively; a message is made only of a header that `admits` let pass.

extension Consumer {
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
                let header = unsafe reader.pointee.poll()
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

    /// Hands out the messages that are there now, at most `limit`, without waiting.
    ///
    /// Ends and errors are left for the next call of another method. A body that throws leaves its message in the ring: it
    /// is handed out again.
    ///
    /// - Returns: how many messages the body took.
    /// - Throws: what the body throws.
    @inlinable
    public mutating func drain<Failure: Error>(
        limit: Int = .max, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        var count = 0
        while unsafe count < limit && reader.pointee.isOfThisProcess {
            let header = unsafe reader.pointee.poll()
            guard unsafe reader.pointee.shape.admits(header) else { break }
            let message = unsafe Message(reader, header)
            do throws(Failure) {
                try body(message)
            } catch {
                message.putBack()
                throw error
            }
            count += 1
        }
        return count
    }

    /// Gives back everything that was handed out, where ``Acknowledgement/manual`` was asked for. Visible to the producer, and
    /// safe from redelivery, when this returns. One full barrier; no system call unless a producer waits for room.
    public mutating func acknowledge() throws(RingError) {
        unsafe try reader.pointee.requireUsable()
        if unsafe reader.pointee.published != reader.pointee.head { unsafe reader.pointee.publish() }
    }

    // MARK: Copying

    /// What ``receive(into:timeout:)-(MutableRawSpan,_)`` received.
    @frozen
    public struct Received: Sendable, Equatable {
        /// The payload's size.
        public let byteCount: Int
        /// What the sender gave with it.
        public let tag: UInt32
        /// Its position in its lane.
        public let sequence: UInt64

        @inlinable
        init(byteCount: Int, tag: UInt32, sequence: UInt64) {
            self.byteCount = byteCount
            self.tag = tag
            self.sequence = sequence
        }
    }

    /// Copies the next message into the caller's memory, waiting for it if need be. Allocates nothing. O(bytes).
    ///
    /// - Parameters:
    ///   - buffer: where to copy to, from its start.
    ///   - timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: nil at the end of a producer's stream.
    /// - Throws: as ``next(timeout:)``; `sizeMismatch` if the message is larger than the buffer. It stays in the ring then.
    @inlinable
    public mutating func receive(into buffer: inout MutableRawSpan, timeout: Duration? = nil) throws(RingError) -> Received? {
        try unsafe buffer.withUnsafeMutableBytes { target throws(RingError) in
            try unsafe receive(into: target, timeout: timeout)
        }
    }

    /// Copies the next message into the caller's memory; see ``receive(into:timeout:)-(MutableRawSpan,_)``.
    @inlinable
    public mutating func receive(
        into buffer: UnsafeMutableRawBufferPointer, timeout: Duration? = nil
    ) throws(RingError) -> Received? {
        guard let message = try next(timeout: timeout) else { return nil }
        let count = message.byteCount
        guard count <= buffer.count else {
            message.putBack()
            throw unsafe reader.pointee.mismatch(count, buffer.count)
        }
        // SAFETY: both sides have at least `count` bytes.
        if count > 0 { unsafe buffer.baseAddress!.copyMemory(from: message.start, byteCount: count) }
        return Received(byteCount: count, tag: message.tag, sequence: message.sequence)
    }

    /// A copy of the next message, waiting for it if need be. Allocates the array.
    ///
    /// - Returns: nil at the end of a producer's stream.
    /// - Throws: as ``next(timeout:)``.
    public mutating func receive(timeout: Duration? = nil) throws(RingError) -> [UInt8]? {
        guard let message = try next(timeout: timeout) else { return nil }
        return message.array
    }
}

extension LaneReader {
    @usableFromInline
    @inline(never)
    func mismatch(_ found: Int, _ room: Int) -> RingError {
        RingError(.sizeMismatch, ring: ring, "the next message has \(found) bytes, the buffer \(room); the message stays in the ring")
    }
}

public import CSharedRing

/// Where messages come from: a ``Consumer`` or a ``MergingConsumer``.
public protocol MessageSource: ~Copyable {
    // MARK: Facts

    /// The largest message, in bytes.
    var largestMessage: Int { get }

    /// Whether any producer is attached, in whatever process. One system call; safe from any thread.
    var isPeerAttached: Bool { get }

    /// Whether ``removeRingIfUnused()`` leaves the ring where it is; see ``RingOptions/isPersistent``.
    var isRingPersistent: Bool { get }

    /// Ends this source's waiting from another thread.
    var canceller: Canceller { get }

    /// How many producers' ends went by without ending the messages, and how. None of a ``Consumer``: it ends with each.
    var ends: ProducerEnds { get }

    /// The next such end that was not given here yet; nil if there is none. See ``MergingConsumer/nextEnd()``.
    mutating func nextEnd() -> ProducerEnd?

    // MARK: Receiving

    /// The next message, in place, waiting for it if need be; nil at an end. See ``Consumer/next(timeout:)``.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @_lifetime(&self)
    mutating func next(timeout: Duration?) throws(RingError) -> Message?

    /// The next message, in place, if one is there now. Ends and errors are left for ``next(timeout:)``.
    @_lifetime(&self)
    mutating func nextIfAvailable() -> Message?

    /// The next message, in place, if there is one now, or an end. See ``Consumer/poll()``.
    @_lifetime(&self)
    mutating func poll() throws(RingError) -> PollResult

    /// Hands out the messages that are there now, at most `limit`, without waiting.
    ///
    /// It ends however fast others send. All that stood there when it began is handed out, and some of what came meanwhile: of each lane no
    /// more than it can hold at a time, and an eighth of that. In a total order nothing that was sent after it began.
    ///
    /// Ends and errors are left for ``next(timeout:)``. A body that throws leaves its message in the ring: it is handed out
    /// again.
    ///
    /// - Returns: how many messages the body took.
    /// - Throws: what the body throws.
    @discardableResult
    mutating func drain<Failure: Error>(
        limit: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int

    /// Waits, without holding a thread, until ``poll()`` finds something. See ``Consumer/waitUntilReady(timeout:)``.
    func waitUntilReady(timeout: Duration?) async throws(RingError)

    /// Gives back everything that was handed out. See ``Consumer/acknowledge()``.
    mutating func acknowledge() throws(RingError)

    /// Hands out every message, in place, to the end, waiting for them without holding a thread. See ``Consumer/forEach(_:)``.
    mutating func forEach(_ body: (borrowing Message) throws -> Void) async throws

    /// The messages as an asynchronous sequence, which owns the source from now on. See ``Messages``.
    consuming func messages() -> Messages<Self>

    // MARK: Waiting for a producer

    /// Waits until a producer is attached. Blocks the thread; in a task the asynchronous form is meant.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    mutating func waitForPeer(timeout: Duration?) throws(RingError)

    /// Waits, without holding a thread, until a producer is attached.
    func waitForPeer(timeout: Duration?) async throws(RingError)

    // MARK: Ending

    /// Ends the consumer in order. See ``Consumer/close()``.
    consuming func close() throws(RingError)

    /// Ends the consumer in order, where it can't be given away. See ``Consumer/end()``.
    mutating func end() throws(RingError)

    /// Removes the ring's name if no other process is attached, nothing is left in it, and it is not persistent. See
    /// ``Consumer/removeRingIfUnused()``.
    mutating func removeRingIfUnused() throws(RingError) -> Bool
}

// MARK: Without a timeout: for ever

extension MessageSource where Self: ~Copyable {
    /// The next message, in place, waiting for it as long as it takes; nil at an end.
    ///
    /// - Throws: as ``Consumer/next(timeout:)``.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @_disfavoredOverload
    @_lifetime(&self)
    public mutating func next() throws(RingError) -> Message? { try next(timeout: nil) }

    /// Waits, without holding a thread and as long as it takes, until ``poll()`` finds something.
    ///
    /// - Throws: as ``Consumer/waitUntilReady(timeout:)``.
    @_disfavoredOverload
    public func waitUntilReady() async throws(RingError) { try await waitUntilReady(timeout: nil) }

    /// Waits, as long as it takes, until a producer is attached. Blocks the thread; in a task the asynchronous form is meant.
    ///
    /// - Throws: `cancelled`, `ended`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @_disfavoredOverload
    public mutating func waitForPeer() throws(RingError) { try waitForPeer(timeout: nil) }

    /// Waits, without holding a thread and as long as it takes, until a producer is attached.
    ///
    /// - Throws: `alreadyWaiting`, `ended`, `forked`; `cancelled` if the task is cancelled or the ``canceller`` was used.
    @_disfavoredOverload
    public func waitForPeer() async throws(RingError) { try await waitForPeer(timeout: nil) }
}

/// What a copying receive received.
@frozen
public struct Received: Sendable, Equatable {
    /// The payload's size.
    public let byteCount: Int
    /// What the sender gave with it.
    public let tag: UInt32
    /// The lane it came through; 0 in a ring with one.
    public let lane: Int
    /// As ``Message/sequence``.
    public let sequence: UInt64

    @inlinable
    init(_ message: borrowing Message) {
        byteCount = message.byteCount
        tag = message.tag
        lane = message.lane
        sequence = message.sequence
    }
}

extension MessageSource where Self: ~Copyable {
    /// ``drain(limit:_:)`` of all that is there.
    @discardableResult
    @inlinable
    @inline(__always)
    public mutating func drain<Failure: Error>(_ body: (borrowing Message) throws(Failure) -> Void) throws(Failure) -> Int {
        try drain(limit: .max, body)
    }

    /// Copies the next message into the caller's memory, waiting for it if need be. Allocates nothing. O(bytes).
    ///
    /// - Parameters:
    ///   - buffer: where to copy to, from its start.
    ///   - timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: nil at an end, as ``next(timeout:)``.
    /// - Throws: as ``next(timeout:)``; `sizeMismatch` if the message is larger than the buffer. It stays in the ring then.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    public mutating func receive(into buffer: inout MutableRawSpan, timeout: Duration? = nil) throws(RingError) -> Received? {
        // SAFETY: the buffer is used inside the closure only.
        try unsafe buffer.withUnsafeMutableBytes { target throws(RingError) in
            try unsafe receive(into: target, timeout: timeout)
        }
    }

    /// Copies the next message into the caller's memory; see `receive(into:)` of a span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func receive(
        into buffer: UnsafeMutableRawBufferPointer, timeout: Duration? = nil
    ) throws(RingError) -> Received? {
        guard let message = try next(timeout: timeout) else { return nil }
        return try unsafe message.move(to: buffer)
    }

    /// A copy of the next message, waiting for it if need be. Allocates the array.
    ///
    /// - Returns: nil at an end, as ``next(timeout:)``.
    /// - Throws: as ``next(timeout:)``.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func receive(timeout: Duration? = nil) throws(RingError) -> [UInt8]? {
        guard let message = try next(timeout: timeout) else { return nil }
        return message.array
    }
}

extension Message {
    /// Copies the payload to the start of the buffer. If it is too large for it, the message goes back.
    @inlinable
    @inline(__always)
    consuming func move(to buffer: UnsafeMutableRawBufferPointer) throws(RingError) -> Received {
        let count = byteCount
        guard count <= buffer.count else {
            let error = unsafe reader.pointee.mismatch(count, buffer.count)
            putBack()
            throw error
        }
        // SAFETY: both sides have at least `count` bytes.
        if count > 0 { unsafe sr_copy(buffer.baseAddress!, start, Int64(count)) }
        return Received(self)
    }
}

extension LaneReader {
    @usableFromInline
    @inline(never)
    func mismatch(_ found: Int, _ room: Int) -> RingError {
        RingError(
            .sizeMismatch, ring: ring, "the next message has \(counted(found, "byte")), the buffer \(room); the message stays in the ring")
    }
}

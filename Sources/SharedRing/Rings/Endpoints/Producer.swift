/// Sends messages into one lane of a ring.
///
/// There is one producer a lane, in one place: the type can't be copied, and the role is locked against other processes.
/// Sending makes no system call and allocates nothing, unless the consumer sleeps or the ring is full.
///
/// Messages that were sent (the call returned) reach the consumer whatever happens to this process afterwards. A producer
/// that goes away without ``close()`` reads as died at the other end, so a stream that was cut off is never taken for
/// a whole one.
@safe
public struct Producer: ~Copyable, @unchecked Sendable {
    @usableFromInline let core: ProducerCore
    /// `core.writer`, one load nearer.
    @usableFromInline let writer: UnsafeMutablePointer<LaneWriter>

    init(_ core: ProducerCore) {
        self.core = core
        unsafe writer = core.writer
    }

    // MARK: Facts

    /// The largest message, in bytes.
    public var largestMessage: Int { unsafe writer.pointee.shape.largestMessage }

    /// The lane this producer writes; 0 in a ring with one.
    public var lane: Int { core.lane }

    /// How many bytes a message may have to fit now; 0 also if none fits. A lower bound: the consumer may be acknowledging
    /// at this moment, and up to an eighth of the capacity is acknowledged late.
    public var freeBytes: Int {
        mutating get {
            // SAFETY: see `send`.
            unsafe writer.pointee.freeBytes()
        }
    }

    /// Whether a consumer is attached, or any reliable subscriber of a broadcast, in whatever process. One system call; safe from any thread.
    public var isPeerAttached: Bool { core.isPeerAttached }

    /// Ends this producer's waiting from another thread.
    public var canceller: Canceller { Canceller(core.cancelFlag) }

    /// Has the ring stay when its last reader is done with it. See ``RingOptions/isPersistent``.
    public mutating func makeRingPersistent() { core.attachment.makePersistent() }

    // MARK: Waiting

    /// Waits until a consumer is attached, or a reliable subscriber of a broadcast. Blocks the thread; in a task the asynchronous form is meant.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `cancelled`, `ended`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func waitForPeer(timeout: Duration? = nil) throws(RingError) {
        try unsafe writer.pointee.requireUsable()
        try core.waitForPeers(1, until: Deadline(after: timeout))
    }

    /// Waits until the consumer has acknowledged every message sent so far. Blocks the thread; in a task the asynchronous form is meant.
    ///
    /// Of a broadcast: every reliable subscriber that is attached, and every durable one, attached or not. Without one it returns at once. A durable one that
    /// is away and does not come back is waited for until the timeout: without one, for ever. A subscriber with a name that died and is not durable is not
    /// waited for. It loses its place by this call: under its name the next one begins anew, and what it had not acknowledged does not come again.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `cancelled`, `ended`; `peerDied` or `peerClosed` if the consumer has gone before it acknowledged: once,
    ///   later calls wait for the next one.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func waitUntilAcknowledged(timeout: Duration? = nil) throws(RingError) {
        try core.waitUntilAcknowledged(until: Deadline(after: timeout))
    }

    @usableFromInline
    @inline(never)
    func waitForSlot(for byteCount: Int, timeout: Duration?) throws(RingError) -> LaneWriter.Slot {
        if let slot = unsafe writer.pointee.slotBelowLimit(for: byteCount) { return slot }
        try core.waitForRoom(for: byteCount, until: Deadline(after: timeout))
        return unsafe LaneWriter.Slot(writer.pointee)
    }

    // MARK: Closing

    /// Ends the stream: the consumer gets everything sent, and then the end. Does not wait for it. The role is free then.
    ///
    /// After `end` it does nothing.
    ///
    /// - Throws: `poisoned`, `forked`; the stream then stays without an end.
    public consuming func close() throws(RingError) {
        try core.close()
    }

    /// Ends the stream as ``close()`` does, where the producer can't be given away: in a stored property, an actor, a `defer`.
    ///
    /// Ending again does nothing; everything else throws `ended` from then on. Does not block.
    ///
    /// - Throws: `poisoned`, `forked`; the stream then stays without an end. `alreadyWaiting` while a task waits for this producer: in
    ///   a task `await` it, then it waits for its turn.
    public mutating func end() throws(RingError) {
        try core.end()
    }
}

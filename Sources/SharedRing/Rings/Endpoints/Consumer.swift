/// Receives the messages of a ring with one lane.
///
/// There is one consumer a ring, in one place: the type can't be copied, and the role is locked against other processes.
/// Receiving makes no system call and allocates nothing, unless there is nothing to receive.
///
/// What was acknowledged is gone; what was not, when a consumer goes away, is handed out again to the next one: every
/// message arrives once, or, across the death of a consumer, at least once. With automatic acknowledgement up to an eighth
/// of the capacity that was used up may come again after a *kill* (not after ``close()`` or a drop); with manual
/// acknowledgement, all since the last ``acknowledge()``.
///
/// The end of a stream is reported once, as `nil`; so is the death of a producer, as `peerDied`. Calling again waits for the next
/// producer's messages.
@safe
public struct Consumer: ~Copyable, @unchecked Sendable {
    @usableFromInline let core: ConsumerCore
    /// `core.reader`, one load nearer.
    @usableFromInline let reader: UnsafeMutablePointer<LaneReader>

    init(_ core: ConsumerCore) {
        self.core = core
        unsafe reader = core.reader
    }

    // MARK: Facts

    /// The largest message, in bytes.
    public var largestMessage: Int { unsafe reader.pointee.shape.largestMessage }

    /// Whether a producer is attached, in whatever process. One system call; safe from any thread.
    public var isPeerAttached: Bool { core.isProducerAttached }

    /// Whether the ring is to stay when its last reader is done with it; see ``RingOptions/isPersistent``.
    public var isRingPersistent: Bool { core.attachment.isPersistent }

    /// None: this consumer ends with each producer, and `next` says how.
    public var ends: ProducerEnds { ProducerEnds() }

    /// Nil: as ``ends``.
    public mutating func nextEnd() -> ProducerEnd? { nil }

    /// Ends this consumer's waiting from another thread.
    public var canceller: Canceller { Canceller(core.role.cancelFlag) }

    /// Waits until a producer is attached. Blocks the thread; in a task the asynchronous form is meant.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `cancelled`, `ended`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func waitForPeer(timeout: Duration? = nil) throws(RingError) {
        try core.waitForProducer(until: Deadline(after: timeout))
    }

    // MARK: Ending

    /// Ends this consumer in order: everything used up is acknowledged, a waiting producer is woken, the role is free.
    ///
    /// With manual acknowledgement, what was not acknowledged is handed out again to the next consumer.
    ///
    /// - Throws: `poisoned`, `forked`.
    public consuming func close() throws(RingError) {
        try core.close()
    }

    /// Ends this consumer as ``close()`` does, where it can't be given away: in a stored property, an actor, a `defer`.
    ///
    /// Ending again does nothing; everything else throws `ended` from then on. Does not block.
    ///
    /// - Throws: `poisoned`, `forked`; `alreadyWaiting` while a task waits for this consumer.
    public mutating func end() throws(RingError) {
        try core.end()
    }

    /// Removes the ring's name if no other process is attached, nothing is left in it, and it is not persistent.
    ///
    /// Afterwards this consumer can only be closed or dropped. The proof that none is attached is the lock on every role
    /// byte, so no sender is lost: one that comes a moment later makes a new ring. A producer that has closed and not quite gone is waited for, up to
    /// 20 milliseconds.
    ///
    /// - Returns: whether it was removed. If not, go on receiving: a producer has come.
    public mutating func removeRingIfUnused() throws(RingError) -> Bool {
        try core.removeIfUnused()
    }
}

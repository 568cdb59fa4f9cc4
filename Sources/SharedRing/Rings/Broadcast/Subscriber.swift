/// Receives the messages of a ``BroadcastRing``, each of which every subscriber gets.
///
/// There is one place where a subscriber receives: the type can't be copied. Receiving makes no system call and allocates nothing, unless there is
/// nothing to receive.
///
/// A *reliable* subscriber gets every message from its beginning on. Messages are views into the ring, and hold the publisher up until they are
/// acknowledged. A *lossy* one copies messages out, in parts of up to 64 KiB, and holds nothing up. What the publisher wrote over before it was copied is counted:
/// what was received and ``missed`` is together what was sent since the beginning, exactly.
///
/// The end of a stream is reported once, as `nil`; so is the death of the publisher, as `peerDied`, after everything that it sent. Calling again waits for the next
/// publisher's messages.
@safe
public struct Subscriber: ~Copyable, @unchecked Sendable {
    /// What happens when a subscriber is slower than the publisher.
    @nonexhaustive
    public enum Delivery: Sendable {
        /// The publisher waits.
        case reliable
        /// The publisher waits, also while the subscriber is not there, whether it closed or died: until it comes back under its name, or is removed with
        /// `removeSubscriber(named:)` of ``BroadcastRing``. It needs a name.
        case durable
        /// The publisher waits as long as it has patience (``EndpointOptions/softGatePatience``), and goes on then; what it writes over is missed. *Reliable while
        /// it keeps up*: while it reads, it misses nothing. It copies as a lossy one does, and has a place as a reliable one does.
        case softGated
        /// The publisher goes on, and what it writes over is missed.
        case lossy
    }

    /// Which message is the first.
    @nonexhaustive
    public enum Start: Sendable, Equatable {
        /// The next one that is sent.
        case now
        /// The oldest from which on it is sure that nothing was written over. There may be older ones in the ring.
        case oldest
        /// The last so many that were sent, or as many of them as are still sure to be there.
        case last(Int)

        var subscriptionStart: SubscriptionStart {
            switch self {
            case .now: .now
            case .oldest: .oldest
            case .last(let count): .last(count)
            }
        }
    }

    /// A number of messages, and the bytes in them.
    public struct Count: Sendable, Equatable {
        /// How many messages.
        public var messages: UInt64
        /// The bytes of their payloads.
        public var byteCount: UInt64

        init(_ totals: LossyReader.Totals) {
            messages = totals.messages
            byteCount = totals.byteCount
        }
    }

    @usableFromInline let core: ConsumerCore
    /// `core.reader`, one load nearer.
    @usableFromInline let reader: UnsafeMutablePointer<LaneReader>
    private let subscription: Subscription

    init(_ core: ConsumerCore) {
        self.core = core
        unsafe reader = core.reader
        subscription = core.subscription!
    }

    // MARK: Facts

    /// The largest message, in bytes.
    public var largestMessage: Int { unsafe reader.pointee.shape.largestMessage }

    /// Whether the publisher waits for this subscriber.
    public var delivery: Delivery {
        switch (subscription.isLossy, subscription.hasSlot) {
        case (true, false): .lossy
        case (true, true): .softGated
        case (false, _): subscription.isDurable ? .durable : .reliable
        }
    }

    /// The name under which it comes back; nil: it has none.
    public var name: String? { subscription.name.isEmpty ? nil : String(decoding: subscription.name, as: UTF8.self) }

    /// Whether it went on where the last subscriber of its name had acknowledged. What that one had received and not acknowledged comes again. If this
    /// is false, it began where it was asked to.
    public var isResumed: Bool { subscription.isResumed }

    /// What was sent in the ring before this subscriber's first message, and so not to it. Exact.
    public var sentBefore: Count { Count(subscription.before) }

    /// What this subscriber missed since it began, because the publisher wrote over it. Exact. None of a reliable one.
    ///
    /// What lies before a message that was handed out is counted when that message is; ask when its view has ended. From any thread; neither waits nor
    /// allocates.
    public var missed: Count { Count(subscription.missed) }

    /// Whether a publisher is attached, in whatever process. One system call; safe from any thread.
    public var isPeerAttached: Bool { core.isProducerAttached }

    /// Whether the ring is to stay when its last reader is done with it; see ``RingOptions/isPersistent``.
    public var isRingPersistent: Bool { core.attachment.isPersistent }

    /// None: a subscriber ends with each publisher, and `next` returns or throws how.
    public var ends: ProducerEnds { ProducerEnds() }

    /// Nil: as ``ends``.
    public mutating func nextEnd() -> ProducerEnd? { nil }

    /// Ends this subscriber's waiting from another thread.
    public var canceller: Canceller { Canceller(core.role.cancelFlag) }

    /// Waits until a publisher is attached. Blocks the thread; in a task the asynchronous form is meant.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `cancelled`, `ended`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func waitForPeer(timeout: Duration? = nil) throws(RingError) {
        try core.waitForProducer(until: Deadline(after: timeout))
    }

    // MARK: Ending

    /// Ends this subscriber in order: it holds nothing up any more, and its place is free.
    ///
    /// A durable one keeps its place, and goes on holding the publisher up with what it has not acknowledged. One with a name that is dropped instead leaves
    /// its head behind, as if it were killed: it can go on there as long as the publisher has not needed the room.
    ///
    /// - Throws: `poisoned`, `forked`.
    public consuming func close() throws(RingError) {
        try core.close()
    }

    /// Ends this subscriber as ``close()`` does, where it can't be given away: in a stored property, an actor, a `defer`.
    ///
    /// Ending again does nothing; everything else throws `ended` from then on. Does not block.
    ///
    /// - Throws: `poisoned`, `forked`; `alreadyWaiting` while a task waits for this subscriber.
    public mutating func end() throws(RingError) {
        try core.end()
    }

    /// Removes the ring's name if nobody else is attached, nothing is left in it for this subscriber, and it is not persistent. See
    /// ``Consumer/removeRingIfUnused()``. Lossy subscribers have no role, and do not keep a ring from being removed.
    ///
    /// - Returns: whether it was removed.
    public mutating func removeRingIfUnused() throws(RingError) -> Bool {
        try core.removeIfUnused()
    }
}

/// Receives the messages of all lanes of an ``MPSCRing``.
///
/// Messages of one producer come in the order in which it sent them. Between producers, there is an order only if the ring
/// was made with ``MPSCRing/Order/total``: then messages come in the order of their sending, across all lanes.
///
/// As for fairness: a lane is left after a budget of messages (256, adjustable) or when it is empty, if another has any, and each
/// other lane gets its turn before it is visited again. Lanes that were never attached to cost nothing; an idle one costs one look at one
/// word a round.
///
/// What holds for ``Consumer`` about acknowledging and redelivery holds for each lane here.
@safe
public struct MergingConsumer: ~Copyable, @unchecked Sendable {
    /// When there is nothing more to come.
    @nonexhaustive
    public enum Ending: Sendable, Hashable {
        /// Never: a service waits for the next producer. Producers that end are counted, in ``MergingConsumer/ends``.
        case never
        /// When at least so many producers have come, all that came have ended, and everything they sent is received.
        /// ``MergingConsumer/next(timeout:)`` gives nil then if all have closed, or throws `peerDied` if one has not; once, and again when others
        /// have come and gone.
        ///
        /// A producer counts if it attached after this consumer, was attached when this consumer came, or had gone by then and left something
        /// unread: a message, or its end. So senders that ran before their receiver count, and those of an earlier run do not.
        ///
        /// An end is read once the end of all streams was reported and this consumer has come back, by any call that waits or acknowledges, or has
        /// closed. If a consumer is killed before that, its successor counts the same producers, and waits for those that are missing.
        ///
        /// - Parameters:
        ///   - atLeast: how many. Less than 1 is taken for 1.
        ///   - includingEarlier: whether all count that attached since the ring was made, as long as they are fewer than 2^31 - 1.
        case whenAllEnded(atLeast: Int = 1, includingEarlier: Bool = false)

        /// Nil: it never ends.
        var expected: ExpectedEnds? {
            switch self {
            case .never: nil
            case .whenAllEnded(let atLeast, let includingEarlier): ExpectedEnds(atLeast: atLeast, includingEarlier: includingEarlier)
            }
        }
    }

    @usableFromInline let core: LaneMerger
    /// `core.cursor`, one load nearer.
    @usableFromInline let cursor: UnsafeMutablePointer<LaneMerger.Cursor>

    init(_ core: LaneMerger) {
        self.core = core
        unsafe cursor = core.cursor
    }

    // MARK: Facts

    /// The largest message, in bytes.
    public var largestMessage: Int { core.attachment.header.largestMessage }

    /// Whether any producer is attached, in whatever process. One system call; safe from any thread.
    public var isPeerAttached: Bool { core.isAnyProducerAttached }

    /// How many producers this consumer has seen end, and how.
    public var ends: ProducerEnds { core.ends }

    /// The next end of a producer that this consumer has seen and not given here yet, in the order in which it saw them; nil if there is none.
    ///
    /// Ends are seen while it receives and waits: a close when it is read, a death within a check interval of a wait. This call does not look for
    /// them: call it after ``next(timeout:)`` or ``poll()``. Neither waits nor makes a system call. The newest 1,024 are kept for it;
    /// ``ends`` counts all of them.
    ///
    /// In a task ``waitUntilReady(timeout:)`` returns for an end as well, and ``forEach(ended:_:)`` reports each. An event source and ``messages()`` own
    /// the consumer, and have a call of this name.
    ///
    /// Where acknowledgement is manual, an end is acknowledged as a message is: until then it counts as backlog, and a successor sees it again.
    ///
    /// ```swift
    /// while let end = consumer.nextEnd() { print(end) }  // "lane 3: process 4711 (send) closed"
    /// ```
    public mutating func nextEnd() -> ProducerEnd? { core.takeEnd() }

    /// Ends this consumer's waiting from another thread.
    public var canceller: Canceller { Canceller(core.role.cancelFlag) }

    /// Whether ``removeRingIfUnused()`` leaves the ring where it is.
    public var isRingPersistent: Bool { core.attachment.isPersistent }

    /// Waits until a producer is attached. Blocks the thread; in a task the asynchronous form is meant.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `cancelled`, `ended`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func waitForPeer(timeout: Duration? = nil) throws(RingError) {
        try core.waitForProducer(until: Deadline(after: timeout))
    }

    // MARK: Ending

    /// Ends this consumer in order: everything used up is acknowledged, waiting producers are woken, the role is free.
    ///
    /// With manual acknowledgement, what was not acknowledged is handed out again to the next consumer.
    public consuming func close() throws(RingError) {
        try core.close()
    }

    /// Ends this consumer as ``close()`` does, where it can't be given away. See ``Consumer/end()``.
    public mutating func end() throws(RingError) {
        try core.end()
    }

    /// Removes the ring's name if no other process is attached, nothing is left in it, and it is not persistent. See
    /// ``Consumer/removeRingIfUnused()``.
    ///
    /// - Returns: whether it was removed. If not, go on receiving: a producer has come.
    public mutating func removeRingIfUnused() throws(RingError) -> Bool {
        try core.removeIfUnused()
    }
}

// SAFETY, for every `unsafe` here: with a budget, the cursor's reader belongs to a lane that `core` keeps; no other code uses it,
// since this consumer is borrowed exclusively; a message is made only of a header that `admits` let pass.

extension MergingConsumer: MessageSource {
    /// The next message, in place, waiting for it if need be.
    ///
    /// - Parameter timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: nil when there is nothing more to come; see ``Ending``.
    /// - Throws: `timedOut`, `cancelled`, `forked`; `peerDied`, see ``Ending``; `poisoned` once for every lane that a producer
    ///   has corrupted, which is passed over from then on.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func next(timeout: Duration? = nil) throws(RingError) -> Message? {
        var patience = Patience.fresh
        while true {
            if let message = takeFromLane(beforeWaiting: true) { return message }
            // A call of its own, and its result is no message: see `Consumer.next`.
            patience = try waitForMessage(timeout: timeout, patience)
            if patience == .ended { return nil }
        }
    }

    /// The rest of `next`: the cursor's lane has something afterwards, or every producer has ended.
    @usableFromInline
    @inline(never)
    mutating func waitForMessage(timeout: Duration?, _ patience: Patience) throws(RingError) -> Patience {
        if patience == .fresh, core.stay(timeout) { return .watched }
        let deadline = patience.deadline(after: timeout)
        return try core.wait(timeout, until: deadline) == .ended ? .ended : Patience(deadline)
    }

    /// The next message, in place, if there is one now.
    ///
    /// - Throws: `poisoned`, `forked`, `peerDied`; see ``next(timeout:)``.
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func poll() throws(RingError) -> PollResult {
        if let message = takeFromLane() { return .message(message) }
        return try pollFurther()
    }

    /// The rest of `poll`.
    @usableFromInline
    @inline(never)
    @_lifetime(&self)
    mutating func pollFurther() throws(RingError) -> PollResult {
        if core.stay(.zero), let message = takeFromLane() { return .message(message) }
        while true {
            switch try core.poll() {
            case .ended: return .ended
            case nil: return .empty
            case .message: if let message = takeFromLane() { return .message(message) }
            }
        }
    }

    /// The next message, in place, if one is there now. Ends and errors are left for ``next(timeout:)``.
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func nextIfAvailable() -> Message? {
        if let message = takeFromLane() { return message }
        return pollForMessage()
    }

    /// The rest of `nextIfAvailable`.
    @usableFromInline
    @inline(never)
    @_lifetime(&self)
    mutating func pollForMessage() -> Message? {
        if core.stay(.zero), let message = takeFromLane() { return message }
        guard core.pollForMessage() else { return nil }
        return takeFromLane()
    }

    /// As ``MessageSource/drain(limit:_:)``, with the position in a lane kept in a register. Inlined, so that the body is, too.
    @discardableResult
    @inlinable
    @inline(__always)
    public mutating func drain<Failure: Error>(
        limit: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        // A limit for an untrusted peer's lanes, which may look as if they never ended.
        let limit = min(limit, core.mostRecords)
        var count = 0
        // In a total order how far a lane may be read is found out message by message.
        if core.isTotallyOrdered {
            let end = core.beginDrainInTotalOrder()
            defer { core.endDrain() }
            let cursor = unsafe cursor
            while count < limit, let message = nextIfAvailable() {
                // That of the last of its run: no run goes over the end.
                guard unsafe cursor.pointee.reader.pointee.ticket < end else {
                    message.putBack()
                    break
                }
                do throws(Failure) {
                    try body(message)
                } catch {
                    message.putBack()
                    throw error
                }
                count &+= 1
            }
            return count
        }
        core.beginDrain()
        defer { core.endDrain() }
        while count < limit {
            let room = unsafe min(cursor.pointee.budget, limit &- count)
            if room > 0 {
                let taken = try unsafe LaneReader.run(cursor.pointee.reader, from: cursor.pointee.drainStart, limit: room, body)
                unsafe cursor.pointee.budget &-= taken
                count &+= taken
                if taken == room && core.stay(.zero) { continue }
            }
            if count == limit || !core.pollForMessage() { break }
        }
        return count
    }

    /// The next message of the lane in hand, within its budget.
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    mutating func takeFromLane(beforeWaiting: Bool = false) -> Message? {
        let left = unsafe cursor.pointee.budget &- 1
        guard _fastPath(left >= 0) else { return nil }
        let reader = unsafe cursor.pointee.reader
        guard let found = unsafe reader.pointee.find(beforeWaiting: beforeWaiting) else { return nil }
        unsafe cursor.pointee.budget = left
        return unsafe _overrideLifetime(Message(reader, found), mutating: &self)
    }

    /// Gives back everything that was handed out, and the ends that were seen, where ``Acknowledgement/manual`` was asked for. Visible to the
    /// producers, and safe from redelivery, when this returns. O(lanes in use).
    public mutating func acknowledge() throws(RingError) {
        try core.role.requireUsable()
        core.acknowledge()
    }
}

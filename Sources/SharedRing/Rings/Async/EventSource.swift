/// A consumer whose descriptor an event loop can watch: epoll, Dispatch, SwiftNIO.
///
/// ```swift
/// var source = try consumer.eventSource()
/// // Watch `source.descriptor` for reading. When it is readable:
/// let result = try source.drain { message in print(message.text) }
/// ```
///
/// The descriptor is *level-triggered*: it is readable from the moment when a message, an end or an error waits (and at first)
/// until ``poll()`` has answered `empty`. A loop that takes only some of the messages is called again. Only that answer
/// arms the descriptor anew, in an order that loses no message; it costs two or three system calls, so take what is there
/// before. Edge-triggered watching works too, if every event is followed by calls up to `empty`.
///
/// The descriptor is an eventfd of this process: watch it, and do not read it, write it or close it. It is closed with this
/// value; stop watching before. In a forked child it means nothing.
@safe
public struct EventSource<Source: MessageSource & ~Copyable>: ~Copyable, @unchecked Sendable {
    private var source: Source
    private let lease: EventLease

    init(_ source: consuming Source, _ lease: EventLease) {
        self.source = source
        self.lease = lease
    }

    /// Readable while ``poll()`` finds something.
    public var descriptor: Int32 { lease.event.descriptor.userNumber }

    /// The next message, in place, if there is one now.
    ///
    /// Does not look where the descriptor is not readable: answers `empty`, and the event follows.
    ///
    /// - Throws: as ``Consumer/poll()``; `peerDied` within a check interval of the death, or ten after a long silence; `cancelled` if
    ///   nothing is there and the canceller was used: the descriptor stays readable then, until ``Canceller/reset()``.
    @_lifetime(&self)
    public mutating func poll() throws(RingError) -> PollResult {
        guard try lease.event.mayLook() else { return .empty }
        switch try source.poll() {
        case .message(let message): return .message(message)
        case .ended: return .ended
        case .empty:
            try lease.event.arm()
            return .empty
        }
    }

    /// Hands out the messages that are there now, at most `limit`, and says why it stopped.
    ///
    /// What an event loop calls whenever the descriptor is readable. It ends however fast others send; see ``MessageSource/drain(limit:_:)``.
    /// Where more is there then, or `limit` was reached, the descriptor stays readable. A body that throws leaves its message in the ring: it is
    /// handed out again.
    ///
    /// With manual acknowledgement, what was handed out is acknowledged before the descriptor is armed.
    ///
    /// - Throws: what the body throws; otherwise a `RingError`, as ``poll()``.
    @discardableResult
    public mutating func drain(limit: Int = .max, _ body: (borrowing Message) throws -> Void) throws -> DrainResult {
        guard try lease.event.mayLook() else { return .empty }
        if try source.drain(limit: limit, body) >= limit { return .limitReached }
        let reason = try whyDry()
        if reason == .empty {
            try source.acknowledge()
            try lease.event.arm()
        }
        return reason
    }

    /// What there is after all that was there was taken.
    private mutating func whyDry() throws(RingError) -> DrainResult {
        switch try source.poll() {
        case .message(let message):
            message.putBack()  // it came meanwhile
            return .limitReached
        case .ended: return .ended
        case .empty: return .empty
        }
    }

    /// Gives back everything that was handed out, where ``Acknowledgement/manual`` was asked for. To be called before
    /// ``poll()`` answers `empty`; after that, `alreadyWaiting` is thrown.
    public mutating func acknowledge() throws(RingError) {
        _ = try lease.event.mayLook()
        try source.acknowledge()
    }

    /// The consumer again. Waits for the waiter thread to let go of it, some microseconds. The descriptor is closed.
    public consuming func consumer() -> Source {
        lease.event.takeBack()
        return source
    }

    /// Ends the consumer in order; see ``Consumer/close()``.
    public consuming func close() throws(RingError) {
        lease.event.takeBack()
        try source.close()
    }

    /// Ends the consumer in order, where this value can't be given away; see ``Consumer/end()``. Waits for the waiter thread to let go of it, some
    /// microseconds. The descriptor stays open, and readable, until this value goes.
    public mutating func end() throws(RingError) {
        lease.event.takeBack()
        try source.end()
    }
}

extension EventSource where Source == MergingConsumer {
    /// The next end of a producer that was seen and not given here yet; nil if there is none. See ``MergingConsumer/nextEnd()``.
    ///
    /// An end makes the descriptor readable, as a message does: a close behind the messages before it, a death within a check interval of it, or ten
    /// after a long silence. So call this whenever the descriptor was readable, after ``poll()`` or ``drain(limit:_:)``, which see the
    /// ends. An end that is not asked for makes it readable once. Neither waits nor makes a system call.
    ///
    /// ```swift
    /// try source.drain { message in print(message.text) }
    /// while let end = source.nextEnd() { print(end) }
    /// ```
    ///
    /// In a forked child it gives nil.
    public mutating func nextEnd() -> ProducerEnd? { source.nextEnd() }

    /// How many producers the consumer has seen end, and how. From any thread; neither waits nor allocates.
    public var ends: ProducerEnds { source.ends }
}

extension Consumer {
    /// Makes a descriptor that is readable while messages wait. It owns the consumer from now on.
    ///
    /// - Throws: `system` if there is no descriptor to be had; the consumer ends then, as if it were dropped.
    public consuming func eventSource() throws(RingError) -> EventSource<Consumer> {
        let lease = try EventLease.of(core, core.watch)
        return EventSource(self, lease)
    }
}

extension MergingConsumer {
    /// Makes a descriptor that is readable while messages wait. See ``Consumer/eventSource()``.
    public consuming func eventSource() throws(RingError) -> EventSource<MergingConsumer> {
        let lease = try EventLease.of(core, core.watch)
        return EventSource(self, lease)
    }
}

extension Subscriber {
    /// Waits, without holding a thread, until ``poll()`` finds a message, an end or an error. See ``Consumer/waitUntilReady(timeout:)``.
    ///
    /// - Parameter timeout: nil, for ever; zero, only to look.
    /// - Throws: `timedOut`; `cancelled` if the task is cancelled and nothing is there, or the ``canceller`` was used;
    ///   `alreadyWaiting`, `poisoned`, `forked`.
    public func waitUntilReady(timeout: Duration? = nil) async throws(RingError) {
        try await core.waitUntilReady(timeout: timeout)
    }

    /// Waits, without holding a thread, until a publisher is attached.
    ///
    /// - Parameter timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `alreadyWaiting`, `ended`, `forked`; `cancelled` if the task is cancelled or the ``canceller`` was used.
    public func waitForPeer(timeout: Duration? = nil) async throws(RingError) {
        try await core.waitForProducerWithoutThread(until: Deadline(after: timeout))
    }

    /// Hands out every message, in place, to the end of the stream, waiting for them without holding a thread. See ``Consumer/forEach(_:)``.
    ///
    /// - Throws: what the body throws; otherwise a `RingError`, as ``Consumer/forEach(_:)``.
    public mutating func forEach(_ body: (borrowing Message) throws -> Void) async throws {
        let ring = core.role.sleeper.ring
        try await handOut(all: &self, of: ring, to: body) { _ in }
    }

    /// The messages as an asynchronous sequence, which owns the subscriber from now on. See ``Messages``.
    public consuming func messages() -> Messages<Subscriber> {
        let acknowledges = unsafe reader.pointee.isManual
        return Messages(self, acknowledges: acknowledges)
    }

    /// Makes a descriptor that is readable while messages wait. See ``Consumer/eventSource()``.
    ///
    /// - Throws: `system` if there is no descriptor to be had; the subscriber ends then, as if it were dropped.
    public consuming func eventSource() throws(RingError) -> EventSource<Subscriber> {
        let lease = try EventLease.of(core, core.watch)
        return EventSource(self, lease)
    }
}

// MARK: Publishing

extension Producer {
    /// Waits until so many reliable subscribers of a broadcast have joined, and are attached. Blocks the thread; in a task the asynchronous form is meant.
    ///
    /// - Parameters:
    ///   - count: how many.
    ///   - timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `cancelled`, `ended`; `invalidOption` if the ring has no room for so many.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func waitForSubscribers(_ count: Int, timeout: Duration? = nil) throws(RingError) {
        try unsafe writer.pointee.requireUsable()
        try core.requireRoom(forSubscribers: count)
        try core.waitForPeers(count, until: Deadline(after: timeout))
    }

    /// Waits, without holding a thread, until so many reliable subscribers of a broadcast have joined, and are attached. What other tasks send meanwhile with
    /// this producer waits behind it.
    ///
    /// - Parameters:
    ///   - count: how many.
    ///   - timeout: nil, for ever; zero, not at all.
    /// - Throws: `timedOut`, `forked`, `ended`, `poisoned`; `cancelled` if the task is cancelled or the ``canceller`` was used; `invalidOption` if the
    ///   ring has no room for so many.
    public func waitForSubscribers(_ count: Int, timeout: Duration? = nil) async throws(RingError) {
        try core.requireRoom(forSubscribers: count)
        try await core.takeTurn(for: .peers(count), until: Deadline(after: timeout))
        core.turns.pass()
    }
}

extension ProducerCore {
    func requireRoom(forSubscribers count: Int) throws(RingError) {
        let room = attachment.header.slotCount
        guard attachment.header.kind == .broadcast else {
            throw attachment.error(.invalidOption, "it has one consumer and no subscribers; wait for its peer")
        }
        guard (0...room).contains(count) else {
            throw attachment.error(.invalidOption, "it has room for \(counted(room, "subscriber")), and \(count) are to be waited for")
        }
    }
}

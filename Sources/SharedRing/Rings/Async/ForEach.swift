extension Consumer {
    /// Hands out every message, in place, to the end of the stream, waiting for them without holding a thread.
    ///
    /// ```swift
    /// try await consumer.forEach { message in print(message.text) }
    /// ```
    ///
    /// The body runs where this was called, on the caller's actor. After a few thousand messages in a row other tasks get their
    /// turn. A body that throws leaves its message in the ring: it is handed out again.
    ///
    /// With manual acknowledgement, what was handed out is acknowledged before it waits, after the bodies ran to their ends, and at
    /// the latest after those few thousand.
    ///
    /// - Throws: what the body throws; otherwise a `RingError`: as ``next(timeout:)``, and `cancelled` if the task is cancelled, after those few
    ///   thousand at the latest. The ``canceller`` ends it between two messages.
    public mutating func forEach(_ body: (borrowing Message) throws -> Void) async throws {
        let ring = core.role.sleeper.ring
        try await handOut(all: &self, of: ring, to: body) { _ in }
    }
}

extension MergingConsumer {
    /// Hands out every message, in place, until there is nothing more to come (see ``Ending``). See ``Consumer/forEach(_:)``.
    public mutating func forEach(_ body: (borrowing Message) throws -> Void) async throws {
        let ring = core.role.sleeper.ring
        try await handOut(all: &self, of: ring, to: body) { _ in }
    }

    /// As ``forEach(_:)``, and reports each producer that ends, also while no message comes.
    ///
    /// ```swift
    /// try await consumer.forEach(ended: { end in print(end) }) { message in print(message.text) }
    /// ```
    ///
    /// An end is reported once the messages before it were handed out, and a few thousand of other lanes at most. The closures run where this was
    /// called, never at the same time.
    ///
    /// - Parameters:
    ///   - ended: is given each end that was seen; see ``nextEnd()``.
    ///   - body: is given each message, in place.
    /// - Throws: what the closures throw; otherwise as ``forEach(_:)``.
    public mutating func forEach(
        ended: (ProducerEnd) throws -> Void, _ body: (borrowing Message) throws -> Void
    ) async throws {
        let ring = core.role.sleeper.ring
        try await handOut(all: &self, of: ring, to: body) { consumer in while let end = consumer.nextEnd() { try ended(end) } }
    }
}

/// `tellEnds` is called after each batch, and before it all ends.
func handOut<Source: MessageSource & ~Copyable>(
    all source: inout Source, of ring: String, to body: (borrowing Message) throws -> Void, tellEnds: (inout Source) throws -> Void
) async throws {
    let canceller = source.canceller
    while true {
        try await source.waitUntilReady(timeout: nil)
        let goesOn = try handOut(batch: &source, until: canceller, to: body)
        try tellEnds(&source)
        guard goesOn else { return }
        try source.acknowledge()
        if Task.isCancelled { throw RingError(.cancelled, ring: ring, "the task that received messages was cancelled") }
        await Task.yield()
    }
}

/// False: the stream has ended.
private func handOut<Source: MessageSource & ~Copyable>(
    batch source: inout Source, until canceller: Canceller, to body: (borrowing Message) throws -> Void
) throws -> Bool {
    for _ in 0..<4096 where !canceller.isCancelled {  // `waitUntilReady` reports it
        switch try source.poll() {
        case .message(let message):
            do {
                try body(message)
            } catch {
                message.putBack()
                throw error
            }
        case .empty: return true
        case .ended: return false
        }
    }
    return true
}

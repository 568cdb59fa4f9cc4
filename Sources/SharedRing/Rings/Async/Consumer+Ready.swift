import CSharedRing

extension Consumer {
    /// Waits, without holding a thread, until ``poll()`` finds a message, an end or an error; that says which.
    ///
    /// ```swift
    /// receiving: while true {
    ///     try await consumer.waitUntilReady()
    ///     switch try consumer.poll() {
    ///     case .message(let message): take(message)
    ///     case .empty: continue
    ///     case .ended: break receiving
    ///     }
    /// }
    /// ```
    ///
    /// ``forEach(_:)`` does just that. A wait may end for nothing, so `empty` is to be expected.
    ///
    /// Returns at once, without a change of thread, while messages keep coming; watches the ring for some microseconds
    /// before it suspends. While it is suspended nothing else can be done with this consumer: a reentrant call throws
    /// `alreadyWaiting`. (``WaitStrategy/spin`` means no more here than ``WaitStrategy/adaptive``.)
    ///
    /// With manual acknowledgement, acknowledge first: see ``Acknowledgement/manual``.
    ///
    /// - Parameter timeout: nil, for ever; zero, only to look.
    /// - Throws: `timedOut`; `cancelled` if the task is cancelled and nothing is there, or the ``canceller`` was used;
    ///   `alreadyWaiting`, `poisoned`, `forked`.
    public func waitUntilReady(timeout: Duration? = nil) async throws(RingError) {
        try await core.waitUntilReady(timeout: timeout)
    }
}

extension ConsumerCore {
    func waitUntilReady(timeout: Duration?) async throws(RingError) {
        try role.sleeper.requireNotCancelled("message")
        if isReadyAtOnce { return }
        try watch.occupy(self)
        if isReadyWithinMoment(timeout) { return watch.vacate() }
        try await watch.ready(self, until: Deadline(after: timeout), "message")
    }

    /// For a consumer that can be used.
    var isReadyAtOnce: Bool { unsafe reader.pointee.isOfThisProcess && !reader.pointee.poll().isAbsent }

    /// An answer from another core comes sooner than a task is suspended.
    func isReadyWithinMoment(_ timeout: Duration?) -> Bool {
        unsafe reader.pointee.watch(timeout: timeout) || isReady()
    }
}

extension Watch {
    /// Waits until the endpoint is ready, for a caller that has occupied this watch. Throws what the other outcomes mean.
    func ready(
        _ endpoint: any Awaited, until deadline: Deadline, _ what: StaticString
    ) async throws(RingError) {
        switch try await wait(for: endpoint, until: deadline) {
        case .ready: return
        case .cancelled: throw RingError(.cancelled, ring: sleeper.ring, "waiting for \(what) was cancelled")
        case .abandoned: throw RingError(.cancelled, ring: sleeper.ring, "the task that waited for \(what) was cancelled")
        case .timedOut: throw RingError(.timedOut, ring: sleeper.ring, "no \(what) before the deadline")
        }
    }
}

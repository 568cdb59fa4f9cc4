import CSharedRing

extension MergingConsumer {
    /// Waits, without holding a thread, until ``poll()`` finds a message, an end of all streams or an error, or ``nextEnd()`` an end that was
    /// not seen before. See ``Consumer/waitUntilReady(timeout:)``.
    ///
    /// - Parameter timeout: nil, for ever; zero, only to look.
    /// - Throws: `timedOut`; `cancelled` if the task is cancelled and nothing is there, or the ``canceller`` was used;
    ///   `alreadyWaiting`, `forked`.
    public func waitUntilReady(timeout: Duration? = nil) async throws(RingError) {
        try core.role.sleeper.requireNotCancelled("message")
        if core.isReadyAtOnce { return }
        try core.watch.occupy(core)
        if core.isReadyWithinMoment(timeout) { return core.watch.vacate() }
        try await core.watch.ready(core, until: Deadline(after: timeout), "message")
    }
}

extension LaneMerger {
    /// Whether the lane in hand has more. In a total order it may not be due, which only the general look finds out.
    var isReadyAtOnce: Bool {
        guard !isTotallyOrdered, unsafe cursor.pointee.budget > 0 else { return false }
        let reader = unsafe cursor.pointee.reader
        return unsafe reader.pointee.isOfThisProcess && !reader.pointee.poll().isAbsent
    }

    func isReadyWithinMoment(_ timeout: Duration?) -> Bool {
        guard isReady() || pollForAMoment(timeout) && isReady() else { return false }
        noteWaitEnded()
        return true
    }
}

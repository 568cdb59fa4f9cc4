/// An endpoint that a task or an event loop can wait for.
///
/// While it waits, the endpoint is handed over: only the waiter thread touches its private state, and every other call of the
/// endpoint (a reentrant actor can make one) throws. The pool's lock orders the hand-over, resuming the task the way back.
protocol Awaited: AnyObject, Sendable {
    /// Before the endpoint is handed over: what is due is acknowledged. Throws if it can't be used.
    func prepareToWait() throws(RingError)

    /// Whether the owner's next call would find something. Called often; no system call.
    func isReady() -> Bool

    /// Whether it would, now that the other side was looked at too. May make system calls.
    func isReadyOnCheckingPeers() -> Bool

    /// Keeps the owner's calls away from the private state.
    func handOver(saying error: RingError)

    /// Lets them in again.
    func takeBack()
}

/// A consumer's side: its owner may wait for a producer, and not for a message.
protocol ProducerAwaited: Awaited {
    var watch: Watch { get }
    /// While it is true, `isReady` asks for a producer.
    var isProducerWanted: Bool { get set }
    /// Whether there is one. Without a system call where none has come.
    var isProducerThere: Bool { get }
}

extension ProducerAwaited {
    /// Waits for a producer without holding a thread.
    func waitForProducerWithoutThread(until deadline: Deadline) async throws(RingError) {
        while true {
            try watch.occupy(self)
            if isProducerThere { return watch.vacate() }
            isProducerWanted = true
            defer { isProducerWanted = false }
            try await watch.ready(self, until: deadline, "producer")
        }
    }
}

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
    func isReadyOnLookingAround() -> Bool

    /// Keeps the owner's calls away from the private state.
    func handOver(saying error: RingError)

    /// Lets them in again.
    func takeBack()
}

import CSharedRing
import Synchronization

/// One endpoint's waiting without a thread: at most one wait at a time, served by a waiter thread.
@safe
final class Watch: @unchecked Sendable {
    enum Outcome {
        /// The owner's next call finds something.
        case ready
        /// The endpoint's canceller was used.
        case cancelled
        /// The task was cancelled, or the event source closed.
        case abandoned
        case timedOut
    }

    let sleeper: Sleeper
    /// What a call on the endpoint throws meanwhile.
    private let refusal: RingError
    private let isTaken = Atomic(false)
    private let isAbandoned = Atomic(false)
    private let report = Report()

    /// How a task's wait ended. Apart from the watch: the waiter thread keeps only this beyond the end of the wait, and nothing that keeps a mapping, a
    /// descriptor or a link's socket.
    private final class Report: @unchecked Sendable {
        let isOver = Atomic(false)
        var outcome = Outcome.ready
    }

    // Written by the owner before the pool's lock hands this over, then used by the waiter thread alone.
    private var completion: ((Outcome) -> Void)?
    /// The endpoint: kept, and with it the doorbell's mapping, while a thread may sleep on it.
    private var endpoint: (any Awaited)?
    private(set) var deadline = Deadline.never
    /// When to check next.
    var nextCheck: Int64 = 0
    /// Checks that found nothing, since the wait began or the peer rang last.
    private var vainChecks = 0
    /// Wakes that brought nothing.
    var emptyWakes = 0
    /// The thread does not sleep on this word before this time: its peer rings without news.
    var restsUntil: Int64 = 0
    /// The value of the word on which to sleep.
    private(set) var expected: UInt32 = 1
    /// Who serves this. Under the pool's lock.
    var thread: WaiterThread?

    init(_ sleeper: Sleeper) {
        self.sleeper = sleeper
        refusal = RingError(.alreadyWaiting, ring: sleeper.ring, "a task or an event source waits on this endpoint")
    }

    // MARK: The owner's side

    /// Keeps other tasks and event sources away. Throws `alreadyWaiting` if one has the endpoint. `wait` or `vacate` follows.
    func occupy() throws(RingError) {
        // At most one sleeper a doorbell.
        guard isTaken.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else { throw refusal }
    }

    /// Keeps others away, and prepares the endpoint to be handed over. If that throws, the watch is vacant again.
    func occupy(_ endpoint: any Awaited) throws(RingError) {
        // Before anything changes: a second task may have come, on another thread.
        try occupy()
        do throws(RingError) { try endpoint.prepareToWait() } catch {
            vacate()
            throw error
        }
    }

    /// Lets the next one in.
    func vacate() { isTaken.store(false, ordering: .releasing) }

    /// Waits without holding a thread, for a caller that has occupied this watch. It is vacant afterwards.
    func wait(for endpoint: any Awaited, until deadline: Deadline) async throws(RingError) -> Outcome {
        let pool = try reserve()
        await withTaskCancellationHandler {
            await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                start(endpoint, in: pool, until: deadline) { [report] outcome in
                    report.outcome = outcome
                    // SYNC: wait-over (pairs with the load below): the waiter thread's uses of the endpoint come before.
                    report.isOver.store(true, ordering: .releasing)
                    unsafe continuation.resume()
                }
            }
        } onCancel: {
            abandon()
        }
        // SYNC: wait-over (pairs with the store above). Resuming orders the two as well; this one is ours to rely on, and seen by
        // the thread sanitizer.
        _ = report.isOver.load(ordering: .acquiring)
        let outcome = report.outcome
        finishWait(of: endpoint)
        return outcome
    }

    /// Waits, and calls `completion` on the waiter thread. `finishWait` is to be called after that, before the endpoint is used.
    func begin(for endpoint: any Awaited, _ completion: @escaping @Sendable (Outcome) -> Void) throws(RingError) {
        try occupy()
        start(endpoint, in: try reserve(), until: .never, completion)
    }

    /// Ends the wait as soon as the waiter thread gets to it. From any thread.
    func abandon() {
        isAbandoned.store(true, ordering: .sequentiallyConsistent)
        WaiterPool.current.kick(self)
    }

    /// After the wait: the endpoint is its owner's again.
    func finishWait(of endpoint: any Awaited) {
        endpoint.takeBack()
        vacate()
    }

    /// A place with a waiter thread. If there is none, this watch is vacant again.
    private func reserve() throws(RingError) -> WaiterPool {
        // Relaxed: a wait that has not begun is neither abandoned nor ended.
        isAbandoned.store(false, ordering: .relaxed)
        report.isOver.store(false, ordering: .relaxed)
        let pool = WaiterPool.current
        do throws(SystemFailure) {
            try pool.reserve()
            return pool
        } catch {
            vacate()
            throw RingError(.system, ring: sleeper.ring, errno: error.errno, "no thread to wait with")
        }
    }

    private func start(
        _ endpoint: any Awaited, in pool: WaiterPool, until deadline: Deadline, _ completion: @escaping (Outcome) -> Void
    ) {
        endpoint.handOver(saying: refusal)
        self.endpoint = endpoint
        self.completion = completion
        self.deadline = deadline
        emptyWakes = 0
        restsUntil = 0
        vainChecks = 0
        nextCheck = sr_now_ns() &+ interval
        pool.add(self)
    }

    // MARK: The waiter thread's side

    // SAFETY, from here on: the doorbell lies in the control mapping, which `endpoint` keeps.

    var doorbell: UnsafeMutablePointer<UInt32> { unsafe sleeper.word.address }

    var usesMembarrier: Bool { sleeper.barrier == .membarrier }

    /// Whether the word is no longer as the sleeper left it.
    var isRung: Bool { unsafe sr_load_relaxed_u32(doorbell) != expected }  // relaxed: it only says where to look

    /// SYNC: doorbell, space-doorbell, cancel, event-count (see Sleeper.declareAsleep): this store, the waiter thread's barrier, all looks.
    func declareAsleep() { expected = sleeper.word.declareAsleep() }

    /// For observers, as `Sleeper.wait` counts: once a turn that ends asleep.
    func countSleep() { unsafe sr_count(sleeper.sleeps, 1) }

    /// How the wait has ended, if it has. After the barrier.
    func outcome(at now: Int64, isRung: Bool) -> Outcome? {
        guard let endpoint else { return .ready }
        if endpoint.isReady() { return .ready }
        if sleeper.cancelFlag.isRaised { return .cancelled }
        if isAbandoned.load(ordering: .sequentiallyConsistent) { return .abandoned }
        let isOver = deadline.isPassed(at: now)
        // SYNC: hang-up (pairs with CancelFlag.noteHangUp)
        if isRung || isOver || now >= nextCheck || sleeper.cancelFlag.isHungUp {
            if endpoint.isReadyOnCheckingPeers() { return .ready }
            // The peer rang: go back to the short check interval. An untrusted peer that rings causes ten checks a ring at most.
            vainChecks = isRung ? 0 : vainChecks + 1
            nextCheck = now &+ interval
        }
        return isOver ? .timedOut : nil
    }

    /// How long it is from one check to the next: a check interval, and ten of them once ten checks were in vain, so that idle rings
    /// cost next to nothing. Only news that no process can ring for comes later then: a death, a missed wake. Saturating, as check intervals are.
    var interval: Int64 { vainChecks < 10 || sleeper.isPolling ? sleeper.checkInterval : min(sleeper.checkInterval, .max / 20) * 10 }

    /// Lets go of the endpoint. What is returned tells the owner, and keeps neither this watch nor anything of the segment: the thread calls it when it has
    /// let go of this watch as well. So whatever the owner drops then is free at once, and a ring can be removed.
    func finish() -> (Outcome) -> Void {
        sleeper.word.declareAwake()
        endpoint = nil  // should its owner have gone, it ends here
        return completion.take()!
    }
}

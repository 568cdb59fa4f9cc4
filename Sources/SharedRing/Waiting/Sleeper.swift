import CSharedRing

/// How one endpoint waits: spinning, then asleep on its doorbell or an event count, until there is news, a deadline or a cancellation.
///
/// The waker's half of the protocol is `LaneWriter.ringDoorbell` and `LaneReader.barrier`. Both halves store, pass a full
/// barrier and look: the waker stores a record or a head and looks at the doorbell; the sleeper stores the doorbell and
/// looks at the records or the head. Whatever the interleaving, one of them sees the other.
@safe
struct Sleeper {
    /// What stands between the sleeper's store and its look.
    enum Barrier {
        /// A full barrier here; the waker has one of its own.
        case symmetric
        /// A full barrier here and on every core where a waker runs; the waker has none.
        case membarrier
    }

    let word: SleepWord
    let barrier: Barrier
    let strategy: WaitStrategy
    /// How often a waiting endpoint checks its peers although no process woke it, in nanoseconds. It bounds the one window that no
    /// protocol can close: a peer killed after its commit and before its wake. Waits without a thread stretch it: see
    /// `Watch.interval`.
    let checkInterval: Int64
    let cancelFlag: CancelFlag
    /// Counts, for observers.
    let sleeps: UnsafeMutablePointer<UInt64>
    let ring: String
    /// Whether no other side rings: news is found only at the end of a check interval, which is not stretched then.
    var isPolling = false

    /// Waits, unless it is cancelled already, until `news` gives a value, or, once a check interval and at the deadline, `checkPeers` does.
    ///
    /// `news` is asked often and must be cheap; `checkPeers` may make system calls. Throws what they throw, `timedOut` or
    /// `cancelled`.
    func wait<News>(
        until deadline: Deadline, for what: StaticString,
        news: () throws(RingError) -> News?, checkPeers: () throws(RingError) -> News?
    ) throws(RingError) -> News {
        try requireNotCancelled(what)
        if let found = try news() { return found }
        let start = sr_now_ns()
        var nextCheck = start &+ checkInterval
        if let found = try checkOn(deadline, at: start, what, checkPeers) { return found }

        if strategy != .sleep {
            let end = strategy == .spin ? Int64.max : start &+ WaitStrategy.adaptiveSpinNanoseconds
            while true {
                // The clock is read once in 64 turns: it costs as much as several of them.
                for _ in 0..<64 {
                    sr_pause()
                    if let found = try news() { return found }
                }
                let now = sr_now_ns()
                if let found = try checkOn(deadline, at: now, what, checkPeers) { return found }
                if now >= nextCheck {
                    if let found = try checkPeers() { return found }
                    nextCheck = now &+ checkInterval
                }
                if now >= end { break }
            }
        }

        var emptyWakes = 0
        while true {
            let (expected, longest) = declareAsleep()
            if let found = try withDoorbellCleared(news) { return found }
            // SYNC: hang-up (pairs with CancelFlag.noteHangUp)
            if cancelFlag.isHungUp, let found = try withDoorbellCleared(checkPeers) { return found }
            var wasWoken = false
            if !cancelFlag.isRaised {
                let now = sr_now_ns()
                unsafe sr_count(sleeps, 1)
                // SAFETY: the doorbell and the counter lie in the control mapping, which the owner of this sleeper keeps.
                let result = unsafe sr_futex_wait(word.address, expected, min(deadline.nanoseconds, min(nextCheck, now &+ longest)))
                wasWoken = result == 0 || result == -SystemFailure.tryAgain
                // It was not tried for a reader that has no role, and may have been forbidden since: look again in moments, without it.
                if !SystemFailure.endedAsWaitsDo(result) { sr_sleep_ns(1_000_000) }
            }
            word.declareAwake()

            if let found = try news() { return found }
            let now = sr_now_ns()
            if let found = try checkOn(deadline, at: now, what, checkPeers) { return found }
            // A wake without news: a peer attached or closed.
            if now >= nextCheck || wasWoken {
                if let found = try checkPeers() { return found }
                nextCheck = now &+ checkInterval
            }
            // After 16 wakes without news, an untrusted peer rings: pause 1 ms a turn, so that this is no busy loop.
            if wasWoken { emptyWakes += 1 }
            if emptyWakes > 16 { sr_sleep_ns(1_000_000) }
        }
    }

    /// Stores the doorbell and passes the barrier. The word's value, and how long, in nanoseconds, one may then sleep.
    private func declareAsleep() -> (expected: UInt32, longest: Int64) {
        // SYNC: doorbell (pairs with LaneWriter.ringDoorbell), space-doorbell (pairs with LaneReader.barrier), cancel (pairs with
        // CancelFlag.raise), event-count (pairs with a waker's look at the word): the store before, all looks after.
        let expected = word.declareAsleep()
        switch barrier {
        case .symmetric: sr_fence_full()
        case .membarrier:
            if sr_membarrier_global() != 0 {
                // It worked at attach and does not now (a seccomp filter installed since): a waker may miss us, so sleep
                // only for moments.
                sr_fence_full()
                return (expected, 1_000_000)
            }
        }
        return (expected, checkInterval)
    }

    /// The look after the barrier. If it finds something, or throws, this side is awake again.
    private func withDoorbellCleared<News>(_ news: () throws(RingError) -> News?) throws(RingError) -> News? {
        do throws(RingError) {
            let found = try news()
            if found != nil { word.declareAwake() }
            return found
        } catch {
            word.declareAwake()
            throw error
        }
    }

    /// What every call that may wait begins with, also one that need not wait.
    func requireNotCancelled(_ what: StaticString) throws(RingError) {
        if cancelFlag.isRaised { throw RingError(.cancelled, ring: ring, "waiting for \(what) was cancelled") }
    }

    /// Throws if cancelled or, after a last check, if the deadline is passed: a caller whose timeouts are all shorter
    /// than a check interval would else never learn that the other side has gone.
    private func checkOn<News>(
        _ deadline: Deadline, at now: Int64, _ what: StaticString, _ checkPeers: () throws(RingError) -> News?
    ) throws(RingError) -> News? {
        try requireNotCancelled(what)
        guard deadline.isPassed(at: now) else { return nil }
        if let found = try checkPeers() { return found }
        throw RingError(.timedOut, ring: ring, "no \(what) before the deadline")
    }
}

extension Sleeper {
    /// Alone on a doorbell.
    init(
        doorbell: UnsafeMutablePointer<UInt32>, barrier: Barrier, strategy: WaitStrategy, checkInterval: Int64, cancelFlag: CancelFlag,
        sleeps: UnsafeMutablePointer<UInt64>, ring: String
    ) {
        unsafe self.init(
            word: .doorbell(doorbell), barrier: barrier, strategy: strategy, checkInterval: checkInterval, cancelFlag: cancelFlag,
            sleeps: sleeps,
            ring: ring)
    }

    var doorbell: UnsafeMutablePointer<UInt32> { unsafe word.address }
}

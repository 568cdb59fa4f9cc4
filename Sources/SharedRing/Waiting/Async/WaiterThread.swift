import CSharedRing

/// A thread that sleeps on many doorbells at once, for endpoints whose owners have no thread to sleep with.
///
/// It follows the sleeper's protocol (see `Sleeper`) for all of them: store every word, one barrier, look at each, sleep while
/// every word has its value. A word that still has it after a wake was not rung since its look, so only the others are looked at
/// again; all are once a check interval, or once in ten after a long silence (see `Watch.interval`), and the other sides as well, in
/// one pass.
@safe
final class WaiterThread: @unchecked Sendable {
    private let pool: WaiterPool
    /// Changes whenever something came: the thread sleeps on it too.
    private let control: UnsafeMutablePointer<UInt32>
    private let words: UnsafeMutablePointer<sr_futex_wait>

    // Under the pool's lock.
    var arrivals: [Watch] = []
    var isKicked = false
    /// How many watches it has, arrivals included.
    var served = 0

    /// How long an idle thread stays, in nanoseconds.
    private static let idleTime: Int64 = 10_000_000_000

    init(_ pool: WaiterPool) {
        self.pool = pool
        unsafe control = .allocate(capacity: 1)
        unsafe control.initialize(to: 0)
        unsafe words = .allocate(capacity: Int(sr_waitv_largest()))
    }

    deinit {
        unsafe control.deallocate()
        unsafe words.deallocate()
    }

    func start() throws(SystemFailure) { try OwnThread.start("sharedring-wait") { self.run() } }

    // SAFETY, for all of these: both allocations are ours until `deinit`; a watch in hand keeps its doorbell mapped.

    /// Something came. From any thread.
    func wake() {
        // SYNC: waiter-control (pairs with `run`): what came is in the pool before; the thread loads the word before it looks.
        _ = unsafe sr_fetch_add_acq_rel_u32(control, 1)
        _ = unsafe sr_futex_wake(control)
    }

    private func run() {
        var watches: [Watch] = []
        // Kept from turn to turn for their memory, and empty in between.
        var asked: [(watch: Watch, isRung: Bool)] = []
        var finished: [(watch: Watch, outcome: Watch.Outcome)] = []
        var ends: [(tell: (Watch.Outcome) -> Void, outcome: Watch.Outcome)] = []
        var seen: UInt32 = 0
        // The last barrier did not reach every waker: all watches are polled again.
        var isUnsure = false
        while true {
            // SYNC: waiter-control (pairs with `wake`): whatever comes after this load changes the word, and the sleep ends.
            let word = unsafe sr_load_acquire_u32(control)
            // A thread that brings a watch puts it into the pool, and then changes the word. So an unchanged word (or 0,
            // as at the start) says: what the pool may hold is followed by a change that this load did not see.
            var (new, isKicked) = word == seen ? ([], false) : pool.arrivals(for: self)
            seen = word
            let now = sr_now_ns()

            // Those that were rung, those that are due, and the new ones. Those due soon go along with the first that is due, so
            // that many rings need one pass an interval.
            let isPass = watches.contains { now >= $0.nextCheck }
            for watch in watches {
                let isRung = watch.isRung && watch.restsUntil == 0
                let isRested = watch.restsUntil != 0 && now >= watch.restsUntil
                let isDue = now >= watch.nextCheck || watch.deadline.isPassed(at: now)
                let goesAlong = isPass && watch.nextCheck &- now < watch.interval / 2
                if isRung || isRested || isDue || goesAlong || isKicked || isUnsure { asked.append((watch, isRung || isRested)) }
                if goesAlong { watch.nextCheck = now }
            }
            watches += new
            for watch in new { asked.append((watch, false)) }
            new = []  // or it would keep them beyond their ends

            var longest = Int64.max
            isUnsure = false
            if !asked.isEmpty {
                var usesMembarrier = false
                for (watch, _) in asked {
                    watch.declareAsleep()
                    usesMembarrier = usesMembarrier || watch.usesMembarrier
                }
                // As in Sleeper.declareAsleep: if it worked at attach and does not now, sleep only for moments.
                if !usesMembarrier {
                    sr_fence_full()
                } else if sr_membarrier_global() != 0 {
                    sr_fence_full()
                    isUnsure = true
                    longest = 1_000_000
                }
                for (watch, isRung) in asked {
                    if let outcome = watch.outcome(at: now, isRung: isRung) {
                        finished.append((watch, outcome))
                        continue
                    }
                    watch.countSleep()
                    watch.restsUntil = 0
                    if isRung { watch.emptyWakes += 1 }
                    // After 16 wakes without news, an untrusted peer rings: rest 1 ms a turn, so that this is no busy loop.
                    if isRung, watch.emptyWakes > 16 { watch.restsUntil = now &+ 1_000_000 }
                }
                if !finished.isEmpty {
                    watches.removeAll { watch in finished.contains { $0.watch === watch } }
                    pool.release(finished, of: self)
                    for (watch, outcome) in finished { ends.append((watch.finish(), outcome)) }
                    finished.removeAll(keepingCapacity: true)
                }
                asked.removeAll(keepingCapacity: true)
                for (tell, outcome) in ends { tell(outcome) }
                ends.removeAll(keepingCapacity: true)
            }
            guard sleep(watches, control: seen, longest: longest) else { return }
        }
    }

    /// Sleeps until something happens or is due. False: this thread was idle for long, and is to end.
    private func sleep(_ watches: [Watch], control seen: UInt32, longest: Int64) -> Bool {
        let now = sr_now_ns()
        if watches.isEmpty {
            let result = unsafe sr_futex_wait(control, seen, now &+ Self.idleTime)
            if !SystemFailure.endedAsWaitsDo(result) { sr_sleep_ns(1_000_000) }
            return result != -SystemFailure.timedOut || !pool.retire(self)
        }
        var end = longest == .max ? Int64.max : now &+ longest
        unsafe words[0] = sr_futex_wait_on(control, seen)
        var count = 1
        for watch in watches {
            end = min(end, min(watch.nextCheck, watch.deadline.nanoseconds))
            if watch.restsUntil != 0 {
                end = min(end, watch.restsUntil)
            } else {
                unsafe words[count] = sr_futex_wait_on(watch.doorbell, watch.expected)
                count += 1
            }
        }
        var result: Int32 = 0
        if pool.placesPerThread == 1, let watch = watches.first {
            // `wake` changes the control word, and then clears the doorbell. This thread stored the doorbell before this load.
            if watch.restsUntil != 0 {
                sr_sleep_ns(1_000_000)
            } else if unsafe sr_load_acquire_u32(control) == seen {
                result = unsafe sr_futex_wait(watch.doorbell, watch.expected, end)
            }
        } else {
            result = unsafe sr_futex_waitv(words, UInt32(count), end)
        }
        // The call is gone (a seccomp filter installed since) or an untrusted peer truncated a ring: poll again in a millisecond, without it.
        if !SystemFailure.endedAsWaitsDo(result) { sr_sleep_ns(1_000_000) }
        return true
    }
}

import CSharedRing

/// The waiter threads of this process: as few as the waiting endpoints need.
///
/// A thread that had nothing to wait for in a while ends. None of them keeps the process from ending, and a forked child,
/// which has none of them, begins with a pool of its own.
final class WaiterPool: Sendable {
    private struct State {
        var threads: [WaiterThread] = []
        /// Places promised to waits that are about to begin.
        var reserved = 0
    }

    private let state = Guarded(State())
    /// How many endpoints one thread serves: one of the kernel's 128 words is the thread's own. Without futex_waitv(2), one.
    let placesPerThread: Int
    private let generation = sr_fork_generation()

    init(usesManyFutexes: Bool = sr_futex_waitv_offered() == 1) {
        placesPerThread = usesManyFutexes ? Int(sr_waitv_largest()) - 1 : 1
    }

    private static let shared = PerProcess(generation: { $0.generation }, make: { WaiterPool() })
    /// This process's pool.
    static var current: WaiterPool { shared.current }

    // MARK: The waiting side

    /// Makes sure that there is a place for one more wait. Throws if no thread can be started.
    func reserve() throws(SystemFailure) {
        try state.withLock { state throws(SystemFailure) in
            let free = state.threads.reduce(0) { $0 + placesPerThread - $1.served }
            if free <= state.reserved {
                let thread = WaiterThread(self)
                try thread.start()
                state.threads.append(thread)
            }
            state.reserved += 1
        }
    }

    /// Gives the watch to the first thread that has a place; `reserve` has seen to it that there is one.
    func add(_ watch: Watch) {
        let thread = state.withLock { state in
            state.reserved -= 1
            let thread = state.threads.first { $0.served < placesPerThread }!
            thread.served += 1
            thread.arrivals.append(watch)
            watch.thread = thread
            return thread
        }
        thread.wake()
    }

    /// Has the watch's thread look at it.
    func kick(_ watch: Watch) {
        state.withLock { _ in
            guard let thread = watch.thread else { return }
            thread.isKicked = true
            thread.wake()
            // A thread that sleeps on a single doorbell sees its own word only before. While the watch has its place, its
            // doorbell is mapped.
            if placesPerThread == 1 { watch.sleeper.word.wake() }
        }
    }

    // MARK: The threads' side

    /// What came since, and whether to look at everything.
    func arrivals(for thread: WaiterThread) -> (watches: [Watch], isKicked: Bool) {
        state.withLock { _ in
            defer {
                thread.arrivals.removeAll(keepingCapacity: true)
                thread.isKicked = false
            }
            return (thread.arrivals, thread.isKicked)
        }
    }

    /// Frees the places of waits that are over, before their ends are reported to their owners.
    func release(_ watches: [(watch: Watch, outcome: Watch.Outcome)], of thread: WaiterThread) {
        state.withLock { _ in
            thread.served -= watches.count
            for (watch, _) in watches { watch.thread = nil }
        }
    }

    /// Lets an idle thread end. False: something came, or is about to.
    func retire(_ thread: WaiterThread) -> Bool {
        state.withLock { state in
            guard thread.served == 0, state.reserved == 0 else { return false }
            state.threads.removeAll { $0 === thread }
            return true
        }
    }

    /// How many threads there are. For tests.
    var threadCount: Int { state.withLock { $0.threads.count } }
}

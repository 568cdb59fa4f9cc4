import Glibc
import Synchronization

/// What signals do.
enum Signals {
    /// SIGINT and SIGTERM end the process on the spot, unless a command asks for an end in order. On the spot, the kernel frees its
    /// role, what it committed stays, and since the stream was not closed no receiver takes it for a whole one. They are handled,
    /// and not left to their default, for the exit status: it says so too where no shell translates it, and where a script started the
    /// process in the background, with SIGINT ignored. They are let through, too: a parent that starts processes from a thread with
    /// blocked signals (Dispatch has such) hands the mask down.
    ///
    /// SIGPIPE is ignored: the write that met a closed pipe says so. SIGCHLD is not, whatever a parent ignores: the status of a command
    /// that is served would be lost.
    static func install() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGCHLD, SIG_DFL)
        var handled = sigset_t()
        sigemptyset(&handled)
        for number in [SIGINT, SIGTERM] {
            sigaddset(&handled, number)
            // Only what may be done in a signal handler.
            signal(number) { _exit(128 + $0) }
        }
        sigprocmask(SIG_UNBLOCK, &handled, nil)
    }

    /// The signal that has asked for an end in order; nil: none has.
    static var request: Int32? {
        let number = requested.load(ordering: .relaxed)  // its own thread's handler stored it
        return number == 0 ? nil : number
    }

    static var isEndAskedFor: Bool { request != nil }

    /// Whether that was more than a second ago: time enough to end by oneself.
    static var isEndOverdue: Bool { isEndAskedFor && nanoseconds() &- askedAt.load(ordering: .relaxed) > 1_000_000_000 }

    /// From now on these signals only ask; asked again a quarter of a second later, or after that, they end the process on the spot as
    /// before. One request may be several signals: timeout(1) sends its own to its child and then to the whole group, and a terminal that
    /// closes sends SIGHUP beside.
    ///
    /// Between a look at `request` and a call that blocks a signal may come, so from then on an alarm ends every call that blocks
    /// with EINTR, again and again.
    static func endInOrder(on numbers: [Int32]) {
        // They are made at their first use, which must not be the handler's.
        requested.store(0, ordering: .relaxed)
        askedAt.store(0, ordering: .relaxed)
        handle(SIGALRM) { _ in }
        var mask = sigset_t()
        sigemptyset(&mask)
        for number in numbers + [SIGALRM] { sigaddset(&mask, number) }
        sigprocmask(SIG_UNBLOCK, &mask, nil)
        for number in numbers where number != SIGHUP || !isIgnored(SIGHUP) {  // `nohup` ignores it, and is to have its way
            handle(number) { number in
                let now = Signals.nanoseconds()  // clock_gettime may be called in a handler
                // First the time: the handler of another signal may come in between.
                let first = Signals.askedAt.compareExchange(expected: 0, desired: now, ordering: .relaxed).original
                if Signals.requested.compareExchange(expected: 0, desired: number, ordering: .relaxed).original != 0 {
                    if now &- first > 250_000_000 { _exit(128 + number) }
                    return
                }
                var tick = itimerval(it_interval: timeval(tv_sec: 0, tv_usec: 10_000), it_value: timeval(tv_sec: 0, tv_usec: 10_000))
                setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &tick, nil)
            }
        }
    }

    private static let requested = Atomic<Int32>(0)
    private static let askedAt = Atomic<Int64>(0)

    private static func nanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Without SA_RESTART, which `signal` sets: what blocks is to return.
    private static func handle(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        sigaction(number, &action, nil)
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        sigaction(number, nil, &action)
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1  // SIG_IGN
    }
}

import Glibc
import Synchronization

/// What signals do.
enum Signals {
    /// SIGINT and SIGTERM end the process on the spot, unless a command asks for an end in order. On the spot, the kernel frees its
    /// role, what it committed stays, and since the stream was not closed no receiver takes it for a whole one. They are handled at all,
    /// instead of being left to their default, so that the exit status says so too where a shell is not there to translate it, and
    /// when the process was started in the background of a script, where SIGINT is ignored. They are let through, too: a parent that
    /// starts processes from a thread with blocked signals (Dispatch has such) hands the mask down.
    ///
    /// SIGPIPE is ignored: the write that met a closed pipe says so.
    static func install() {
        signal(SIGPIPE, SIG_IGN)
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

    /// From now on these signals only ask; asked again, they end the process on the spot as before.
    ///
    /// Between a look at `request` and a call that blocks a signal may come, so from then on an alarm ends every call that blocks
    /// with EINTR, again and again.
    static func endInOrder(on numbers: [Int32]) {
        requested.store(0, ordering: .relaxed)  // it is made at its first use, which must not be the handler's
        handle(SIGALRM) { _ in }
        var mask = sigset_t()
        sigemptyset(&mask)
        for number in numbers + [SIGALRM] { sigaddset(&mask, number) }
        sigprocmask(SIG_UNBLOCK, &mask, nil)
        for number in numbers where number != SIGHUP || !isIgnored(SIGHUP) {  // `nohup` ignores it, and is to have its way
            handle(number) { number in
                if Signals.requested.exchange(number, ordering: .relaxed) != 0 { _exit(128 + number) }
                var tick = itimerval(it_interval: timeval(tv_sec: 0, tv_usec: 10_000), it_value: timeval(tv_sec: 0, tv_usec: 10_000))
                setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &tick, nil)
            }
        }
    }

    private static let requested = Atomic<Int32>(0)

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

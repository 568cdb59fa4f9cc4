import Glibc
import Synchronization

/// What signals do.
enum Signals {
    /// SIGINT and SIGTERM end the process on the spot. The kernel frees its role, what it committed stays, and since the
    /// stream was not closed nobody takes it for a whole one. They are handled at all, instead of being left to their
    /// default, so that the exit status says so too where a shell is not there to translate it, and when the process was
    /// started in the background of a script, where SIGINT is ignored. They are let through, too: a parent that starts
    /// processes from a thread with blocked signals (Dispatch has such) hands the mask down.
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

    /// Whether a signal has asked for an end in order.
    static var isEndAskedFor: Bool { endAskedFor.load(ordering: .relaxed) }

    /// From now on this signal only asks; asked again, it ends the process on the spot as before.
    static func endInOrder(on number: Int32) {
        endAskedFor.store(false, ordering: .relaxed)  // it is made at its first use, which must not be the handler's
        signal(number) { number in
            if Signals.endAskedFor.exchange(true, ordering: .relaxed) { _exit(128 + number) }
        }
    }

    private static let endAskedFor = Atomic(false)
}

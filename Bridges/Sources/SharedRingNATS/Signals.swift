import Glibc
import RingBridge

/// SIGTERM and SIGINT ask for an end in order. A second one ends the process on the spot: the ring keeps what was not acknowledged.
enum Signals {
    static let stop = StopFlag()

    static func install() {
        _ = stop.isRaised  // made here, and not in a handler
        for number in [SIGTERM, SIGINT] {
            signal(number) { number in
                if Signals.stop.isRaised { _exit(128 + number) }
                Signals.stop.raise()
            }
        }
        var mask = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, SIGTERM)
        sigaddset(&mask, SIGINT)
        sigprocmask(SIG_UNBLOCK, &mask, nil)
    }
}

import Glibc

/// Pauses.
enum Clock {
    /// Returns early if a signal comes.
    static func sleep(_ duration: Duration) {
        let parts = duration.components
        var time = timespec(tv_sec: Int(parts.seconds), tv_nsec: Int(parts.attoseconds / 1_000_000_000))
        nanosleep(&time, nil)
    }
}

/// How an endpoint waits for the other side.
@nonexhaustive
public enum WaitStrategy: Sendable {
    /// Never sleeps: the lowest latency, and a processor core of its own.
    case spin
    /// Spins for some 50 µs, about what going to sleep and being woken costs, then sleeps. The default.
    case adaptive
    /// Sleeps at once: the least processor time.
    case sleep

    /// How long `adaptive` spins.
    static let adaptiveSpinNanoseconds: Int64 = 50_000
}

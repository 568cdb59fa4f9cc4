/// What is measured.
package enum Mode: String, CaseIterable, Sendable {
    /// A closed loop: there and back, one message at a time.
    case rtt
    /// Messages that are due at fixed times, 100,000 a second; latency counts from the due time.
    case rate
    /// As many messages as will go, one way.
    case throughput
    /// As `rate`, but 1,000 messages at once are due every 10 ms.
    case burst
    /// As `rate`, but one message is due every 100 ms: what waiting costs.
    case idle
    /// As `throughput`, of several producers at once, each in a process of its own.
    case mpsc

    /// Whether it gives latencies; otherwise messages a second.
    package var isTimed: Bool { self != .throughput && self != .mpsc }

    package var title: String {
        switch self {
        case .rtt: "round trips, there and back"
        case .rate: "one way at 100,000 messages a second, from the time each was due"
        case .throughput: "one way, as many as will go; payload, 10^9 bytes a second; the floor by GB/s"
        case .burst: "one way, 1,000 due at once every 10 ms, from the time they were due"
        case .idle: "one way, one due every 100 ms; CPU of the receiver alone"
        case .mpsc: "several producers, a process each, into one consumer"
        }
    }
}

import Metrics

/// A ring's counts, for whatever metrics system the process has.
public struct RingMetrics: Sendable {
    private let messages: Counter
    private let bytes: Counter
    private let deaths: Counter

    /// - Parameter ring: the value of every metric's `ring` dimension.
    public init(ring: String) {
        let dimensions = [("ring", ring)]
        messages = Counter(label: "ring_received_messages_total", dimensions: dimensions)
        bytes = Counter(label: "ring_received_bytes_total", dimensions: dimensions)
        deaths = Counter(label: "ring_feeder_deaths_total", dimensions: dimensions)
    }

    public func received(_ byteCount: Int) {
        messages.increment()
        bytes.increment(by: byteCount)
    }

    public func died() { deaths.increment() }
}

/// What one repeat of a case gave.
struct Sample {
    struct Latency {
        var p50, p90, p99, p999, p9999, largest: Double
    }

    /// Nanoseconds; in modes that measure it.
    var latency: Latency?
    /// In modes that do not measure latency.
    var messagesPerSecond: Double?
    /// User and system time of both processes. In `idle` of the receiver: its sender watches the clock.
    var cpuPerMessage: Double
    var involuntarySwitches: Int
}

extension Sample.Latency {
    init(_ histogram: Histogram, _ ticks: Ticks) {
        func at(_ fraction: Double) -> Double { ticks.nanoseconds(histogram.value(at: fraction, step: ticks.step)) }
        self.init(
            p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), p9999: at(0.9999),
            largest: ticks.nanoseconds(Double(histogram.largest)))
    }
}

extension Sample {
    /// The medians, figure by figure; only the largest latency is the largest of all.
    init(medianOf samples: [Sample]) {
        let latencies = samples.compactMap(\.latency)
        if !latencies.isEmpty {
            latency = Latency(
                p50: median(latencies.map(\.p50)), p90: median(latencies.map(\.p90)), p99: median(latencies.map(\.p99)),
                p999: median(latencies.map(\.p999)), p9999: median(latencies.map(\.p9999)),
                largest: latencies.map(\.largest).max() ?? 0)
        }
        let rates = samples.compactMap(\.messagesPerSecond)
        if !rates.isEmpty { messagesPerSecond = median(rates) }
        cpuPerMessage = median(samples.map(\.cpuPerMessage))
        involuntarySwitches = Int(median(samples.map { Double($0.involuntarySwitches) }))
    }

    /// The figure that ratios are made of: the median latency, or messages a second.
    var headline: Double { latency?.p50 ?? messagesPerSecond ?? 0 }
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

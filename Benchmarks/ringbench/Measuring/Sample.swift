import BenchReport
import CBench

/// What one repeat of a case gave.
struct Sample {
    /// Nanoseconds; in modes that measure it.
    var latency: CaseResult.Latency?
    var curve: [CaseResult.CurvePoint] = []
    /// In modes that do not measure latency.
    var messagesPerSecond: Double?
    /// How far apart the cores were; nil: they moved, or it can't be told.
    var distance: CoreDistance?
    /// How long the measuring took.
    var seconds: Double
    /// Of all processes. In `idle` of the receiver alone as to time: its sender watches the clock.
    var usage: cb_usage

    /// The figure that ratios are made of: the median latency, or messages a second.
    var headline: Double { latency?.p50 ?? messagesPerSecond ?? 0 }
}

extension CaseResult.Latency {
    init(_ histogram: Histogram, _ ticks: Ticks) {
        func at(_ fraction: Double) -> Double { ticks.nanoseconds(histogram.value(at: fraction, step: ticks.step)) }
        self.init(
            p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), p9999: at(0.9999),
            largest: ticks.nanoseconds(Double(histogram.largest)))
    }
}

/// Percentiles eight to a decade of what lies above them: 0, 25, 44, …, 90, …, 99, …, as far as there are messages.
enum PercentileCurve {
    static func points(_ histogram: Histogram, _ ticks: Ticks) -> [CaseResult.CurvePoint] {
        var points: [CaseResult.CurvePoint] = []
        var above = 1.0
        while above * Double(histogram.count) >= 1 && points.count <= 48 {
            let fraction = 1 - above
            points.append(
                .init(fraction: fraction, nanoseconds: ticks.nanoseconds(histogram.value(at: fraction, step: ticks.step))))
            above *= 0.749894209332456  // the eighth root of a tenth
        }
        return points
    }
}

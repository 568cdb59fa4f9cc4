import Glibc

/// Where values lie along one side of a chart: a range of what is drawn (for logarithmic axes the logarithm), and what is
/// written beside it.
struct Axis {
    struct Tick {
        var place: Double
        var text: String
    }

    var low: Double
    var high: Double
    var ticks: [Tick]
    var title: String

    /// 0...1.
    func fraction(_ place: Double) -> Double { high > low ? (place - low) / (high - low) : 0.5 }

    /// Decades, or 1, 2 and 5 in each if there are few, around all values.
    static func logarithmic(_ values: [Double], _ title: String, text: (Double) -> String) -> Axis {
        let positive = values.filter { $0 > 0 }
        let low = log10(positive.min() ?? 1)
        let high = log10(positive.max() ?? 1)
        func places(_ steps: [Double]) -> [Double] {
            (Int(low.rounded(.down)) - 1...Int(high.rounded(.up)) + 1).flatMap { decade in steps.map { log10($0) + Double(decade) } }
        }
        // From the last such place below to the first above.
        let first = places([1, 2, 5]).last { $0 <= low + 1e-9 } ?? low
        let last = places([1, 2, 5]).first { $0 >= high - 1e-9 && $0 > first } ?? high
        let marks = places(last - first > 1.75 ? [1] : [1, 2, 5]).filter { $0 >= first - 1e-9 && $0 <= last + 1e-9 }
        return Axis(low: first, high: last, ticks: marks.map { Tick(place: $0, text: text(pow(10, $0))) }, title: title)
    }

    /// Percentiles: each further nine as wide as the one before.
    static func percentiles(to fraction: Double) -> Axis {
        let names = ["", "90 %", "99 %", "99.9 %", "99.99 %"]  // The 50 % stand too near to the beginning for another name.
        let high = place(ofPercentile: fraction)
        let tens = names.indices.filter { Double($0) <= high + 0.01 }.map { Tick(place: Double($0), text: names[$0]) }
        let ticks = [Tick(place: place(ofPercentile: 0.5), text: "50 %")] + tens
        return Axis(low: 0, high: high, ticks: ticks, title: "of all messages took at most")
    }

    static func place(ofPercentile fraction: Double) -> Double { -log10(max(1 - fraction, 1e-9)) }

    static func sizes(_ sizes: [Int], _ title: String) -> Axis {
        let places = sizes.map { log10(Double($0)) }
        return Axis(
            low: places.min() ?? 0, high: places.max() ?? 1,
            ticks: zip(places, sizes).map { Tick(place: $0, text: byteCount($1)) }, title: title)
    }
}

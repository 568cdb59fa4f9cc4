/// The repeats of one figure.
struct Spread {
    let values: [Double]

    init(_ values: [Double]) { self.values = values }

    var middle: Double { median(values) }
    var least: Double { values.min() ?? 0 }
    var most: Double { values.max() ?? 0 }
    var width: Double { most - least }

    /// Fewer say nothing about noise.
    static let fewest = 3
    /// Of the figure: a smaller difference does not matter.
    static let smallest = 0.03

    /// Whether the repeats differ so much that their median alone would mislead.
    var isWide: Bool { values.count > 1 && most > 1.5 * least }

    /// "111 to 705", in multiples of the unit; nothing if all are alike.
    func text(unit: Double) -> String {
        let (low, high) = (brief(least / unit), brief(most / unit))
        return low == high ? "" : "\(low) to \(high)"
    }

    /// "111 to 705 million": the unit once, if both have the same.
    static func words(_ low: Double, _ high: Double, _ text: (Double) -> String) -> String {
        let (first, last) = (text(low), text(high))
        guard first != last else { return last }
        let (one, other) = (first.split(separator: " ", maxSplits: 1), last.split(separator: " ", maxSplits: 1))
        return one.count == 2 && other.count == 2 && one[1] == other[1] ? "\(one[0]) to \(last)" : "\(first) to \(last)"
    }

    /// One of two groups of repeats between which nothing lies.
    struct Cluster: Equatable {
        var range: ClosedRange<Double>
        var count: Int
    }

    /// The two groups into which the repeats fall, if they do: at least two in each, the groups apart by half as much again, and
    /// each much narrower than what lies between. Fewer than five repeats say nothing about that.
    var modes: (low: Cluster, high: Cluster)? {
        guard values.count >= 5, least > 0 else { return nil }
        let sorted = values.sorted()
        let cut = sorted.indices.dropFirst(2).dropLast().max { sorted[$0] / sorted[$0 - 1] < sorted[$1] / sorted[$1 - 1] } ?? 2
        let (low, high) = (sorted[..<cut], sorted[cut...])
        let gap = high[cut] / low[cut - 1]
        func width(_ part: ArraySlice<Double>) -> Double { part.last! / part.first! }
        guard gap > 1.5, width(low) * width(low) < gap, width(high) * width(high) < gap else { return nil }
        return (Cluster(range: low.first!...low.last!, count: low.count), Cluster(range: high.first!...high.last!, count: high.count))
    }

    /// What a reader of the median has to know besides: "111 to 705: the repeats differ widely", or that there are two modes.
    func caution(_ text: (Double) -> String) -> String? {
        if let modes {
            func words(_ cluster: Cluster) -> String {
                Self.words(cluster.range.lowerBound, cluster.range.upperBound, text) + " in \(cluster.count) of \(values.count)"
            }
            return "two modes: \(words(modes.low)) repeats, \(words(modes.high))"
        }
        return isWide ? "of \(Self.words(least, most, text)): the repeats differ widely" : nil
    }

    enum Change { case up, down, none, unknown }

    /// How the other differs from this one, if that exceeds the noise: all its repeats lie on the same side of all of these, the
    /// medians differ by more than the wider of the two ranges, and by more than the smallest part.
    func change(to other: Spread) -> Change {
        guard values.count >= Self.fewest, other.values.count >= Self.fewest else { return .unknown }
        let difference = other.middle - middle
        guard difference.magnitude > max(width, other.width), difference.magnitude > Self.smallest * middle else { return .none }
        if other.least > most { return .up }
        return other.most < least ? .down : .none
    }
}

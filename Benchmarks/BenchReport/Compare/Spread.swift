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
    /// Of the figure: what is less interests nobody.
    static let smallest = 0.03

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

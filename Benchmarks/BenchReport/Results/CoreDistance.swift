/// How far apart the two cores are, by what a cache line takes there and back between them. The host of a virtual machine moves its processors, so this
/// changes from one second to the next, and figures of different distances are not comparable.
package enum CoreDistance: String, CaseIterable, Sendable {
    case near, far

    /// - Parameter roundTrip: the median of `line2`, in nanoseconds.
    package init(roundTrip: Double) { self = roundTrip < Self.limit ? .near : .far }

    /// In nanoseconds. Cores that share a cache take 50 to 130, others 330 to 490.
    private static let limit = 200.0
}

extension CaseResult {
    /// Which repeats have this distance.
    func turns(at distance: CoreDistance) -> [Int] { distances.indices.filter { distances[$0] == distance } }

    /// The same with the repeats of one distance only; nil if there are none.
    func restricted(to distance: CoreDistance) -> CaseResult? {
        let turns = turns(at: distance)
        guard !turns.isEmpty else { return nil }
        var result = self
        result.repeats = turns.map { repeats[$0] }
        result.distances = turns.map { _ in distance }
        return result
    }

    /// "near 150 ns (6 repeats), far 571 ns (2), 1 while the cores moved"; nil if all repeats are of one distance, or none is known.
    func distanceText(_ text: (Double) -> String) -> String? {
        var parts = CoreDistance.allCases.compactMap { distance in
            restricted(to: distance).map { "\(distance.rawValue) \(text($0.headline)) (\($0.repeats.count) of \(repeats.count) repeats)" }
        }
        let moved = distances.count { $0 == nil }
        if moved > 0 { parts.append("\(moved) while the cores moved") }
        return parts.count > 1 ? parts.joined(separator: ", ") : nil
    }
}

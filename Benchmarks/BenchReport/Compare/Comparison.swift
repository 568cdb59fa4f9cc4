/// What changed from one recorded run to another, and whether it exceeds the noise.
package struct Comparison {
    package enum Verdict: Equatable {
        case better, worse
        /// The floor moved as far: the machine differs, not what was measured.
        case asItsFloor
        case withinNoise
        case tooFewRepeats

        package var text: String {
            switch self {
            case .better: "better"
            case .worse: "WORSE"
            case .asItsFloor: "as its floor"
            case .withinNoise: "within noise"
            case .tooFewRepeats: "too few repeats"
            }
        }
    }

    /// One case that stands in both.
    package struct Pair {
        package var setup: CaseSetup
        /// The repeats compared are those with this distance of the cores; nil: all, where the distance is not known or never was the same.
        package var distance: CoreDistance?
        package var verdict: Verdict
        fileprivate var before: CaseResult
        fileprivate var after: CaseResult
        fileprivate var floors: (before: Spread, after: Spread)?
    }

    package let pairs: [Pair]
    /// Cases that stand in one only.
    package let onlyBefore: [CaseSetup]
    package let onlyAfter: [CaseSetup]
    /// What makes the two hard to compare.
    package let caveats: [String]
    private let names: (before: String, after: String)

    package init(_ before: [CaseResult], _ after: [CaseResult], names: (before: String, after: String)) {
        self.names = names
        let (floorsBefore, floorsAfter) = (Standards(before), Standards(after))
        pairs = before.flatMap { old in
            after.filter { $0.setup == old.setup }.prefix(1).flatMap { new in
                let distances = CoreDistance.allCases.filter { !old.turns(at: $0).isEmpty && !new.turns(at: $0).isEmpty }
                return (distances.isEmpty ? [nil] : distances.map(Optional.some)).map { distance in
                    func part(_ result: CaseResult) -> CaseResult { distance.flatMap { result.restricted(to: $0) } ?? result }
                    func floor(_ result: CaseResult, _ standards: Standards) -> Spread? {
                        guard !result.setup.transport.isFloor, let floor = standards.floor(for: result) else { return nil }
                        return Spread(result.ratios(to: floor, at: distance))
                    }
                    var floors: (Spread, Spread)?
                    if let one = floor(old, floorsBefore), let other = floor(new, floorsAfter) { floors = (one, other) }
                    let (one, other) = (part(old), part(new))
                    return Pair(
                        setup: old.setup, distance: distance, verdict: Self.judge(one, other, floors), before: one, after: other,
                        floors: floors)
                }
            }
        }
        onlyBefore = before.map(\.setup).filter { setup in !after.contains { $0.setup == setup } }
        onlyAfter = after.map(\.setup).filter { setup in !before.contains { $0.setup == setup } }
        caveats = Self.caveats(before, after, names)
    }

    private static func judge(_ old: CaseResult, _ new: CaseResult, _ floors: (before: Spread, after: Spread)?) -> Verdict {
        let change = Spread(old.repeats).change(to: Spread(new.repeats))
        switch change {
        case .unknown: return .tooFewRepeats
        case .none: return .withinNoise
        case .up, .down:
            if let floors, floors.before.change(to: floors.after) != change { return .asItsFloor }
            return (change == .down) == old.setup.mode.isTimed ? .better : .worse
        }
    }

    private static func caveats(_ before: [CaseResult], _ after: [CaseResult], _ names: (before: String, after: String)) -> [String] {
        guard let one = before.first, let other = after.first else { return [] }
        var caveats = one.machine.differences(from: other.machine).map { "the machines differ in \($0)" }
        if one.cpus != other.cpus { caveats.append("the CPUs differ: \(one.cpus) | \(other.cpus)") }
        for (name, results) in [(names.before, before), (names.after, after)] {
            let common = results.commonWarnings
            caveats += common.map { "\(name): \($0)" }
            let disturbed = results.count { !Set(common).isSuperset(of: $0.warnings) }
            if disturbed > 0 { caveats.append("\(name): \(disturbed) of its \(results.count) cases were preempted often") }
        }
        return caveats
    }

    package var lines: [String] {
        var lines = ["A is \(names.before), B is \(names.after)"] + caveats.map { "warning: \($0)" }
        if !pairs.isEmpty { lines += [""] + TextTable.lines([Self.header] + pairs.map(row)) + [""] + [summary] + judgement }
        for (name, setups) in [(names.before, onlyBefore), (names.after, onlyAfter)] where !setups.isEmpty {
            lines += ["", "only in \(name):"] + setups.map { "  \($0.name)" }
        }
        if pairs.isEmpty { lines.append("no case stands in both") }
        return lines
    }

    private static let header = ["case", "unit", "A", "(range)", "B", "(range)", "change", "x floor A", "B", "verdict"]

    private func row(_ pair: Pair) -> [String] {
        let (old, new) = (Spread(pair.before.repeats), Spread(pair.after.repeats))
        let isTimed = pair.setup.mode.isTimed
        func figure(_ value: Double) -> String { isTimed ? decimal(value, 0) : decimal(value / 1e6, 2) }
        func range(_ spread: Spread) -> String { "\(figure(spread.least))-\(figure(spread.most))" }
        let change = (new.middle / old.middle - 1) * 100
        return [
            [pair.setup.name, pair.distance?.rawValue].compactMap { $0 }.joined(separator: ", "), isTimed ? "p50 ns" : "M msg/s",
            figure(old.middle), range(old), figure(new.middle), range(new),
            (change > 0 ? "+" : "") + decimal(change, 1) + " %", pair.floors.map { brief($0.before.middle) } ?? "-",
            pair.floors.map { brief($0.after.middle) } ?? "-", verdict(pair),
        ]
    }

    /// A floor has no code of ours to blame.
    private func verdict(_ pair: Pair) -> String {
        switch pair.verdict {
        case .better where pair.setup.transport.isFloor: "faster machine"
        case .worse where pair.setup.transport.isFloor: "slower machine"
        default: pair.verdict.text
        }
    }

    private var summary: String {
        let judged = pairs.filter { !$0.setup.transport.isFloor }
        func count(_ verdict: Verdict) -> Int { judged.count { $0.verdict == verdict } }
        return
            "\(judged.count) cases beside the floors: \(count(.better)) better, \(count(.worse)) worse, \(count(.asItsFloor)) as their floor, "
            + "\(count(.withinNoise)) within noise, \(count(.tooFewRepeats)) with too few repeats"
    }

    private var judgement: [String] {
        let (old, new) = (pairs.map(\.before.repeats.count).min() ?? 0, pairs.map(\.after.repeats.count).min() ?? 0)
        var lines = [
            "A change counts if all repeats of B lie on one side of all of A, the medians differ by more than the wider range and by more than "
                + "\(decimal(Spread.smallest * 100, 0)) %,",
            "and, where there is a floor, if the same holds of the distance to it; otherwise the machine changed.",
        ]
        if old >= Spread.fewest && new >= Spread.fewest {
            let orders = (1...new).reduce(1.0) { $0 * Double(old + $1) / Double($1) }
            let odds = orders / 2
            lines.append(
                "With \(old) and \(new) repeats chance alone sets one case in \(decimal(odds, 0)) apart, before the other conditions: "
                    + "of \(pairs.count) cases \(brief(Double(pairs.count) / odds)). More --repeats make this sharper.")
        } else {
            lines.append("Each file needs at least \(Spread.fewest) repeats of a case.")
        }
        return lines
    }
}

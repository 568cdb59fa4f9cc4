import TestSupport
import Testing

@testable import BenchReport

@Suite("Comparing two runs", .fewAtATime)
struct ComparisonTests {
    private func verdict(_ before: [Double], _ after: [Double], _ mode: Mode = .rtt) -> Comparison.Verdict? {
        let pair = ([Example.result(.pipe, mode, repeats: before)], [Example.result(.pipe, mode, repeats: after)])
        return Comparison(pair.0, pair.1, names: ("A", "B")).pairs.first?.verdict
    }

    @Test("A clear change counts, and its direction depends on what is measured")
    func change() {
        #expect(verdict([100, 101, 102], [120, 121, 122]) == .worse)
        #expect(verdict([100, 101, 102], [80, 81, 82]) == .better)
        #expect(verdict([100, 101, 102], [120, 121, 122], .throughput) == .better)
        #expect(verdict([100, 101, 102], [80, 81, 82], .throughput) == .worse)
    }

    @Test("What repeats explain is noise")
    func noise() {
        #expect(verdict([100, 110, 130], [120, 125, 140]) == .withinNoise)  // they overlap
        #expect(verdict([100, 100, 100], [102, 102, 102]) == .withinNoise)  // too little
        #expect(verdict([100, 120, 140], [141, 150, 190]) == .withinNoise)  // apart, but no further than each is wide
        #expect(verdict([100, 100], [200, 200]) == .tooFewRepeats)
    }

    @Test("A floor that moved as far says that the machine changed")
    func floors() {
        func run(_ ring: [Double], _ floor: [Double]) -> [CaseResult] {
            [
                Example.result(.ring, .rtt, repeats: ring, wait: "spin"),
                Example.result(.line2, .rtt, repeats: floor, size: 8, wait: "spin"),
            ]
        }
        let slower = Comparison(run([100, 101, 102], [80, 81, 82]), run([200, 202, 204], [160, 162, 164]), names: ("A", "B"))
        #expect(slower.pairs.map(\.verdict) == [.asItsFloor, .worse])
        let worse = Comparison(run([100, 101, 102], [80, 81, 82]), run([200, 202, 204], [80, 81, 82]), names: ("A", "B"))
        #expect(worse.pairs.map(\.verdict) == [.worse, .withinNoise])
    }

    @Test("Repeats with the cores near are compared with such, and far ones with far ones")
    func distances() {
        func result(_ repeats: [Double], _ distances: [CoreDistance?]) -> CaseResult {
            var result = Example.result(.ring, .rtt, repeats: repeats, wait: "spin")
            result.distances = distances
            return result
        }
        let before = result([100, 500, 101, 501, 102, 502, 9], [.near, .far, .near, .far, .near, .far, nil])
        let after = result([500, 501, 502, 80, 81, 82], [.far, .far, .far, .near, .near, .near])
        let comparison = Comparison([before], [after], names: ("A", "B"))
        #expect(comparison.pairs.map(\.distance) == [.near, .far])
        #expect(comparison.pairs.map(\.verdict) == [.better, .withinNoise])
        #expect(comparison.lines.contains { $0.contains("ring 64 B spin, near") })
        // Never as far apart: no figure is comparable, and so few count.
        let apart = Comparison([result([1, 2], [.near, .near])], [result([1, 2], [.far, .far])], names: ("A", "B"))
        #expect(apart.pairs.map(\.verdict) == [.tooFewRepeats])
        // The floor's turns count where it was as near.
        var floor = Example.result(.line2, .rtt, repeats: [50, 50, 50, 400], size: 8, wait: "spin")
        floor.distances = [.near, .far, .near, .far]
        #expect(before.ratios(to: floor) == [2, 10, 101.0 / 50, 501.0 / 400])
        #expect(result([100, 500], [.near, nil]).ratios(to: floor) == [2])
        #expect(
            ResultTables([before]).cautions == [
                "rtt ring 64 B spin: near 101 ns (3 of 7 repeats), far 501 ns (3 of 7 repeats), 1 while the cores moved"
            ])
        #expect(CoreDistance(roundTrip: 199) == .near && CoreDistance(roundTrip: 201) == .far)
    }

    @Test("The distances of a kept run come back, and as many as there are repeats")
    func keptDistances() throws {
        var result = Example.result(.ring, .rtt, repeats: [100, 500, 101])
        result.distances = [.near, .far, nil]
        let kept = try ResultsFile.parse(result.json, name: "kept")
        #expect(kept.map(\.distances) == [[.near, .far, nil]])
        let text = result.json.replacing("\"near\",", with: "")
        #expect(throws: ResultsError.self) { try ResultsFile.parse(text, name: "kept") }
    }

    @Test("Cases and machines that do not match are named")
    func mismatches() {
        var moved = Example.result(.pipe, .rtt, repeats: [1, 2, 3])
        moved.machine.kernel = "Linux 7.0"
        moved.cpus = "2,3"
        moved.warnings = ["others used 20 %"]
        let comparison = Comparison(
            [Example.result(.pipe, .rtt, repeats: [1, 2, 3]), Example.result(.tcp, .rtt, repeats: [1, 2, 3])],
            [moved, Example.result(.ring, .rtt, repeats: [1, 2, 3])], names: ("A", "B"))
        #expect(comparison.onlyBefore.map(\.transport) == [.tcp])
        #expect(comparison.onlyAfter.map(\.transport) == [.ring])
        #expect(
            comparison.caveats == [
                "the machines differ in kernel: Linux 6.1 | Linux 7.0", "the CPUs differ: 0,1 | 2,3",
                "B: 1 of its 2 cases were preempted often",
            ])
        #expect(comparison.lines.contains("only in A:") && comparison.lines.contains("  rtt tcp 64 B"))
    }

    @Test("The judgement is explained, with the odds of chance")
    func explanation() {
        let lines = Comparison(Example.run, Example.run, names: ("A", "B")).lines
        #expect(lines.contains { $0.hasPrefix("With 3 and 3 repeats chance alone sets one case in 10 apart") })
        #expect(lines.contains { $0.contains("\(Example.run.count { !$0.setup.transport.isFloor }) within noise") })
    }
}

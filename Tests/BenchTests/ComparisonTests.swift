import TestSupport
import Testing

@testable import BenchReport

@Suite("Comparing two runs", .processesOneByOne)
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

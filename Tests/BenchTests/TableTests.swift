import TestSupport
import Testing

@testable import BenchReport

@Suite("Tables and numbers", .fewAtATime)
struct TableTests {
    @Test("Columns are aligned, floors and pipes stand beside")
    func tables() throws {
        let tables = ResultTables(Example.run).tables
        let rtt = try #require(tables.first { $0.mode == .rtt })
        let ring = try #require(rtt.rows.first { $0[0] == "ring" && $0[1] == "8" })
        #expect(Array(ring.suffix(2)) == ["1.25", "0.0033"])
        let lines = TextTable.lines(rtt.rows)
        #expect(Set(lines.map(\.count)).count == 1)
    }

    @Test("Throughput is compared with its floor by the byte")
    func floorByBytes() throws {
        let ring = Example.result(.ring, .throughput, repeats: [1e8], size: 64, wait: "adaptive")
        let floor = Example.result(.stream, .throughput, repeats: [1e6], size: 6400, wait: "spin")
        #expect(ring.ratio(to: try #require(Standards([ring, floor]).floor(for: ring))) == 1)
    }

    @Test("Lanes of one producer stand beside the ring that is made for one")
    func spsc() throws {
        let ring = try #require(Example.run.first { $0.setup.transport == .ring && $0.setup.manyProducers?.producers == 1 })
        #expect(ring.ratio(to: try #require(Standards(Example.run).counterpart(.spsc, of: ring))) == 0.5)
        let two = try #require(Example.run.first { $0.setup.transport == .ring && $0.setup.manyProducers?.producers == 2 })
        #expect(Standards(Example.run).counterpart(.spsc, of: two) == nil)
    }

    @Test("Numbers", arguments: [(0.0, "0"), (0.00012, "0.0001"), (1.234, "1.23"), (12.34, "12.3"), (99.97, "100"), (1234, "1234")])
    func numbers(value: Double, text: String) { #expect(brief(value) == text) }

    @Test(
        "Durations have a unit",
        arguments: [(97.3, "97.3 ns"), (999.7, "1.00 µs"), (31_222, "31.2 µs"), (4.5e6, "4.50 ms"), (2e9, "2.00 s")])
    func durations(nanoseconds: Double, text: String) { #expect(duration(nanoseconds) == text) }

    @Test("Round numbers lose their zeros, and no others")
    func roundNumbers() {
        #expect(roundDuration(1000) == "1 µs")
        #expect(roundDuration(500) == "500 ns")
        #expect(roundNumber(0.1) == "0.1")
    }

    @Test("Decimals of large and negative values")
    func decimals() {
        #expect(decimal(-0.04, 1) == "0.0")
        #expect(decimal(-1.25, 1) == "-1.3" || decimal(-1.25, 1) == "-1.2")
        #expect(decimal(1e300, 2) == "huge")
    }
}

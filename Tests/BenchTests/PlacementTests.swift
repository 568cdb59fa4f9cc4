import BenchReport
import TestSupport
import Testing

@testable import ringbench

@Suite("Where the two sides run", .fewAtATime)
struct PlacementTests {
    /// CPUs 0 and 1 are threads of one core, 2 is another core.
    private let topology = Topology { path in
        switch path {
        case "/sys/devices/system/cpu/online": "0-2"
        case "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "/sys/devices/system/cpu/cpu1/topology/thread_siblings_list":
            "0-1"
        default: nil
        }
    }

    private func placed(_ words: String...) throws -> Options {
        var options = try Options(words)
        try options.place(on: topology)
        return options
    }

    @Test("By default on two cores, of many producers on all")
    func defaults() throws {
        #expect(try placed("rtt").cpus == [0, 2])
        #expect(try placed("mpsc").manyProducers.cpus == [0, 2, 1])
        #expect(try placed("rtt").placementWarnings(topology) == [])
    }

    @Test("Threads of one core are warned of, not refused")
    func threads() throws {
        let options = try placed("rtt", "--cpus", "0,1")
        #expect(options.placementWarnings(topology) == ["CPUs 0 and 1 are threads of one core, and share what it has"])
    }

    @Test("One CPU for both only when it is asked for, and neither side spins there")
    func sameCore() throws {
        #expect(throws: Misuse.self) { try placed("rtt", "--cpus", "2,2") }
        #expect(throws: Misuse.self) { try placed("rtt", "--cpus", "2,3", "--same-core") }
        #expect(try placed("rtt", "--cpus", "2,2", "--same-core").cpus == [2, 2])
        #expect(try placed("rtt", "--same-core").cpus == [0, 0])
        #expect(throws: Misuse.self) { try placed("rtt", "--same-core", "--wait", "spin") }
        #expect(throws: Misuse.self) { try placed("rtt", "--same-core", "--transport", "line2") }
        #expect(throws: Misuse.self) { try placed("rate", "--same-core") }
        #expect(throws: Misuse.self) { try placed("--full", "--same-core") }
        let cases = try Suite(try placed("rtt", "--same-core")).cases
        #expect(!cases.isEmpty && cases.allSatisfy { $0.wait != .spin })
    }

    @Test("A consumer that begins later lends its CPU")
    func drainingAfter() throws {
        let along = try placed("mpsc", "--producers", "2", "--cpus", "0,2")
        let after = try placed("mpsc", "--producers", "2", "--cpus", "0,2", "--drain-after")
        #expect(
            try along.manyProducers.variants(2, .ring).map { many in (0..<2).map { many.cpu(of: $0) } } == [
                [2, 2], [2, 2],
            ])
        #expect(
            try after.manyProducers.variants(2, .ring).map { many in (0..<2).map { many.cpu(of: $0) } } == [
                [2, 0], [2, 0],
            ])
    }

    @Test("What producers send before a consumer receives fits, whatever the size")
    func fitting() throws {
        for size in [8, 64, 100, 1000] {
            for transport in [TransportName.ring, .sharedTail] {
                let options = try placed("mpsc", "--producers", "3", "--drain-after", "--size", "\(size)", "--capacity", "65536")
                let manyProducers = try options.manyProducers.variants(3, transport)[0]
                let test = Case(transport, .mpsc, options: options, size: size, wait: .adaptive, manyProducers: manyProducers)
                let rounds = test.rounds(100_000)
                #expect(rounds.reduce(0, +) == 100_000)
                let most = try #require(rounds.max())
                #expect(most * (size + 8) <= 65536 && UInt64(3 * most) <= SharedTail(test).slotCount)
            }
        }
    }
}

@testable import BenchReport

/// Results to try things on.
enum Example {
    static let machine = MachineFacts(
        processor: "Example <CPU>", processors: "2 CPUs, 2 cores", caches: "shared L3", governor: "performance",
        virtualisation: "none seen",
        kernel: "Linux 6.1", swift: "6.3", clock: "cycle counter")

    static func result(
        _ transport: TransportName, _ mode: Mode, repeats: [Double], size: Int = 64, wait: String = "sleep", batch: Int = 1,
        manyProducers: ManyProducersSetup? = nil
    ) -> CaseResult {
        let middle = median(repeats)
        return CaseResult(
            setup: CaseSetup(
                transport: transport, mode: mode, size: size, wait: wait, capacity: 4096, batch: batch, alignment: 8, hugePages: false,
                manyProducers: manyProducers),
            count: 1000, cpus: "0,1", repeats: repeats,
            latency: mode.isTimed
                ? .init(p50: middle, p90: middle * 2, p99: middle * 3, p999: middle * 4, p9999: middle * 5, largest: middle * 6) : nil,
            curve: mode.isTimed
                ? [0, 0.25, 0.5, 0.9, 0.99, 0.999].map { .init(fraction: $0, nanoseconds: middle * (1 + $0)) } : [],
            cpuPerMessage: 10, voluntarySwitches: 3, involuntarySwitches: 1, systemCallsPerMessage: 2.5, machine: machine)
    }

    static func manyProducers(_ producers: Int, drainsAfter: Bool = false) -> ManyProducersSetup {
        ManyProducersSetup(
            producers: producers, isTotallyOrdered: false, lanes: producers, idleLanes: 0, stopped: 0, isSpread: false,
            drainsAfter: drainsAfter)
    }

    /// Some of everything.
    static var run: [CaseResult] {
        var results = [8, 64].flatMap { size in
            [
                result(.ring, .rtt, repeats: [100, 101, 102], size: size, wait: "spin"),
                result(.pipe, .rtt, repeats: [30_000, 31_000, 32_000], size: size),
                result(.ring, .throughput, repeats: [1e8, 1.1e8, 1.2e8], size: size, wait: "adaptive"),
                result(.pipe, .throughput, repeats: [4e6, 4.1e6, 4.2e6], size: size),
            ]
        }
        results += [
            result(.line2, .rtt, repeats: [80, 81, 82], size: 8, wait: "spin"),
            result(.stream, .throughput, repeats: [3e6, 3e6, 3e6], size: 16384, wait: "spin"),
            result(.ring, .rate, repeats: [150, 151, 152], wait: "adaptive"), result(.pipe, .rate, repeats: [9000, 9100, 9200]),
            result(.ring, .mpsc, repeats: [1e8, 1e8, 1e8], wait: "adaptive", manyProducers: manyProducers(2)),
            result(.spsc, .mpsc, repeats: [2e8, 2e8, 2e8], wait: "adaptive", manyProducers: manyProducers(1)),
            result(.ring, .mpsc, repeats: [1e8, 1e8, 1e8], wait: "adaptive", manyProducers: manyProducers(1)),
        ]
        return results
    }
}

/// The cases of `mpsc`, beside the pipe, the shared tail and, for one producer, the ring that is made for one.
struct CrowdTable {
    private let outcomes: [Outcome]
    private let all: [Outcome]

    init(_ outcomes: [Outcome], all: [Outcome]) {
        self.outcomes = outcomes
        self.all = all
    }

    func print() {
        var rows = [
            ["transport", "order", "producers", "lanes", "idle", "stopped", "size", "wait", "batch", "M msg/s", "(range)", "GB/s"]
                + ["CPU ns/msg", "switches", "x pipe", "x shared-tail", "x spsc"]
        ]
        for outcome in outcomes { rows.append(row(outcome)) }
        Swift.print("\nmpsc: several producers, a process each, into one consumer; ratios of messages a second, turn by turn")
        Table.print(rows)
    }

    private func row(_ outcome: Outcome) -> [String] {
        let (test, figures) = (outcome.test, outcome.figures)
        guard let crowd = test.crowd else { return [] }
        let rates = outcome.samples.map { $0.headline / 1e6 }
        let isRing = test.transport == .ring
        return [
            test.transport.rawValue, crowd.orderName, "\(crowd.producers)", isRing ? "\(crowd.lanes)" : "-",
            "\(crowd.idleLanes)", "\(crowd.stopped)", "\(test.size)", test.wait.name, "\(test.batch)",
            decimal(figures.headline / 1e6, 2), "\(decimal(rates.min() ?? 0, 2))-\(decimal(rates.max() ?? 0, 2))",
            decimal(outcome.gigabytesPerSecond, 2), decimal(figures.cpuPerMessage, 0), "\(figures.involuntarySwitches)",
            ratio(outcome, to: .pipe), ratio(outcome, to: .sharedTail), isRing && crowd.producers == 1 ? ratio(outcome, to: .ring) : "-",
        ]
    }

    private func ratio(_ outcome: Outcome, to name: TransportName) -> String {
        let other = all.first {
            $0.test.transport == name && $0.test.size == outcome.test.size && $0.test.batch == outcome.test.batch
                && (name == .ring ? $0.test.crowd == nil : $0.test.crowd?.producers == outcome.test.crowd?.producers)
                && (name != .ring || $0.test.mode == .throughput && $0.test.wait == outcome.test.wait)
        }
        guard let other else { return "-" }
        let ratio = median(zip(outcome.samples, other.samples).map { $0.headline / $1.headline })
        return decimal(ratio, ratio < 10 ? 2 : 0)
    }
}

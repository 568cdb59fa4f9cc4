/// The cases of one mode, with their distance to the floor and to the pipe.
struct Table {
    private let outcomes: [Outcome]

    init(_ outcomes: [Outcome]) { self.outcomes = outcomes }

    func print() {
        var rows: [[String]] = []
        let isLatency = outcomes[0].figures.latency != nil
        rows.append(
            ["transport", "size", "wait", "batch"]
                + (isLatency
                    ? ["p50 ns", "(range)", "p90", "p99", "p99.9", "p99.99", "max"]
                    : ["M msg/s", "(range)", "GB/s"])
                + ["CPU ns/msg", "switches", "x floor", "x pipe"])
        for outcome in outcomes { rows.append(row(outcome)) }
        let mode = outcomes[0].test.mode
        Swift.print("\n\(mode.rawValue): \(Self.title(mode))")
        Self.print(rows)
    }

    static func print(_ rows: [[String]]) {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = row.enumerated().map { index, cell in
                let space = String(repeating: " ", count: widths[index] - cell.count)
                return index == 0 ? cell + space : space + cell
            }
            Swift.print(cells.joined(separator: "  "))
        }
    }

    private static func title(_ mode: Mode) -> String {
        switch mode {
        case .rtt: "round trips, there and back"
        case .rate: "one way at 100,000 messages a second, from the time each was due"
        case .throughput: "one way, as many as will go; payload, 10^9 bytes a second; the floor by GB/s"
        case .burst: "one way, 1,000 due at once every 10 ms, from the time they were due"
        case .idle: "one way, one due every 100 ms; CPU of the receiver alone"
        case .mpsc: "several producers into one consumer, as many as will go"
        }
    }

    private func row(_ outcome: Outcome) -> [String] {
        let test = outcome.test
        let figures = outcome.figures
        var cells = [test.transport.rawValue, "\(test.size)", test.wait.name, "\(test.batch)"]
        let headlines = outcome.samples.map(\.headline)
        let least = headlines.min() ?? 0
        let most = headlines.max() ?? 0
        if let latency = figures.latency {
            cells.append(decimal(latency.p50, 0))
            cells.append("\(decimal(least, 0))-\(decimal(most, 0))")
            cells += [latency.p90, latency.p99, latency.p999, latency.p9999, latency.largest].map { decimal($0, 0) }
        } else {
            cells.append(decimal(figures.headline / 1e6, 2))
            cells.append("\(decimal(least / 1e6, 2))-\(decimal(most / 1e6, 2))")
            cells.append(decimal(outcome.gigabytesPerSecond, 2))
        }
        cells += [decimal(figures.cpuPerMessage, 0), "\(figures.involuntarySwitches)"]
        cells.append(ratio(outcome, to: floor(of: test), by: \.headline))
        cells.append(ratio(outcome, to: pipe(for: test), by: \.headline))
        return cells
    }

    /// The median of the ratios turn by turn: what disturbs a turn disturbs both.
    private func ratio(_ outcome: Outcome, to other: Outcome?, by figure: (Sample) -> Double) -> String {
        guard let other else { return "-" }
        let ratio = median(zip(outcome.samples, other.samples).map { figure($0) / figure($1) })
        let scale = outcome.test.mode == .throughput ? Double(outcome.test.size) / Double(other.test.size) : 1
        return decimal(ratio * scale, ratio * scale < 0.1 ? 4 : ratio * scale < 10 ? 2 : 0)
    }

    private func floor(of test: Case) -> Outcome? {
        let name: TransportName
        switch test.mode {
        case .rtt: name = test.wait == .sleep ? .futex : .line2
        case .throughput: name = .stream
        default: return nil
        }
        return outcomes.first { $0.test.transport == name }
    }

    private func pipe(for test: Case) -> Outcome? {
        outcomes.first { $0.test.transport == .pipe && $0.test.size == test.size && $0.test.batch == test.batch }
    }
}

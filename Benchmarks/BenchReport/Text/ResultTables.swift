/// All results as tables, one a mode.
package struct ResultTables {
    private let results: [CaseResult]
    private let standards: Standards

    package init(_ results: [CaseResult]) {
        self.results = results
        standards = Standards(results)
    }

    package struct Table {
        package var mode: Mode
        /// The first row is the header.
        package var rows: [[String]]
        /// How many columns are names.
        package var leftColumns: Int
    }

    package var tables: [Table] {
        Mode.allCases.compactMap { mode in
            let chosen = results.filter { $0.setup.mode == mode }
            return chosen.isEmpty ? nil : mode == .mpsc ? manyProducersTable(chosen) : table(mode, chosen)
        }
    }

    package var lines: [String] {
        let tables = tables.flatMap {
            ["", "\($0.mode.rawValue): \($0.mode.title)"] + TextTable.lines($0.rows, leftColumns: $0.leftColumns)
        }
        return tables + (cautions.isEmpty ? [] : [""] + cautions)
    }

    /// Cases whose median alone would mislead: of repeats with cores near and far, with two modes, or with repeats that differ widely.
    var cautions: [String] {
        results.compactMap { result in
            func text(_ value: Double) -> String { result.setup.mode.isTimed ? duration(value) : brief(value / 1e6) + " M/s" }
            let caution = result.distanceText(text) ?? Spread(result.repeats).caution(text)
            return caution.map { "\(result.setup.name): \($0)" }
        }
    }

    private func table(_ mode: Mode, _ chosen: [CaseResult]) -> Table {
        let figures = mode.isTimed ? ["p50 ns", "(range)", "p90", "p99", "p99.9", "p99.99", "max"] : ["M msg/s", "(range)", "GB/s"]
        let rows = chosen.map { result in
            let setup = result.setup
            return [setup.transport.rawValue, "\(setup.size)", setup.wait, "\(setup.batch)"] + self.figures(result) + costs(result)
                + [ratio(result, standards.floor(for: result)), ratio(result, standards.pipe(for: result))]
        }
        return Table(
            mode: mode, rows: [["transport", "size", "wait", "batch"] + figures + Self.costNames + ["x floor", "x pipe"]] + rows,
            leftColumns: 1)
    }

    private func manyProducersTable(_ chosen: [CaseResult]) -> Table {
        let rows = chosen.map { result in
            let (setup, manyProducers) = (result.setup, result.setup.manyProducers!)
            let isRing = setup.transport == .ring
            return [
                setup.transport.rawValue, isRing ? manyProducers.orderName : "-", manyProducers.drainsAfter ? "after" : "along",
                "\(manyProducers.producers)",
                isRing ? "\(manyProducers.lanes)" : "-", "\(manyProducers.idleLanes)", "\(manyProducers.stopped)", "\(setup.size)",
                setup.wait, "\(setup.batch)",
            ] + figures(result) + costs(result)
                + [.pipe, .sharedTail, .spsc].map { ratio(result, standards.counterpart($0, of: result)) }
        }
        let names = [
            "transport", "order", "drained", "producers", "lanes", "idle", "stopped", "size", "wait", "batch", "M msg/s", "(range)", "GB/s",
        ]
        return Table(mode: .mpsc, rows: [names + Self.costNames + ["x pipe", "x shared-tail", "x spsc"]] + rows, leftColumns: 3)
    }

    private func figures(_ result: CaseResult) -> [String] {
        let least = result.repeats.min() ?? 0
        let most = result.repeats.max() ?? 0
        if let latency = result.latency {
            return [decimal(latency.p50, 0), "\(decimal(least, 0))-\(decimal(most, 0))"]
                + [latency.p90, latency.p99, latency.p999, latency.p9999, latency.largest].map { decimal($0, 0) }
        }
        return [
            decimal(result.headline / 1e6, 2), "\(decimal(least / 1e6, 2))-\(decimal(most / 1e6, 2))",
            decimal(result.gigabytesPerSecond, 2),
        ]
    }

    private static let costNames = ["CPU ns/msg", "calls/msg", "sleeps/msg", "preempted"]

    private func costs(_ result: CaseResult) -> [String] {
        [
            decimal(result.cpuPerMessage, 0), result.systemCallsPerMessage.map(brief) ?? "-",
            brief(Double(result.voluntarySwitches) / Double(result.count)), "\(result.involuntarySwitches)",
        ]
    }

    private func ratio(_ result: CaseResult, _ other: CaseResult?) -> String {
        guard let other else { return "-" }
        return brief(result.ratio(to: other))
    }
}

extension CaseResult.Latency {
    /// Figure by figure; only the largest is the largest of all.
    package init(medianOf latencies: [CaseResult.Latency]) {
        self.init(
            p50: median(latencies.map(\.p50)), p90: median(latencies.map(\.p90)), p99: median(latencies.map(\.p99)),
            p999: median(latencies.map(\.p999)), p9999: median(latencies.map(\.p9999)), largest: latencies.map(\.largest).max() ?? 0)
    }
}

extension [CaseResult.CurvePoint] {
    /// Point by point, as far as all go.
    package init(medianOf curves: [[CaseResult.CurvePoint]]) {
        let count = curves.map(\.count).min() ?? 0
        self = (0..<count).map { index in
            .init(fraction: curves[0][index].fraction, nanoseconds: median(curves.map { $0[index].nanoseconds }))
        }
    }
}

extension CaseResult {
    /// The same case of several runs: its repeats together, otherwise medians. The machine and the date are those of the first.
    init(merging results: [CaseResult]) {
        self = results[0]
        guard results.count > 1 else { return }
        repeats = results.flatMap(\.repeats)
        distances = results.allSatisfy { $0.distances.count == $0.repeats.count } ? results.flatMap(\.distances) : []
        if latency != nil {
            var merged = Latency(medianOf: results.compactMap(\.latency))
            merged.p50 = headline
            latency = merged
        }
        curve = [CurvePoint](medianOf: results.map(\.curve))
        cpuPerMessage = median(results.map(\.cpuPerMessage))
        voluntarySwitches = Int(median(results.map { Double($0.voluntarySwitches) }))
        involuntarySwitches = Int(median(results.map { Double($0.involuntarySwitches) }))
        let calls = results.compactMap(\.systemCallsPerMessage)
        systemCallsPerMessage = calls.isEmpty ? nil : median(calls)
        warnings = results.reduce(into: []) { all, result in all += result.warnings.filter { !all.contains($0) } }
    }
}

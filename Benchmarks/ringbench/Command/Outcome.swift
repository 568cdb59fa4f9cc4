import BenchReport
import CBench

/// A case and what its repeats gave.
struct Outcome {
    let test: Case
    var samples: [Sample] = []

    func result(_ machine: MachineFacts, date: String, warnings: [String]) -> CaseResult {
        func middle(_ figure: (Sample) -> Double) -> Double { median(samples.map(figure)) }
        let count = Double(test.mode == .mpsc ? test.countOfEach * (test.manyProducers?.setup.producers ?? 1) : test.count)
        let calls = middle { Double($0.usage.calls) }
        var result = CaseResult(
            setup: test.setup, count: test.count, cpus: test.cpuText, repeats: samples.map(\.headline),
            latency: test.mode.isTimed ? .init(medianOf: samples.compactMap(\.latency)) : nil,
            curve: .init(medianOf: samples.map(\.curve)), cpuPerMessage: middle { Double($0.usage.cpu_ns) } / count,
            voluntarySwitches: Int(middle { Double($0.usage.voluntary) }),
            involuntarySwitches: Int(middle { Double($0.usage.involuntary) }),
            systemCallsPerMessage: calls < 0 || test.warmUpCount < 100 ? nil : calls / Double(test.warmUpCount), machine: machine)
        if test.cpus[0] != test.cpus[1] { result.distances = samples.map(\.distance) }
        result.date = date
        result.warnings = preemptionWarnings + warnings
        return result
    }

    private var preemptionWarnings: [String] {
        // Processes that outnumber their CPUs preempt each other, also where they take turns.
        if let manyProducers = test.manyProducers,
            manyProducers.setup.producers + 1 > manyProducers.cpus.count || manyProducers.setup.isSpread
        {
            return []
        }
        if test.cpus[1...].contains(test.cpus[0]) { return [] }
        let rate = median(samples.map { Double($0.usage.involuntary) / $0.seconds })
        guard rate > 100, samples.contains(where: { $0.usage.involuntary > 20 }) else { return [] }
        return ["preempted \(decimal(rate, 0)) times a second"]
    }
}

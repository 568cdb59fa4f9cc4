/// What a dot stands for.
private enum Measure {
    case rate, processorTime

    func value(_ result: CaseResult) -> Double { self == .rate ? result.headline : result.cpuPerMessage }
    /// The processor time of single repeats is not kept.
    func range(_ result: CaseResult) -> ClosedRange<Double> {
        let values = self == .rate ? result.repeats : [result.cpuPerMessage]
        return values.min()!...values.max()!
    }

    func text(_ result: CaseResult) -> String {
        switch self {
        case .processorTime: duration(result.cpuPerMessage) + (result.systemCallsPerMessage.map { ", \(brief($0)) system calls" } ?? "")
        case .rate where result.headline >= 999_500: brief(result.headline / 1e6) + " million"
        case .rate: brief(result.headline / 1e3) + " thousand"
        }
    }

    /// The ends of the range, if its figure is that of several repeats that differ.
    func rangeText(_ result: CaseResult) -> String {
        self == .rate ? Spread(result.repeats).text(unit: result.headline >= 999_500 ? 1e6 : 1e3) : ""
    }

    func tick(_ value: Double) -> String {
        if self == .processorTime { return roundDuration(value) }
        return value >= 999_500 ? roundNumber(value / 1e6) + " M" : roundNumber(value / 1e3) + " k"
    }
}

extension Figures {
    var throughputAlike: Figure? {
        let chosen = alike(.throughput).filter { !$0.setup.transport.isFloor }.sorted { $0.headline > $1.headline }
        guard let size = chosen.first?.setup.size else { return nil }
        return dots(
            chosen, .rate, "Messages a second", "One way, \(byteCount(size)), one message a call. \(Self.bars)",
            axis: "Messages a second, logarithmic", name: { name($0.setup) })
    }

    var costs: [Figure] {
        let kinds: [(Mode, String, String)] = [
            (
                .rtt, "Processor time of a round trip",
                "User and system time of both processes. A side that spins burns a processor for as long as it waits."
            ),
            (.throughput, "Processor time of a message", "User and system time of both processes, when as many messages go as will."),
            (.idle, "Processor time of waiting", "One message every 100 ms: user and system time of its receiver, from one to the next."),
        ]
        return kinds.compactMap { mode, title, caption in
            let chosen = alike(mode).filter { mode == .rtt || !$0.setup.transport.isFloor }.sorted { $0.cpuPerMessage < $1.cpuPerMessage }
            guard let size = chosen.first(where: { $0.setup.transport.fixedSize == nil })?.setup.size else { return nil }
            return dots(
                chosen, .processorTime, title, "\(byteCount(size)). \(caption)", axis: "Processor time, logarithmic",
                name: { name($0.setup) })
        }
    }

    func manyProducers(drainsAfter: Bool) -> Figure? {
        // In the order in which they are shown: from few producers to many, and the fastest first.
        let chosen = results.filter { $0.setup.manyProducers?.drainsAfter == drainsAfter }
            .sorted { ($0.setup.manyProducers?.producers ?? 0, $1.headline) < ($1.setup.manyProducers?.producers ?? 0, $0.headline) }
        guard let size = chosen.first?.setup.size else { return nil }
        let caption =
            drainsAfter
            ? "The consumer begins when all have sent, so that only their sending is timed."
            : "One consumer takes from all. \(Self.bars)"
        return dots(
            chosen, .rate, drainsAfter ? "What producers cost each other" : "Many producers",
            "\(byteCount(size)), each producer a process. \(caption)", axis: "Messages a second of all producers, logarithmic",
            name: { manyProducersName($0.setup) }, group: { $0.setup.manyProducers?.producers ?? 0 })
    }

    private static let bars = "A dot is the median, its bar the range of the repeats."

    private func manyProducersName(_ setup: CaseSetup) -> String {
        guard let manyProducers = setup.manyProducers else { return name(setup) }
        var name = "\(manyProducers.producers) × \(setup.transport.rawValue)"
        guard setup.transport == .ring else { return name }
        if manyProducers.isTotallyOrdered { name += ", total order" }
        if manyProducers.lanes > manyProducers.producers + manyProducers.idleLanes + manyProducers.stopped {
            name += ", \(manyProducers.lanes) lanes"
        }
        if manyProducers.idleLanes > 0 { name += ", \(manyProducers.idleLanes) idle" }
        if manyProducers.stopped > 0 { name += ", \(manyProducers.stopped) stopped" }
        return name
    }

    /// - Parameter group: results of different groups stand apart.
    private func dots(
        _ chosen: [CaseResult], _ measure: Measure, _ title: String, _ caption: String, axis: String, name: (CaseResult) -> String,
        group: (CaseResult) -> Int = { _ in 0 }
    ) -> Figure? {
        guard !chosen.isEmpty else { return nil }
        let ends = chosen.map { measure.range($0) }.flatMap { [$0.lowerBound, $0.upperBound] }
        var last = group(chosen[0])
        let rows = chosen.map { result in
            defer { last = group(result) }
            return DotPlot.Row(
                name: name(result), style: SeriesStyle(result.setup), value: measure.value(result), range: measure.range(result),
                text: measure.text(result), rangeText: measure.rangeText(result), isApart: group(result) != last)
        }
        return Figure(
            title: title, caption: caption,
            html: DotPlot(summary: title, x: .logarithmic(ends + chosen.map { measure.value($0) }, axis, text: measure.tick), rows: rows)
                .html
        )
    }
}

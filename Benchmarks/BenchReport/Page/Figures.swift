/// One figure of the page.
struct Figure {
    var title: String
    var caption: String
    var html: String
}

/// Which figures the results allow.
struct Figures {
    let results: [CaseResult]

    init(_ results: [CaseResult]) { self.results = results }

    var all: [Figure] {
        [percentiles(.rtt), latencyBySize, percentiles(.rate), percentiles(.burst), throughputBySize, throughputAlike].compactMap { $0 }
            + costs + [manyProducers(drainsAfter: false), manyProducers(drainsAfter: true)].compactMap { $0 }
    }

    /// A mode's results of the size that most transports have, the smallest such.
    func alike(_ mode: Mode) -> [CaseResult] {
        let chosen = results.filter { $0.setup.mode == mode && $0.setup.batch == 1 }
        let sizes = Set(chosen.filter { !$0.setup.transport.isFloor && $0.setup.transport.fixedSize == nil }.map(\.setup.size)).sorted()
        func count(_ size: Int) -> Int { chosen.count { $0.setup.size == size } }
        guard let size = sizes.max(by: { count($0) < count($1) }) ?? chosen.first?.setup.size else { return [] }
        return chosen.filter { $0.setup.size == size || $0.setup.transport.isFloor || $0.setup.transport.fixedSize != nil }
    }

    func name(_ setup: CaseSetup) -> String {
        var name = setup.transport.isFloor ? "floor: \(setup.transport.rawValue)" : setup.transport.rawValue
        // A case without a word waits in the default way.
        if setup.transport == .ring, setup.mode.isTimed || setup.wait != "adaptive" { name += ", \(Self.waits[setup.wait] ?? setup.wait)" }
        if setup.batch > 1 { name += "\u{a0}×\u{a0}\(setup.batch)" }
        return name
    }

    private static let waits = ["spin": "spinning", "sleep": "sleeping"]

    private func percentiles(_ mode: Mode) -> Figure? {
        let chosen = alike(mode).filter { $0.curve.count > 4 }
        guard !chosen.isEmpty, let size = chosen.first(where: { $0.setup.transport.fixedSize == nil })?.setup.size else { return nil }
        // Further out each repeat knows only some messages.
        let shown = 0.1...0.99991
        let series = chosen.map { result in
            LineChart.Series(
                name: name(result.setup),
                note: [result.latency?.p50, result.curve.last { shown.contains($0.fraction) }?.nanoseconds].compactMap { $0.map(duration) }
                    .joined(separator: " · "), style: SeriesStyle(result.setup),
                points: result.curve.filter { shown.contains($0.fraction) }.map {
                    (Axis.place(ofPercentile: $0.fraction), logarithm($0.nanoseconds))
                })
        }
        let points = chosen.flatMap(\.curve).filter { shown.contains($0.fraction) }
        let values = points.map(\.nanoseconds)
        let reach = points.map(\.fraction).max() ?? 0.99
        let titles: [Mode: (String, String)] = [
            .rtt: ("Round trips", "There and back, \(byteCount(size)), one message at a time. "),
            .rate: (
                "Under a steady load",
                "One way, \(byteCount(size)), 100,000 messages a second, each timed from when it was due: whoever falls behind pays. "
            ),
            .burst: ("In bursts", "One way, \(byteCount(size)), 1,000 messages due at once every 10 ms, each timed from when it was due. "),
        ]
        guard let (title, caption) = titles[mode] else { return nil }
        let x = Axis.percentiles(to: reach)
        return Figure(
            title: title, caption: caption + "Behind each name its median, and the figure at the end of its line.",
            html: LineChart(
                summary: "\(title): latency by percentile", x: x,
                y: .logarithmic(values, "Latency", text: roundDuration), series: series
            ).html)
    }

    private func bySize(_ chosen: [CaseResult], _ figure: (CaseResult) -> Double, note: (CaseResult) -> String) -> [LineChart.Series] {
        struct Line: Hashable { var transport: TransportName, wait: String, batch: Int }
        var lines: [Line] = []
        for result in chosen {
            let line = Line(transport: result.setup.transport, wait: result.setup.wait, batch: result.setup.batch)
            if !lines.contains(line) { lines.append(line) }
        }
        return lines.map { line in
            let own = chosen.filter { $0.setup.transport == line.transport && $0.setup.wait == line.wait && $0.setup.batch == line.batch }
                .sorted { $0.setup.size < $1.setup.size }
            return LineChart.Series(
                name: name(own[0].setup), note: note(own[own.count - 1]), style: SeriesStyle(own[0].setup),
                points: own.map { (logarithm(Double($0.setup.size)), logarithm(figure($0))) }, hasMarks: true)
        }
    }

    private func sizes(_ chosen: [CaseResult]) -> [Int] { Set(chosen.map(\.setup.size)).sorted() }

    private var latencyBySize: Figure? {
        let chosen = results.filter { $0.setup.mode == .rtt && !$0.setup.transport.isFloor && $0.setup.transport.fixedSize == nil }
        guard sizes(chosen).count > 1 else { return nil }
        return Figure(
            title: "Round trips by size", caption: "Medians. Behind each name that of the largest message.",
            html: LineChart(
                summary: "Round trip by message size", x: .sizes(sizes(chosen), "Size of a message"),
                y: .logarithmic(chosen.map(\.headline), "Median round trip", text: roundDuration),
                series: bySize(chosen, \.headline, note: { duration($0.headline) })
            ).html)
    }

    private var throughputBySize: Figure? {
        let all = results.filter { $0.setup.mode == .throughput }
        let chosen = all.filter { !$0.setup.transport.isFloor }
        guard sizes(chosen).count > 1 else { return nil }
        var series = bySize(chosen, \.gigabytesPerSecond, note: { brief($0.gigabytesPerSecond) })
        let ends = sizes(chosen)
        // The floor comes in one size of chunks: a line across.
        for floor in all where floor.setup.transport.isFloor {
            series.append(
                LineChart.Series(
                    name: name(floor.setup), note: brief(floor.gigabytesPerSecond), style: SeriesStyle(floor.setup),
                    points: [ends[0], ends[ends.count - 1]].map { (logarithm(Double($0)), logarithm(floor.gigabytesPerSecond)) }))
        }
        return Figure(
            title: "Throughput by size",
            caption:
                "One way, as fast as they will go: payload that was written in full, read in full and checked. "
                + (all.contains { $0.setup.batch > 1 } ? "Dashed: several messages a call. " : "")
                + "At the end of each line its last figure.",
            html: LineChart(
                summary: "Throughput by message size", x: .sizes(ends, "Size of a message"),
                y: .logarithmic(all.map(\.gigabytesPerSecond), "GB/s", text: roundNumber), series: series
            ).html)
    }
}

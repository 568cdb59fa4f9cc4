import BenchReport

/// One run: measures, and says what came out.
struct Run {
    private let options: Options
    private let ticks = Ticks()
    private let machine: MachineFacts
    private let date = Machine.date

    init(_ options: Options) throws {
        var options = options
        try options.place(on: Machine.topology)
        self.options = options
        machine = Machine.facts(options.cpus, ticks)
    }

    func perform() throws {
        // Before the work, not after it.
        if let path = options.report { try SystemFile.write("", to: path) }
        let suite = try Suite(options)
        let before = options.placementWarnings(Machine.topology)
        printHeader(suite.notes, warnings: Machine.loadWarnings + before)
        let disturbance = Disturbance()
        let outcomes = try suite.measure(ticks)
        let during = disturbance.warnings
        if let repeats = outcomes.first?.samples.count, repeats < options.repeats {
            printError("note: \(repeats) of \(options.repeats) repeats, for want of time; --repeats \(options.repeats) insists")
        }
        let results = outcomes.map { $0.result(machine, date: date, warnings: before + during) }
        print(results)
        for warning in during { printError("warning: \(warning)") }
        let preempted = results.filter { $0.warnings.count > before.count + during.count }
        for result in preempted.prefix(5) { printError("warning: \(result.setup.name): \(result.warnings[0])") }
        if preempted.count > 5 { printError("warning: and so were \(preempted.count - 5) more") }
        guard let path = options.report else { return }
        try SystemFile.write(ReportPage(results, notes: suite.notes).html, to: path)
        printError("the report is in \(path)")
    }

    private func printHeader(_ notes: [String], warnings: [String]) {
        say("ringbench on \(machine.processor), \(machine.processors); \(machine.kernel); Swift \(machine.swift)")
        say(
            "\(machine.virtualisation == "none seen" ? "no virtual machine seen" : machine.virtualisation); governor \(machine.governor); \(machine.clock)"
        )
        say("\(machine.caches); measuring on CPU \(options.cpus[0]), its peer on \(options.cpus[1])")
        if options.mode == .mpsc { say("mpsc: \(options.manyProducers.placement)") }
        say("two processes a case; \(options.repeats == 1 ? "each once" : "medians of \(options.repeats) repeats, in turn")")
        for note in notes + [CallCounter.obstacle].compactMap({ $0 }) { say("note: \(note)") }
        for warning in warnings { printError("warning: \(warning)") }
    }

    private func print(_ results: [CaseResult]) {
        let lines = options.json ? results.map(\.json) : ResultTables(results).lines
        for line in lines { Swift.print(line) }
    }

    private func say(_ line: String) { options.json ? printError(line) : Swift.print(line) }
}

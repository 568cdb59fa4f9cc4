/// A case and what its repeats gave.
struct Outcome {
    let test: Case
    var samples: [Sample] = []
    var figures: Sample { Sample(medianOf: samples) }
}

/// The cases of one run. Each repeat measures all of them in turn, so that whatever else the machine does falls on all alike.
struct Survey {
    private var cases: [Case] = []
    private let repeats: Int

    init(_ options: Options) throws {
        repeats = options.repeats
        if let mode = options.mode {
            try add(mode, options)
        } else {
            try addShortSurvey(options)
        }
    }

    private mutating func add(_ mode: Mode, _ options: Options) throws {
        for name in options.transports where !name.serves(mode) {
            throw Failure("\(name.rawValue) has no \(mode.rawValue): it serves \(modes(of: name))")
        }
        guard !options.transports.isEmpty else {
            return insert(TransportName.allCases.filter { $0.serves(mode) }, mode, options)
        }
        insert(options.transports, mode, options)
        if options.json { return }
        // For people the pipe and the floor stand in every table. They need not be measured as long as what was asked for.
        var brief = options
        brief.count = nil
        brief.hurry = 10
        var others: [TransportName] = [.pipe]
        if mode == .throughput { others.append(.stream) }
        if mode == .rtt && options.waits.contains(.sleep) { others.append(.futex) }
        if mode == .rtt && options.waits.contains(where: { $0 != .sleep }) { others.append(.line2) }
        insert(others.filter { !options.transports.contains($0) }, mode, brief)
    }

    private mutating func insert(_ transports: [TransportName], _ mode: Mode, _ options: Options) {
        for transport in transports {
            for size in options.sizes.isEmpty ? [nil] : options.sizes.map(Optional.some) {
                for wait in options.waits {
                    // The chunks of the stream are what others are compared with; they change only if it is asked for alone.
                    let chunk = transport == .stream && options.transports != [.stream] ? nil : size
                    let test = Case(transport, mode, options: options, size: chunk, wait: wait)
                    // A floor is the same whatever size and wait are asked for.
                    if !cases.contains(test) { cases.append(test) }
                }
            }
        }
    }

    /// What a newcomer wants to know, in less than 30 seconds.
    private mutating func addShortSurvey(_ options: Options) throws {
        var options = options
        options.hurry = 10
        options.sizes = options.sizes.isEmpty ? [8] : options.sizes
        options.waits = [.spin, .adaptive, .sleep]
        try add(.rtt, options)
        options.waits = [.adaptive]
        options.sizes = [8, 64, 1024]
        try add(.throughput, options)
        options.sizes = [64]
        options.transports = [.ring, .pipe, .unixStream]
        try add(.rate, options)
    }

    private func modes(of name: TransportName) -> String {
        Mode.allCases.filter { name.serves($0) }.map(\.rawValue).joined(separator: ", ")
    }

    /// - Parameter progress: called before each repeat of each case.
    func measure(progress: (Case, Int) -> Void) throws -> [Outcome] {
        let histogram = Histogram()
        let ticks = Ticks()
        var outcomes = cases.map { Outcome(test: $0) }
        for turn in 0..<repeats {
            for index in outcomes.indices {
                progress(outcomes[index].test, turn)
                outcomes[index].samples.append(
                    try Processes.run(outcomes[index].test, histogram: histogram, ticks: ticks))
            }
        }
        return outcomes
    }
}

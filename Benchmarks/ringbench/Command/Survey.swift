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
        var transports = options.transports
        for name in transports where !name.serves(mode) {
            throw Failure("\(name.rawValue) has no \(mode.rawValue): it serves \(modes(of: name))")
        }
        if transports.isEmpty {
            transports = TransportName.allCases.filter { $0.serves(mode) }
        } else if !options.json {
            // For people the pipe and the floors stand in every table.
            let floors: [TransportName] = mode == .rtt ? [.line2, .futex] : mode == .throughput ? [.stream] : []
            transports += ([.pipe] + floors).filter { !transports.contains($0) }
        }
        for transport in transports {
            for size in options.sizes.isEmpty ? [nil] : options.sizes.map(Optional.some) {
                for wait in options.waits {
                    // The chunks of the stream are what its cases are compared with; they change only if it is alone.
                    let chunk = transport == .stream && transports.count > 1 ? nil : size
                    insert(Case(transport, mode, options: options, size: chunk, wait: wait))
                }
            }
        }
    }

    /// What a newcomer wants to know, in less than 30 seconds.
    private mutating func addShortSurvey(_ options: Options) throws {
        var options = options
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

    private mutating func insert(_ test: Case) {
        // A floor is the same whatever size and wait are asked for.
        if !cases.contains(test) { cases.append(test) }
    }

    /// - Parameter progress: called before each repeat of each case.
    func measure(progress: (Case, Int) -> Void) throws -> [Outcome] {
        let histogram = Histogram()
        let ticksPerNanosecond = Ticks.measureRate()
        var outcomes = cases.map { Outcome(test: $0) }
        for turn in 0..<repeats {
            for index in outcomes.indices {
                progress(outcomes[index].test, turn)
                outcomes[index].samples.append(
                    try Processes.run(outcomes[index].test, histogram: histogram, ticksPerNanosecond: ticksPerNanosecond))
            }
        }
        return outcomes
    }
}

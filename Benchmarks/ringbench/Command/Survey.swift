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
        if options.mode == .mpsc {
            try addCrowds(options)
        } else if let mode = options.mode {
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

    private mutating func insert(_ transports: [TransportName], _ mode: Mode, _ options: Options, _ crowd: Crowd? = nil) {
        for transport in transports {
            for size in options.sizes.isEmpty ? [nil] : options.sizes.map(Optional.some) {
                for wait in options.waits {
                    // The chunks of the stream are what others are compared with; they change only if it is asked for alone.
                    let chunk = transport == .stream && options.transports != [.stream] ? nil : size
                    let test = Case(transport, mode, options: options, size: chunk, wait: wait, crowd: crowd)
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
        options.transports = []
        options.crowd.producers = [2]
        try addCrowds(options)
    }

    /// Every order, number of producers, and number of idle and stopped ones, where it applies.
    private mutating func addCrowds(_ options: Options) throws {
        let all = TransportName.allCases.filter { $0.serves(.mpsc) }
        for name in options.transports where !all.contains(name) {
            throw Failure("\(name.rawValue) has no mpsc: it serves \(modes(of: name))")
        }
        for producers in options.crowd.producers {
            for transport in options.transports.isEmpty ? all : options.transports {
                for crowd in try options.crowd.crowds(producers, transport) { insert([transport], .mpsc, options, crowd) }
            }
            if options.json { continue }
            // For people, what stands beside them; of one producer, the ring that is made for one.
            var brief = options
            brief.count = nil
            brief.hurry *= 10
            for transport in [TransportName.pipe, .sharedTail] where !options.transports.isEmpty && !options.transports.contains(transport)
            {
                for crowd in try options.crowd.crowds(producers, transport) { insert([transport], .mpsc, brief, crowd) }
            }
            if producers == 1 { insert([.ring], .throughput, options) }
        }
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

import BenchReport

/// The cases of one run. Each repeat measures all of them in turn, so that whatever else the machine does falls on all alike.
struct Suite {
    private(set) var cases: [Case] = []
    /// What can't be measured here, and why.
    private(set) var notes: [String] = []
    private let repeats: Int
    private let budget: Duration?
    /// Says how far apart the cores are; nil where both sides share one.
    private let canary: Case?

    init(_ options: Options) throws {
        repeats = options.repeats
        budget = options.budget
        canary = options.cpus[0] == options.cpus[1] ? nil : Case(canaryOf: options)
        if options.mode == .mpsc {
            try addManyProducers(options)
        } else if let mode = options.mode {
            try add(mode, options)
        } else {
            var options = options
            let wanted = options.transports
            options.transports = []
            if options.isFull { try addFull(options) } else { try addQuick(options) }
            if !wanted.isEmpty { cases.removeAll { !wanted.contains($0.transport) && !$0.transport.isFloor } }
            leaveOutWhatCannotBe()
        }
    }

    /// These cases.
    init(_ cases: [Case], _ options: Options) {
        self.cases = cases
        repeats = options.repeats
        budget = nil
        canary = options.cpus[0] == options.cpus[1] ? nil : Case(canaryOf: options)
    }

    private mutating func add(_ mode: Mode, _ options: Options) throws {
        for name in options.transports where !name.serves(mode) {
            throw Failure("\(name.rawValue) has no \(mode.rawValue): it serves \(modes(of: name))")
        }
        let isShared = options.cpus[0] == options.cpus[1]
        guard !options.transports.isEmpty else {
            return insert(TransportName.allCases.filter { $0.serves(mode) && !(isShared && $0.fixedWait == .spin) }, mode, options)
        }
        insert(options.transports, mode, options)
        if options.json { return }
        // For people the pipe and the floor stand in every table. They need not be measured as long as what was asked for.
        var brief = options
        brief.count = nil
        brief.hurry = 10
        var others: [TransportName] = [.pipe]
        if mode == .throughput { others.append(.stream) }
        let waits = options.transports.flatMap { transport in transport.fixedWait.map { [$0] } ?? options.waits }
        if mode == .rtt && waits.contains(.sleep) { others.append(.futex) }
        if mode == .rtt && waits.contains(where: { $0 != .sleep }) { others.append(.line2) }
        insert(others.filter { !options.transports.contains($0) && !(isShared && $0.fixedWait == .spin) }, mode, brief)
    }

    private mutating func insert(_ transports: [TransportName], _ mode: Mode, _ options: Options, _ manyProducers: ManyProducers? = nil) {
        for transport in transports {
            for size in options.sizes.isEmpty ? [nil] : options.sizes.map(Optional.some) {
                for wait in options.waits {
                    // The chunks of the stream are what others are compared with; they change only if it is asked for alone.
                    let chunk = transport == .stream && options.transports != [.stream] ? nil : size
                    let test = Case(transport, mode, options: options, size: chunk, wait: wait, manyProducers: manyProducers)
                    // A floor is the same whatever size and wait are asked for.
                    if !cases.contains(test) { cases.append(test) }
                }
            }
        }
    }

    /// What a newcomer wants to know, in less than 30 seconds.
    private mutating func addQuick(_ options: Options) throws {
        var options = options
        options.hurry = 10
        options.sizes = [8]
        options.waits = [.spin, .adaptive, .sleep]
        try add(.rtt, options)
        options.waits = [.adaptive]
        options.sizes = [64]
        try add(.rate, options)
        options.sizes = [8, 64, 1024, 16384]
        try add(.throughput, options)
        options.sizes = [64]
        options.manyProducers.producers = [1, 2]
        try addManyProducers(options)
    }

    /// What a reader who has to choose wants to know, in less than 10 minutes.
    private mutating func addFull(_ options: Options) throws {
        var options = options
        options.hurry = 2
        options.waits = [.spin, .adaptive, .sleep]
        options.sizes = [8, 64, 1024, 16384]
        try add(.rtt, options)
        options.hurry = 4
        options.sizes = [64]
        try add(.rate, options)
        try add(.burst, options)
        options.hurry = 2
        options.waits = [.adaptive, .sleep]
        options.transports = [.ring, .pipe, .unixStream, .tcp]
        try add(.idle, options)
        options.hurry = 4
        options.transports = []
        options.waits = [.adaptive]
        options.sizes = [8, 64, 256, 1024, 4096, 16384, 65536]
        try add(.throughput, options)
        options.batch = 32
        options.transports = TransportName.allCases.filter { $0.serves(.throughput) && $0.takesBatches }
        options.sizes = [8, 64, 1024]
        try add(.throughput, options)
        options.batch = 1
        options.transports = []
        options.sizes = [64]
        options.hurry = 8
        options.manyProducers.producers = [1, 2, 4]
        options.manyProducers.lanes = [0, 1024]
        try addManyProducers(options)
        options.manyProducers.lanes = [0]
        options.manyProducers.producers = [1, 2]
        options.manyProducers.drainsAfter = true
        try addManyProducers(options)
    }

    /// Every order, number of producers, and number of idle and stopped ones, where it applies.
    private mutating func addManyProducers(_ options: Options) throws {
        let all = TransportName.allCases.filter { $0.serves(.mpsc) }
        for name in options.transports where !all.contains(name) {
            throw Failure("\(name.rawValue) has no mpsc: it serves \(modes(of: name))")
        }
        for name in options.transports where !options.manyProducers.producers.contains(where: { options.manyProducers.serves(name, $0) }) {
            throw Failure(name == .spsc ? "spsc is for one producer" : "\(name.rawValue) holds too little to be drained after")
        }
        for producers in options.manyProducers.producers {
            for transport in all where options.manyProducers.serves(transport, producers) {
                let isWanted = options.transports.isEmpty || options.transports.contains(transport)
                // For people, what is wanted stands beside the others. The ring for one producer is measured as long: it is
                // what lanes are compared with.
                if !isWanted && options.json { continue }
                var options = options
                if !isWanted && transport != .spsc {
                    options.count = nil
                    options.hurry *= 10
                }
                for manyProducers in try options.manyProducers.variants(producers, transport) {
                    insert([transport], .mpsc, options, manyProducers)
                }
            }
        }
    }

    private func modes(of name: TransportName) -> String {
        Mode.allCases.filter { name.serves($0) }.map(\.rawValue).joined(separator: ", ")
    }

    /// A suite takes what there is. (Who asks for a case gets an error instead.)
    private mutating func leaveOutWhatCannotBe() {
        var notes: [String] = []
        cases.removeAll { test in
            do {
                let (one, other) = try test.open()
                one.close()
                other.close()
                return false
            } catch let failure as Failure {
                notes.append("left out: \(test.name): \(failure.sentence)")
            } catch {
                notes.append("left out: \(test.name): \(error)")
            }
            return true
        }
        self.notes += notes
    }

    /// How far apart the cores are now. Takes some 30 ms.
    private func distance(_ histogram: Histogram, _ ticks: Ticks) throws -> CoreDistance? {
        try canary.map { CoreDistance(roundTrip: try Processes.run($0, histogram: histogram, ticks: ticks).headline) }
    }

    func measure(_ ticks: Ticks) throws -> [Outcome] {
        let histogram = Histogram()
        var outcomes = cases.map { Outcome(test: $0) }
        var progress = Progress(cases: cases.count, repeats: repeats)
        defer { progress.end() }
        let start = ContinuousClock.now
        var distance = try self.distance(histogram, ticks)
        for turn in 0..<repeats {
            // A turn takes as long as those before.
            if let budget, turn > 0, start.duration(to: .now) / turn * (turn + 1) > budget { break }
            // There and back, so that a drift favours no case.
            let order = turn % 2 == 0 ? Array(outcomes.indices) : outcomes.indices.reversed()
            for index in order {
                progress.begin(outcomes[index].test)
                var sample = try Processes.run(outcomes[index].test, histogram: histogram, ticks: ticks)
                let after = try self.distance(histogram, ticks)
                sample.distance = distance == after ? after : nil
                distance = after
                outcomes[index].samples.append(sample)
            }
        }
        return outcomes
    }
}

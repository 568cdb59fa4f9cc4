import SharedRing

/// What `stat` reads of one name at a time: the counters of a ring, or a call service's report.
enum StatReading {
    case ring(RingStatistics)
    case service(RingReport, at: ContinuousClock.Instant)

    init(_ name: FileName, _ options: RingOptions) throws(RingError) {
        do throws(RingError) {
            self = .ring(try RingStatistics(named: name, options: options))
        } catch {
            // Most names are rings', so a report of its own is read only of what has no messages to count.
            guard error.code == .incompatible else { throw error }
            let report = try RingReport(named: name, options: options)
            switch report.kind {
            case .call: self = .service(report, at: .now)
            case .spsc, .mpsc, .broadcast, .board: throw error
            }
        }
    }

    /// Nil: it is a call service.
    var ring: RingStatistics? { if case .ring(let statistics) = self { statistics } else { nil } }
    /// Nil: it is a ring.
    var service: RingReport? { if case .service(let report, _) = self { report } else { nil } }

    var fileName: FileName {
        switch self {
        case .ring(let statistics): statistics.report.fileName
        case .service(let report, _): report.fileName
        }
    }
}

/// What happened between two readings of a name.
enum StatRates {
    case ring(RingRates)
    case service(CallRates)

    /// If the name stands for another kind by now, that one's counts began at 0, and nothing is known of a time before.
    init(from first: StatReading, to last: StatReading) {
        switch (first, last) {
        case (.ring(let first), .ring(let last)): self = .ring(RingRates(from: first, to: last))
        case (.service(let first, let begin), .service(let last, let end)):
            self = .service(CallRates(from: first, to: last, seconds: begin.duration(to: end) / .seconds(1)))
        case (.service, .ring(let last)): self = .ring(RingRates(from: last, to: last))
        case (.ring, .service(let last, _)): self = .service(CallRates(from: last, to: last, seconds: 0))
        }
    }

    /// A fact a line.
    var lines: [String] {
        switch self {
        case .ring(let rates): Array(rates.lines)
        case .service(let rates): rates.lines
        }
    }

    var json: JSON {
        switch self {
        case .ring(let rates): rates.json
        case .service(let rates): rates.json
        }
    }
}

import SharedRing

/// What went through a call service between two reports.
struct CallRates {
    let report: RingReport
    let seconds: Double
    /// Calls a second.
    let calls: Double
    /// How long calls took that were made between the two, or since the service was made: see `RingReport.CallSlot.latencyCounts`.
    private let latency: [UInt64]

    init(from first: RingReport, to last: RingReport, seconds: Double) {
        report = last
        self.seconds = seconds
        // An untrusted peer may have counted down.
        let made = last.allCalls < first.allCalls ? 0 : last.allCalls - first.allCalls
        calls = seconds > 0 && last.instance == first.instance ? Double(made) / seconds : 0
        let (now, before) = (last.latencyCounts, first.latencyCounts)
        let between = zip(now, before).map { $0 < $1 ? 0 : $0 - $1 }
        latency = last.instance == first.instance && between.contains { $0 > 0 } ? between : now
    }

    /// The time below which that share of the calls was over, in nanoseconds: a power of two. Nil: none was timed.
    func latency(below share: Double) -> UInt64? {
        let all = latency.reduce(0, +)
        guard all > 0 else { return nil }
        var sum: UInt64 = 0
        for (bucket, count) in latency.enumerated() {
            sum += count
            if Double(sum) >= share * Double(all) { return 2 << UInt64(bucket) }
        }
        return nil
    }
}

// MARK: - For people and for programs

extension CallRates {
    private static let shares = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)]

    /// A fact a line.
    var lines: [String] {
        let times = Self.shares.compactMap { name, share in latency(below: share).map { "\(name) below \(Self.time($0))" } }
        return [
            "call service '\(report.fileName)' (\(report.shortShape)), over \(Self.decimal(seconds)) s",
            "  \(Self.decimal(calls)) calls/s, \(report.waitingCalls) waiting, \(report.startedCalls) started, \(report.allLate) late replies",
            "  \(times.isEmpty ? "no call was timed yet" : "\(times.joined(separator: ", ")) (of one call in 64)")",
            "  \(counted(report.attachedServers, "server")) attached, \(counted(report.takenSlots, "slot")) taken",
            "  in all \(report.allCalls) calls made, \(report.allStarted) started, \(report.allAnswered) answered; "
                + "servers were woken \(report.serverWakes) times, clients \(report.clientWakes) times",
        ]
    }

    var json: JSON {
        .object([
            "name": .string(report.fileName.label), "name_bytes": .hexadecimal(report.fileName.bytes), "instance": .string(report.instance),
            "kind": .string(report.kind.rawValue), "seconds": .number(seconds), "calls_per_second": .number(calls),
            "calls": .position(report.allCalls), "waiting": .integer(report.waitingCalls), "started": .integer(report.startedCalls),
            "given_up": .integer(report.givenUpCalls), "late_replies": .position(report.allLate), "answered": .position(report.allAnswered),
            "server_wakes": .position(report.serverWakes), "client_wakes": .position(report.clientWakes),
            "latency_below_ns": .members(Self.shares.map { ($0.0, latency(below: $0.1).map(JSON.position) ?? .null) }),
            "servers": .array(report.servers.map(\.json)), "call_slots": .array(report.callSlots.map(\.json)),
        ])
    }

    /// "512 ns", "8.2 µs", "1.0 s".
    private static func time(_ nanoseconds: UInt64) -> String {
        switch nanoseconds {
        case ..<1000: "\(nanoseconds) ns"
        case ..<1_000_000: "\(decimal(Double(nanoseconds) / 1e3)) µs"
        case ..<1_000_000_000: "\(decimal(Double(nanoseconds) / 1e6)) ms"
        default: "\(decimal(Double(nanoseconds) / 1e9)) s"
        }
    }

    private static func decimal(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}

/// What a case gave, over all its repeats.
package struct CaseResult: Sendable {
    /// Nanoseconds.
    package struct Latency: Equatable, Sendable {
        package var p50, p90, p99, p999, p9999, largest: Double

        package init(p50: Double, p90: Double, p99: Double, p999: Double, p9999: Double, largest: Double) {
            self.p50 = p50
            self.p90 = p90
            self.p99 = p99
            self.p999 = p999
            self.p9999 = p9999
            self.largest = largest
        }
    }

    /// That fraction of all messages took at most so long.
    package struct CurvePoint: Equatable, Sendable {
        package var fraction: Double
        package var nanoseconds: Double

        package init(fraction: Double, nanoseconds: Double) {
            self.fraction = fraction
            self.nanoseconds = nanoseconds
        }
    }

    package var setup: CaseSetup
    package var count: Int
    /// Of the measuring process and of the others.
    package var cpus: String
    /// The headline of each repeat: the median latency, or messages a second.
    package var repeats: [Double]
    /// How far apart the two cores were in each repeat; nil: they moved meanwhile. Empty where that was not measured.
    package var distances: [CoreDistance?] = []
    /// Medians of the repeats, figure by figure; only the largest latency is the largest of all.
    package var latency: Latency?
    package var curve: [CurvePoint] = []
    /// User and system time of all processes. In `idle` of the receiver: its sender watches the clock.
    package var cpuPerMessage: Double
    package var voluntarySwitches: Int
    package var involuntarySwitches: Int
    /// Of all processes; nil where they can't be counted.
    package var systemCallsPerMessage: Double?
    package var machine: MachineFacts
    /// When the run began, in UTC.
    package var date = ""
    package var warnings: [String] = []

    package init(
        setup: CaseSetup, count: Int, cpus: String, repeats: [Double], latency: Latency?, curve: [CurvePoint], cpuPerMessage: Double,
        voluntarySwitches: Int, involuntarySwitches: Int, systemCallsPerMessage: Double?, machine: MachineFacts
    ) {
        self.setup = setup
        self.count = count
        self.cpus = cpus
        self.repeats = repeats
        self.latency = latency
        self.curve = curve
        self.cpuPerMessage = cpuPerMessage
        self.voluntarySwitches = voluntarySwitches
        self.involuntarySwitches = involuntarySwitches
        self.systemCallsPerMessage = systemCallsPerMessage
        self.machine = machine
    }

    /// The figure that ratios are made of.
    package var headline: Double { median(repeats) }
    package var messagesPerSecond: Double? { setup.mode.isTimed ? nil : headline }
    /// Payload, 10^9 bytes.
    package var gigabytesPerSecond: Double { (messagesPerSecond ?? 0) * Double(setup.size) / 1e9 }
}

extension CaseResult {
    /// Turn by turn: what disturbs a turn disturbs both. Turns in which the cores were as far apart for both, if there are any.
    func ratios(to other: CaseResult) -> [Double] {
        let alike = zip(distances, other.distances).enumerated().filter { $1.0 != nil && $1.0 == $1.1 }.map(\.offset)
        let all = ratiosOfAll(to: other)
        return alike.isEmpty ? all : alike.map { all[$0] }
    }

    /// The same of the turns with this distance.
    func ratios(to other: CaseResult, at distance: CoreDistance?) -> [Double] {
        guard let distance else { return ratios(to: other) }
        let all = ratiosOfAll(to: other)
        return turns(at: distance).filter { all.indices.contains($0) && other.distances.count > $0 && other.distances[$0] == distance }.map
        { all[$0] }
    }

    private func ratiosOfAll(to other: CaseResult) -> [Double] {
        // Floors come in one size: they are compared by the byte.
        let scale = setup.mode == .throughput && other.setup.transport.isFloor ? Double(setup.size) / Double(other.setup.size) : 1
        return zip(repeats, other.repeats).map { $0 / $1 * scale }
    }

    package func ratio(to other: CaseResult) -> Double { median(ratios(to: other)) }
}

extension [CaseResult] {
    /// Those of the whole run, which stand in each of its cases.
    var commonWarnings: [String] {
        dropFirst().reduce(Set(first?.warnings ?? [])) { $0.intersection($1.warnings) }.sorted()
    }
}

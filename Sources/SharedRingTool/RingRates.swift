import SharedRing

/// What happened between two readings of a ring's counters.
struct RingRates {
    /// Per second.
    struct Rates {
        var messages = 0.0
        var byteCount = 0.0
        var full = 0.0
        var sleeps = 0.0
        var wakes = 0.0
        var producerWakes = 0.0

        static func + (one: Rates, other: Rates) -> Rates {
            Rates(
                messages: one.messages + other.messages, byteCount: one.byteCount + other.byteCount, full: one.full + other.full,
                sleeps: one.sleeps + other.sleeps, wakes: one.wakes + other.wakes,
                producerWakes: one.producerWakes + other.producerWakes)
        }

        var isZero: Bool { messages == 0 && byteCount == 0 && full == 0 && sleeps == 0 && wakes == 0 && producerWakes == 0 }
    }

    struct Lane {
        let statistics: RingStatistics.Lane
        let rates: Rates

        var isIdle: Bool { rates.isZero && statistics.backlog == 0 }
    }

    let statistics: RingStatistics
    let seconds: Double
    let lanes: [Lane]
    let consumerSleeps: Double

    /// If the name stands for another ring by now, that one's counts began at 0.
    init(from first: RingStatistics, to last: RingStatistics) {
        let isSame = first.report.instance == last.report.instance
        let seconds = max(1e-9, Double(last.readNanoseconds - first.readNanoseconds) * 1e-9)
        // A counter that ran backwards was an untrusted peer's doing: no rate.
        func rate(_ before: UInt64?, _ now: UInt64) -> Double {
            let before = isSame ? before ?? 0 : 0
            return now > before ? Double(now - before) / seconds : 0
        }
        let earlier = Dictionary(first.lanes.map { ($0.number, $0) }) { one, _ in one }
        statistics = last
        self.seconds = seconds
        consumerSleeps = rate(first.consumerSleeps, last.consumerSleeps)
        lanes = last.lanes.map { lane in
            let before = earlier[lane.number]
            return Lane(
                statistics: lane,
                rates: Rates(
                    messages: rate(before?.messages, lane.messages), byteCount: rate(before?.byteCount, lane.byteCount),
                    full: rate(before?.full, lane.full), sleeps: rate(before?.sleeps, lane.sleeps),
                    wakes: rate(before?.wakes, lane.wakes), producerWakes: rate(before?.producerWakes, lane.producerWakes)))
        }
    }

    var total: Rates { lanes.reduce(Rates()) { $0 + $1.rates } }
    /// The bytes that wait in all lanes.
    var backlog: Int { lanes.reduce(0) { $0 + $1.statistics.backlog } }
}

extension RingStatistics {
    /// Of all lanes. Counters are an untrusted peer's words: the sum may wrap around, and must not trap.
    func total(_ counter: KeyPath<Lane, UInt64>) -> UInt64 { lanes.reduce(0) { $0 &+ $1[keyPath: counter] } }
}

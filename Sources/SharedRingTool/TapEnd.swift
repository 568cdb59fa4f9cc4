import SharedRing

/// Where a tap ends whose time is over: at what stood in the ring at that moment. A lane that keeps coming does not keep it longer.
struct TapEnd {
    /// By lane, for those that have not shown all of it yet. Nil: not known, so it ends when there is nothing to show.
    private var tails: [Int: UInt64]?

    /// - Parameter report: of that moment; nil: the ring has lost its name.
    init(_ report: RingReport?) {
        tails = report.map { report in Dictionary(report.lanes.map { ($0.number, $0.tail) }) { one, _ in one } }
    }

    /// Whether nothing is missing any more, after these events of one look. A lane of which a look finds nothing has shown all.
    mutating func isReached(by events: [RingTap.Event]) -> Bool {
        guard let tails else { return events.isEmpty }
        var positions: [Int: UInt64] = [:]
        for event in events {
            switch event {
            case .message(let message): positions[message.lane] = message.position
            case .ended(let lane, let position, _): positions[lane] = position
            case .missed(let miss): positions[miss.lane] = miss.nextPosition
            case .damaged: break  // a lane that does not go on
            }
        }
        let missing = tails.filter { lane, tail in
            guard let last = positions[lane] else { return false }
            return Int64(bitPattern: last &- tail) < 0
        }
        self.tails = missing
        return missing.isEmpty
    }
}

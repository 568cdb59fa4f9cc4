import SharedRing

/// Examines a named ring without a role, while its ends work and the untrusted peer writes.
final class Inspector {
    private let name: String
    private let options: RingOptions
    private let tally: Tally
    private let isVerbose: Bool
    private let disturb: (inout Choices) -> Void
    private var tap: RingTap?

    /// Nil: the ring is not found.
    init?(_ victim: Victim, tally: Tally, isVerbose: Bool, disturb: @escaping (inout Choices) -> Void) {
        guard let name = victim.name else { return nil }
        self.name = name
        options = victim.options
        self.tally = tally
        self.isVerbose = isVerbose
        self.disturb = disturb
    }

    /// Of a ring of this name.
    init(_ name: String, options: RingOptions, tally: Tally) {
        self.name = name
        self.options = options
        self.tally = tally
        isVerbose = false
        disturb = { _ in }
    }

    func act(_ choices: inout Choices) {
        do throws(RingError) {
            switch choices.below(16) {
            case 0...4: try check()
            case 5...6: try report()
            case 7...8: try statistics()
            case 9...13: try look(&choices)
            default: judge(&choices)
            }
            tally.add(.inspected)
        } catch {
            if isVerbose { say("  inspector: \(error)") }
            tally.add(.uninspectable)
        }
    }

    private func check() throws(RingError) {
        let check = try RingCheck(name, options: options)
        tally.add(.damages, check.damage.count)
        let capacity = check.report.capacity
        expect(check.lanes.count <= check.report.laneCount, "more lanes than there are: \(check)")
        for lane in check.lanes {
            expect(
                lane.messages >= 0 && lane.byteCount >= 0 && lane.closeRecords >= 0 && lane.deathRecords >= 0,
                "a negative count: \(lane)")
            expect(
                lane.isMoving || lane.tail &- lane.head <= UInt64(capacity) && lane.byteCount <= capacity,
                "more than a lane can hold: \(lane)")
            _ = (lane.needsDeathRecord, lane.hasUnrecordedClose)
        }
        _ = (check.messages, check.byteCount, check.streamEnds, check.isMoving, check.isInUse, check.wasUsed)
        if isVerbose { say("  check: \(check)") }
    }

    private func report() throws(RingError) {
        let report = try RingReport(name, options: options)
        for lane in report.lanes { expect(0...report.capacity ~= lane.backlog, "more than a lane can hold: \(lane)") }
        _ = (report.producerAttachments, "\(report)")
        _ = try RingReport.names(options: options)
    }

    private func statistics() throws(RingError) {
        let statistics = try RingStatistics(name, options: options)
        for lane in statistics.lanes {
            expect(0...statistics.report.capacity ~= lane.backlog, "more than a lane can hold: \(lane)")
            _ = lane.wakesElided
        }
    }

    /// A tap stays for some looks, and sees what is written between them.
    private func look(_ choices: inout Choices) throws(RingError) {
        if tap == nil || choices.once(in: 8) { tap = try RingTap(name, from: choices.once(in: 3) ? .tail : .head, options: options) }
        try look(through: &tap!, &choices)
    }

    private func look(through tap: inout RingTap, _ choices: inout Choices) throws(RingError) {
        let capacity = tap.capacity
        for _ in 0...choices.below(3) {
            for event in try tap.poll() {
                switch event {
                case .message(let message):
                    tally.add(.tapped)
                    expect(message.bytes.count <= capacity, "a message larger than its lane")
                case .missed(let miss): _ = miss.byteCount
                case .damaged: tally.add(.damages)
                case .ended: break
                }
            }
            if choices.once(in: 2) { disturb(&choices) }
        }
        _ = tap.isRemoved
    }

    private func judge(_ choices: inout Choices) {
        let includingUndelivered = choices.once(in: 4)
        let isDryRun = choices.below(4) > 0
        let rings =
            choices.once(in: 8)
            ? (try? StaleRing.removeAll(includingUndelivered: includingUndelivered, dryRun: isDryRun, options: options)) ?? []
            : [StaleRing.remove(name, includingUndelivered: includingUndelivered, dryRun: isDryRun, options: options)]
        for ring in rings {
            expect(ring.messages >= 0 && ring.byteCount >= 0 && ring.streamEnds >= 0, "a negative count: \(ring)")
            if isVerbose { say("  judged: \(ring)") }
            if case .removed = ring.outcome, !isDryRun { tally.add(.removed) }
        }
    }

    /// A wrong answer ends the batch like a trap in the library.
    private func expect(_ isSo: Bool, _ what: @autoclosure () -> String) {
        if !isSo { fatalError(what()) }
    }
}

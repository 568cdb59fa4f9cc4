import CSharedRing

/// Where a subscriber begins.
enum SubscriptionStart: Sendable, Equatable {
    /// Behind what was sent until now.
    case now
    /// At the oldest checkpoint behind which nothing was written over.
    case oldest
    /// With the last so many messages, or as many of them as are there.
    case last(Int)
}

extension CheckpointPlace {
    /// The checkpoints of a broadcast, the newest first, as long as nothing behind them can have been written over by the newest one's write limit.
    private func whole(_ shape: LaneShape) -> [Checkpoint] {
        guard let newest = newestWhole?.checkpoint, shape.isAligned(newest.tail) else { return [] }
        var found = [newest]
        for back in 1..<Int(SR_BROADCAST_CHECKPOINTS) {
            guard let older = published(back: back)?.checkpoint, shape.isAligned(older.tail),
                !newest.allowsWriting(over: older.tail, shape),
                Int64(bitPattern: found.last!.tail &- older.tail) >= 0
            else { break }
            found.append(older)
        }
        return found
    }

    /// The newest checkpoint. Nil: none held still. Throws `poisoned` if no publisher publishes such a one.
    func newestPossible(_ shape: LaneShape, ring: String) throws(RingError) -> Checkpoint? {
        guard let newest = newestWhole?.checkpoint else { return nil }
        guard shape.isAligned(newest.tail), newest.writeLimit &- newest.tail <= shape.capacity else {
            throw LaneWriter.impossible(
                ring, 0,
                "its checkpoint has the tail \(newest.tail) and the write limit \(newest.writeLimit), with a capacity of \(shape.capacity)")
        }
        return newest
    }

    /// The checkpoint where a subscriber begins to read, with the newest one's write limit. It may have to pass over some messages from there. Nil: no checkpoint held still.
    func first(_ start: SubscriptionStart, _ shape: LaneShape) -> Checkpoint? {
        let whole = whole(shape)
        guard let newest = whole.first else { return nil }
        var first =
            switch start {
            case .now: newest
            case .oldest: whole.last!
            // More may have been sent since the newest one. So this one is no later than it has to be.
            case .last(let count): whole.first { newest.messages &- $0.messages >= UInt64(max(0, count)) } ?? whole.last!
            }
        // What may be written by now, for a walk from there.
        first.writeLimit = newest.writeLimit
        return first
    }
}

extension Checkpoint {
    /// Moves the tail from the checkpoint where a subscriber begins to read to the first message that is wanted, and counts what lies before it.
    ///
    /// - Parameter header: gives what stands at a position.
    mutating func advance(to start: SubscriptionStart, _ shape: LaneShape, header: (UInt64) -> RecordHeader) {
        switch start {
        case .oldest: break
        case .now: countOn(shape, header: header)
        case .last(let count):
            var end = self
            end.countOn(shape, header: header)
            let surplus = (end.messages &- messages).subtractingReportingOverflow(UInt64(max(0, count)))
            if !surplus.overflow { pass(surplus.partialValue, shape, header: header) }
        }
    }

    /// Moves the tail behind so many messages, if so many are there.
    private mutating func pass(_ count: UInt64, _ shape: LaneShape, header: (UInt64) -> RecordHeader) {
        var walk = RecordWalk(shape, from: tail, limit: tail &+ shape.capacity)
        var left = count
        while left > 0 {
            switch walk.next(header) {
            case .message(let record):
                left -= 1
                messages &+= 1
                byteCount &+= UInt64(record.byteCount)
            case .end: break
            case .absent, .malformed, .beyondCapacity: return
            }
            tail = walk.position
        }
    }
}

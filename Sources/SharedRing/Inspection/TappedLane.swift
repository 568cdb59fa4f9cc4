import CSharedRing

/// A lane's memory, as a tap reads it. It stores nothing.
@safe
struct TappedLane {
    /// What is copied at most before it is looked whether it was overwritten meanwhile; a longer message goes alone.
    private static let runSize = 1 << 18

    let number: Int
    let shape: LaneShape
    private let isTotallyOrdered: Bool
    private let dataOffset: Int
    private let data: Mapping
    private let controlMapping: Mapping
    private let control: UnsafeMutablePointer<sr_lane_control>
    private let checkpoints: CheckpointPlace

    // SAFETY, for every `unsafe` here: the words lie in the control mapping, which this keeps; a position is checked to be aligned
    // and masked before it becomes an address, and a record that `admits` ends inside the double mapping.

    /// - Parameter checkpoints: nil: the lane's own.
    init(
        _ number: Int, of header: SegmentHeader, data: Mapping, control: UnsafeMutablePointer<sr_lane_control>,
        checkpoints: CheckpointPlace? = nil, keeping controlMapping: Mapping
    ) {
        self.checkpoints = unsafe checkpoints ?? .lane(control)
        self.number = number
        shape = LaneShape(header)
        isTotallyOrdered = header.isTotallyOrdered
        dataOffset = header.dataOffset + number * header.laneCapacity
        self.data = data
        self.controlMapping = controlMapping
        unsafe self.control = control
    }

    // MARK: Words

    /// What stands at a position.
    ///
    /// SYNC: record-visible (pairs with LaneWriter.commit and .storeHeader); and checkpoint: a word that was overwritten is seen with the
    /// checkpoint that was published before.
    func header(at position: UInt64) -> RecordHeader {
        unsafe RecordHeader(at: position, in: data.base, shape)
    }

    /// SYNC: record-visible: what was committed before this head was stored is seen to be.
    ///
    /// A broadcast has no such head. Of it, this is a capacity before the write limit: what lies before that may be written over.
    var head: UInt64 {
        switch checkpoints {
        case .lane: unsafe sr_load_acquire_u64(sr_head(control))
        case .broadcast: checkpoint.writeLimit &- shape.capacity
        }
    }

    /// SYNC: checkpoint (pairs with Checkpoint.publish)
    var checkpoint: Checkpoint { checkpoints.newest }

    private var isBroadcast: Bool {
        switch checkpoints {
        case .lane: false
        case .broadcast: true
        }
    }

    /// Where the last record can end at most.
    private var largestEnd: UInt64 { shape.largestEnd(fromHead: head) }

    /// Whether the head is beyond a position now, so that what was read there before this call may have been something else's.
    func isPassed(_ position: UInt64) -> Bool {
        // What was read before, this load after. A producer that overwrites has loaded a head that allows it, and passed the release fence of
        // its checkpoint before it wrote.
        sr_fence_acquire()
        return Int64(bitPattern: head &- position) > 0
    }

    /// The checkpoint that says whether what was read at the position or behind it was overwritten. Nil: the head has not passed it, so
    /// no producer may have written there.
    func judge(of position: UInt64) -> Checkpoint? { isPassed(position) ? checkpoint : nil }

    // MARK: Places

    /// Where a tap begins, or goes on.
    var first: LossyReader.Place {
        if isBroadcast { return checkpoints.first(.oldest, shape).map { LossyReader.Place($0) } ?? LossyReader.Place(0, sent: nil) }
        return countedHead(isFirst: true) ?? LossyReader.Place(head, sent: nil)
    }

    /// Behind what was sent until now.
    var last: LossyReader.Place {
        if isBroadcast { return LossyReader.Place(Checkpoint.now(shape, load: { checkpoint }, header: header)) }
        var head = head
        for _ in 0..<8 {
            let newest = Checkpoint.now(shape, load: { checkpoint }, header: header)
            if shape.isAligned(newest.tail), newest.tail &- head <= shape.capacity { return LossyReader.Place(newest) }
            // The lane may have gone on by more than a lap since. A head that stays so far away is no consumer's.
            let now = self.head
            if now == head { break }
            head = now
        }
        return LossyReader.Place(head, sent: nil)
    }

    /// Where to go on behind a position: at the head, or behind it where the records are still in their places. Nil: the head is damaged.
    func next(after position: UInt64) -> LossyReader.Place? {
        if isBroadcast {
            let newest = checkpoint
            return shape.isAligned(newest.tail) ? LossyReader.Place(newest) : nil
        }
        let head = head
        guard shape.isAligned(head) else { return nil }
        // Never back: what was shown is not shown again. A checkpoint that contradicts that is an untrusted peer's.
        if let counted = countedHead(), Int64(bitPattern: counted.position &- position) > 0 { return counted }
        return LossyReader.Place(head, sent: nil)
    }

    /// Where the head is, and what was sent before it, by the newest checkpoint and the records between the two. Nil: the lane's words
    /// contradict each other.
    ///
    /// - Parameter isFirst: the head itself is wanted. Otherwise the checkpoint's own tail will do, if the head has passed it: from there on
    ///   the records are still in their places, and so there is more to show.
    private func countedHead(isFirst: Bool = false) -> LossyReader.Place? {
        var newest: Checkpoint?
        for _ in 0..<8 {
            let checkpoint = checkpoint
            // Behind the checkpoint, so it is no older than the head that its producer had seen.
            let head = head
            guard shape.isAligned(checkpoint.tail), shape.isAligned(head) else { return nil }
            let isPassed = Int64(bitPattern: head &- checkpoint.tail) >= 0
            let (start, end) = isPassed ? (checkpoint.tail, head) : (head, checkpoint.tail)
            newest = checkpoint
            guard end &- start <= shape.capacity else {
                // The lane may have gone on by more than a lap between the two loads.
                if isPassed, self.checkpoint.tail != checkpoint.tail { continue }
                return nil
            }
            if isPassed, !isFirst { return LossyReader.Place(checkpoint) }
            let walked = LossyReader.Totals(shape, from: start, to: end, header: header)
            if judge(of: start)?.allowsWriting(over: start, shape) == true { continue }
            // What stands there now is no producer's: it is to be shown where it stands, and not to be passed over.
            guard let walked else { return nil }
            let sent = LossyReader.Totals(checkpoint)
            return LossyReader.Place(head, sent: isPassed ? sent + walked : sent - walked)
        }
        // What was overtaken is a stream in full flight: its newest checkpoint is as good a place, and says what was sent before it.
        return newest.map { LossyReader.Place($0) }
    }

    // MARK: Copying

    /// A part of a lane's records.
    struct Run {
        var events: [RingTap.Event] = []
        /// The header behind them that no producer writes, if that is what ended it.
        var impossible: UInt64?
    }

    /// Copies records until there is none, or enough. What they amount to.
    func copy(_ walk: inout RecordWalk, into run: inout Run) -> LossyReader.Totals {
        var totals = LossyReader.Totals()
        let start = walk.position
        walk.limit = largestEnd
        while walk.position &- start < Self.runSize {
            var step = walk.next(header)
            if case .beyondCapacity = step {
                // The producer of this record had loaded a head that gives room for it, so this load sees that head, or a later one. Without
                // this bound, records that seem to have no end would be shown lap after lap.
                walk.limit = largestEnd
                step = walk.next(header)
            }
            switch step {
            case .message(let record):
                run.events.append(.message(message(record)))
                totals.count(record)
            case .end(let record):
                run.events.append(.ended(lane: number, position: record.position, isClosed: record.header.tag & 1 == 0))
            case .absent:
                return totals
            case .malformed(_, let bits):
                run.impossible = bits
                return totals
            case .beyondCapacity(let record, _):
                run.impossible = record.header.bits
                return totals
            }
        }
        return totals
    }

    private func message(_ record: RecordWalk.Record) -> TappedMessage {
        let place = unsafe data.base + Int(record.position & shape.mask)
        let ticket = isTotallyOrdered ? unsafe sr_load_relaxed_u64(place + Int(SR_RECORD_HEADER_SIZE)) : nil
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: record.byteCount) { buffer, initialised in
            if let start = buffer.baseAddress { unsafe sr_copy(start, place + shape.messageOffset, Int64(record.byteCount)) }
            initialised = record.byteCount
        }
        return TappedMessage(lane: number, position: record.position, tag: record.header.tag, ticket: ticket, bytes: bytes)
    }

    func damage(at position: UInt64, _ detail: String) -> RingTap.Event {
        .damaged(
            RingCheck.Damage(
                lane: number, position: position, fileOffset: dataOffset + Int(position & shape.mask), detail: detail))
    }
}

import CSharedRing

/// The publisher's room: opened while subscribers may join, leave and die at any step.
///
/// `lastHead` is the private limit less the capacity here: nothing is written at or beyond the limit. The write limit that is published may lie further:
///
/// 1. First look: how far all heads let the publisher write.
/// 2. A checkpoint with a write limit no further than that is published.
/// 3. A barrier. Second look: only as far as the heads allow now, the private limit follows.
///
/// A subscriber joins by storing its head, passing a full barrier, and loading a checkpoint. So either the second look sees the head, or that checkpoint has
/// the new write limit, and the subscriber tries again. Without the second look both may miss each other. Without the first look the write limit would
/// overtake each joiner.
extension LaneWriter {
    /// The subscribers that hold this side back; nil of a lane with one consumer.
    var subscribers: SubscriberHeads? {
        switch gate {
        case .consumer: nil
        case .subscribers(let heads): heads
        }
    }

    /// Where nothing may be written by now: the publisher's private limit.
    private var privateLimit: UInt64 { lastHead &+ shape.capacity }

    /// `makeRoom` of a publisher. The cursor is in the first mapping, and everything is counted.
    @unsafe
    mutating func makeRoom(
        for byteCount: Int, at start: UnsafeMutableRawPointer, _ position: UInt64, among heads: SubscriberHeads
    ) -> Bool {
        if byteCount > left(at: position, by: lastHead), !extend(for: byteCount, at: position, among: heads) {
            // The room that this message needs ends there.
            let end = position &+ UInt64(truncatingIfNeeded: byteCount) &+ overhead
            if heads.clearDeadIfDue(before: end &- shape.capacity, open: lastHead, tail: tail) {
                _ = extend(for: byteCount, at: position, among: heads)
            }
        }
        tryRun()
        unsafe reopenWindow(for: byteCount, at: start, position)
        return byteCount <= left(at: position, by: lastHead)
    }

    /// Moves the private limit on, if the subscribers' heads allow it. False: there is no room for this message.
    private mutating func extend(for byteCount: Int, at position: UInt64, among heads: SubscriberHeads) -> Bool {
        let tail = counted.tail
        let slowest = heads.slowest(open: lastHead, tail: tail) ?? tail
        // SAFETY: `control` lies in the control mapping, which the attachment keeps.
        unsafe sr_note_backlog(control, tail &- slowest)
        guard byteCount <= left(at: position, by: slowest) else { return false }

        // As far as this message needs, and a stretch beyond, so that it is not done again for each message.
        let wanted = position &+ UInt64(truncatingIfNeeded: run(for: byteCount)) &+ overhead
        let allowed = slowest &+ shape.capacity
        let next = allowed &- tail < wanted &- tail ? allowed : wanted
        if Int64(bitPattern: next &- counted.writeLimit) > 0 { counted.writeLimit = next }
        publishCheckpoint()

        // SYNC: join (pairs with SubscriberSlot.join): the checkpoint before, the heads after.
        LaneReader.barrier(isAsymmetric: usesAsymmetricBarrier)
        var limit = counted.writeLimit
        if let slowest = heads.slowest(open: lastHead, tail: tail) {
            let allowed = slowest &+ shape.capacity
            if Int64(bitPattern: allowed &- limit) < 0 { limit = allowed }
        }
        if Int64(bitPattern: limit &- privateLimit) > 0 { lastHead = limit &- shape.capacity }
        return byteCount <= left(at: position, by: lastHead)
    }

    /// The head of the subscriber that is furthest behind; the tail if none is.
    func slowestHead(among heads: SubscriberHeads) -> UInt64 { heads.slowest(open: lastHead, tail: tail) ?? tail }

    /// Has dead subscribers hold nothing back that a message of this size needs.
    func clearDead(for byteCount: Int, among heads: SubscriberHeads) {
        let end = tail &+ UInt64(truncatingIfNeeded: byteCount) &+ overhead
        _ = heads.clearDead(before: end &- shape.capacity, open: lastHead, tail: tail)
    }

    /// The same, of everything that was sent.
    func clearDead(among heads: SubscriberHeads) { _ = heads.clearDead(before: tail, open: lastHead, tail: tail) }

    // MARK: Taking over

    /// Takes a broadcast's lane over where its last publisher left it: walks the committed records from the newest checkpoint to the first absent one.
    ///
    /// The caller holds the publisher's byte. All heads stay as they are. Throws `poisoned` if the checkpoint or the walk makes no sense. O(records behind
    /// the checkpoint).
    init(
        data: UnsafeMutableRawPointer, shape: LaneShape, broadcast: UnsafeMutablePointer<sr_broadcast_control>, heads: SubscriberHeads,
        usesAsymmetricBarrier: Bool, ring: String
    ) throws(RingError) {
        unsafe self.data = data
        self.shape = shape
        // SAFETY: all words lie in the control mapping, which the attachment keeps; every position is masked and every count checked before use.
        unsafe control = sr_publisher(broadcast)
        unsafe doorbell = sr_broadcast_events(broadcast)
        unsafe tickets = nil
        gate = .subscribers(heads)
        sleepers = unsafe .many(events: sr_broadcast_events(broadcast))
        checkpoints = unsafe .broadcast(broadcast)
        self.usesAsymmetricBarrier = usesAsymmetricBarrier
        isPlain = usesAsymmetricBarrier
        self.ring = ring
        lane = 0
        let found = checkpoints.newestWhole
        let newest = found?.checkpoint ?? Checkpoint(tail: 0, messages: 0, byteCount: 0, writeLimit: 0)
        // Until the end of this all that is stored stands for nothing; the compiler wants it before the first throw.
        lastHead = newest.tail
        unsafe cursor = data
        unsafe runStart = data
        runSpacing = Int(shape.spacing(0))
        counted = newest
        published = newest
        guard let found else { throw Self.impossible(ring, 0, "its checkpoint never held still") }
        let room = newest.writeLimit &- newest.tail
        guard shape.isAligned(newest.tail), room <= shape.capacity else {
            throw Self.impossible(
                ring, 0,
                "its checkpoint has the tail \(newest.tail) and the write limit \(newest.writeLimit), with a capacity of \(shape.capacity)")
        }
        if found.endsWithEnd { positionAfterEnd = newest.tail }
        // No terminator begins at or beyond the write limit, so every record ends before it.
        try takeOver(
            RecordWalk(shape, from: newest.tail, limit: newest.writeLimit), beyond: "beyond the write limit \(newest.writeLimit)")
        // What the predecessor had open for sure behind its last record. Its write limit may lie beyond what a subscriber still needs: the predecessor may have
        // been killed between that checkpoint and its second look.
        let open = (positionAfterEnd == counted.tail ? 1 : 2) &* shape.alignment
        lastHead = counted.tail &+ open &- shape.capacity
    }
}

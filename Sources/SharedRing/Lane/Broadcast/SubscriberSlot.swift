import CSharedRing

/// A reliable subscriber's slot: how its head comes to hold the publisher back, and how it ends.
///
/// A head that was joined at is never overtaken: nothing from it on is written over until a larger head is stored.
@safe
struct SubscriberSlot {
    /// Where the subscriber begins to read, and what was sent before that.
    struct Joined {
        var position: UInt64
        var before: LossyReader.Totals
        /// How often it tried to join.
        var tries = 0
    }

    private let control: UnsafeMutablePointer<sr_broadcast_control>
    let words: UnsafeMutablePointer<sr_subscriber_control>
    private let shape: LaneShape
    private let usesAsymmetricBarrier: Bool
    private let ring: String

    /// The largest number of tries to join.
    private static let mostTries = 10_000
    /// The largest number of tries to count what was sent before a head. Beside a publisher it takes two or three.
    private static let mostWalks = 16

    // SAFETY, for the whole type: all words lie in the control mapping, which the attachment keeps. Those of the slot are written by the holder of its byte,
    // which is this side; of the others, each value is checked before it is used.

    /// The attachment holds the slot's byte.
    init(_ attachment: Attachment, slot: Int) {
        unsafe control = attachment.broadcast
        unsafe words = sr_subscriber(control, UInt32(slot))
        shape = LaneShape(attachment.header)
        usesAsymmetricBarrier = attachment.header.usesAsymmetricBarrier
        ring = attachment.ring
        // SYNC: slot-in-use (pairs with SubscriberHeads.forEachSlot): before the slot's first head.
        _ = unsafe sr_fetch_or_acq_rel_u64(sr_slots_used(control, UInt32(slot)), 1 << UInt64(slot % 64))
    }

    /// Stores a head that nothing is written over behind, and returns it. The publisher is held back from then on.
    ///
    /// A try fails only if the publisher published a write limit beyond the head that it had worked out before it could see the head. Throws `timedOut` after
    /// the deadline or many tries, `poisoned` if the checkpoints make no sense, `system` if there is no barrier; then the slot holds nothing back.
    func join(from start: SubscriptionStart, until deadline: Deadline) throws(RingError) -> Joined {
        let checkpoints = unsafe CheckpointPlace.broadcast(control)
        // SYNC: durable (pairs with SubscriberHeads.clearDead): no head stays for good that was not joined at. `resume` refuses a durable one that was.
        unsafe sr_store_release_u32(sr_subscriber_durable(words), 0)
        // SYNC: joined (pairs with SubscriberHeads.hasJoined): whatever the predecessor had, this head is not joined yet.
        unsafe sr_store_release_u32(sr_subscriber_joined(words), 0)
        for turn in 0..<Self.mostTries {
            do throws(RingError) { _ = try checkpoints.newestPossible(shape, ring: ring) } catch {
                leave()
                throw error
            }
            guard let first = checkpoints.first(start, shape) else {
                if isOver(turn, deadline) { break }
                continue
            }
            // SYNC: join (pairs with LaneWriter.extend): the head before, a checkpoint after.
            unsafe sr_store_release_u64(sr_subscriber_head(words), first.tail)
            do throws(RingError) { try barrier() } catch {
                leave()
                throw error
            }
            // The publisher may have been waiting because of the slot's last head.
            wakePublisherIfAsleep()
            if let newest = checkpoints.newestWhole?.checkpoint, !newest.allowsWriting(over: first.tail, shape) {
                guard newest.writeLimit &- newest.tail <= shape.capacity, Int64(bitPattern: newest.tail &- first.tail) >= 0 else {
                    leave()
                    throw LaneWriter.impossible(
                        ring, 0, "its checkpoint has the tail \(newest.tail) and the write limit \(newest.writeLimit), behind \(first.tail)"
                    )
                }
                unsafe sr_store_release_u32(sr_subscriber_joined(words), 1)
                return Joined(position: first.tail, before: LossyReader.Totals(first), tries: turn + 1)
            }
            if isOver(turn, deadline) { break }
        }
        leave()
        throw RingError(
            .timedOut, ring: ring, "its publisher wrote over each of \(Self.mostTries) places where this subscriber tried to join")
    }

    // MARK: A soft gate

    /// Has the publisher wait for this side as long as it has patience. The position is one up to which this side has copied.
    ///
    /// This side judges each copy. So it need not join: a head that comes too late protects nothing, and that is found out as ever.
    func enterSoftly(at position: UInt64) {
        _ = takeName([])
        // SYNC: joined (pairs with SubscriberHeads.hasJoined): a publisher that waits for subscribers does not count this one.
        unsafe sr_store_release_u32(sr_subscriber_joined(words), 0)
        noteMissed(LossyReader.Totals())
        // SYNC: soft-gate (pairs with SubscriberHeads.isSoft): before the head.
        unsafe sr_store_release_u32(sr_subscriber_soft(words), 1)
        storeSoftHead(position)
    }

    /// Gives back what was copied, and wakes a publisher that waits for that.
    func storeSoftHead(_ position: UInt64) {
        // Relaxed: this side's own word.
        guard unsafe sr_load_relaxed_u64(sr_subscriber_head(words)) != position else { return }
        // SYNC: space-given (pairs with SpaceGate.state): the copy comes before.
        unsafe sr_store_release_u64(sr_subscriber_head(words), position)
        // SYNC: space-doorbell (pairs with Sleeper.declareAsleep): the head before, the doorbell after.
        LaneReader.barrier(isAsymmetric: usesAsymmetricBarrier)
        wakePublisherIfAsleep()
    }

    /// Relaxed: for observers.
    func noteMissed(_ totals: LossyReader.Totals) {
        unsafe sr_store_relaxed_u64(sr_subscriber_missed_messages(words), totals.messages)
        unsafe sr_store_relaxed_u64(sr_subscriber_missed_bytes(words), totals.byteCount)
    }

    // MARK: Coming back

    /// Whether the slot is kept for a subscriber also while none is there.
    // SYNC: durable (pairs with SubscriberHeads.clearDead). Relaxed: this side has the byte.
    var isDurable: Bool { unsafe sr_load_relaxed_u32(sr_subscriber_durable(words)) == 1 }

    /// Gives the slot a name, or none, if it has not that one. The attachment holds the byte of the names, but for none.
    ///
    /// - Returns: whether the slot had that name, so that its subscriber may go on where it was.
    func takeName(_ name: [UInt8]) -> Bool {
        // SYNC: soft-gate (pairs with SubscriberHeads.isSoft): before this side's head, which is none of a soft gate.
        unsafe sr_store_release_u32(sr_subscriber_soft(words), 0)
        if !name.isEmpty, unsafe SlotClaim(words.pointee).name == name { return true }
        // A slot that is not durable; an untrusted peer may have stored anything.
        unsafe sr_store_release_u32(sr_subscriber_durable(words), 0)
        // SYNC: joined (pairs with SubscriberHeads.hasJoined): before the name. If this process is killed behind the name, the next one of that name does not
        // go on at the head of the slot's last subscriber.
        unsafe sr_store_release_u32(sr_subscriber_joined(words), 0)
        // First no name: a process that is killed in between leaves no half of one.
        unsafe sr_store_release_u32(sr_subscriber_name_length(words), 0)
        for (index, byte) in name.enumerated() { unsafe sr_subscriber_name(words)[index] = byte }
        unsafe sr_store_release_u32(sr_subscriber_name_length(words), UInt32(name.count))
        return false
    }

    /// From now on the slot's head holds the publisher back also while no subscriber is there.
    func makeDurable() {
        // SYNC: durable (pairs with SubscriberHeads.clearDead): behind `joined`, so that a durable head is one that was joined at.
        unsafe sr_store_release_u32(sr_subscriber_durable(words), 1)
    }

    /// Where the last subscriber of this slot's name stood, if nothing from there on was written over: it had joined, and died or was durable.
    ///
    /// The head was never without effect in between. So this side goes on there without joining. Nil: it has to join, and is not durable. O(records that it
    /// has not acknowledged).
    ///
    /// Throws `poisoned` if the records from there on make no sense, and if a durable subscriber can't go on at its head: it would lose messages. Throws
    /// `timedOut` after the deadline, but not before the first try. The slot stays as it is then.
    ///
    /// - Parameter header: gives what stands at a position.
    func resume(until deadline: Deadline, _ header: (UInt64) -> RecordHeader) throws(RingError) -> Joined? {
        if let joined = try goOn(until: deadline, header) { return joined }
        // Relaxed: this side has the byte, which orders it after its predecessor.
        guard isDurable, unsafe sr_load_relaxed_u32(sr_subscriber_joined(words)) == 1 else { return nil }
        let head = unsafe sr_load_relaxed_u64(sr_subscriber_head(words))
        throw LaneWriter.impossible(
            ring, 0,
            "the durable subscriber\(unsafe SlotClaim(words.pointee).suffix) stood at position \(head), which is no record boundary within "
                + "\(shape.capacity) bytes of the checkpoint's tail; its name begins anew when it was removed")
    }

    /// `resume`, but for what is to become of a subscriber that can't. Nil: it can't go on at its head.
    private func goOn(until deadline: Deadline, _ header: (UInt64) -> RecordHeader) throws(RingError) -> Joined? {
        // Relaxed: the byte orders this side after its predecessor.
        let head = unsafe sr_load_relaxed_u64(sr_subscriber_head(words))
        let isDead = unsafe sr_load_relaxed_u32(sr_subscriber_epoch(words)) & 1 == 1
        guard head != sr_no_head(), unsafe sr_load_relaxed_u32(sr_subscriber_joined(words)) == 1, isDead || isDurable,
            shape.isAligned(head)
        else { return nil }
        let checkpoints = unsafe CheckpointPlace.broadcast(control)
        for turn in 0..<Self.mostWalks {
            if turn > 0, deadline.isPassed(at: sr_now_ns()) {
                throw RingError(
                    .timedOut, ring: ring,
                    "its checkpoints did not hold still while this subscriber counted what was sent before position \(head)")
            }
            guard let newest = try checkpoints.newestPossible(shape, ring: ring) else { continue }
            // The private limit keeps to a head that was joined at, so the tail does. The write limit may lie up to twice the capacity beyond the head, and
            // proves nothing here.
            guard newest.tail &- head &+ shape.capacity <= 2 &* shape.capacity else { return nil }
            let before = totals(at: head, by: newest, header)
            if Int64(bitPattern: head &- newest.tail) > 0 {
                // What lies between the checkpoint and a head beyond it is acknowledged, and may have been written over meanwhile.
                // SYNC: checkpoint (pairs with Checkpoint.publish): the walk before, the checkpoint after.
                sr_fence_acquire()
                guard let later = checkpoints.newestWhole?.checkpoint, !later.allowsWriting(over: newest.tail, shape) else { continue }
            }
            guard let before else {
                throw LaneWriter.impossible(
                    ring, 0,
                    "the records between position \(head), where a subscriber stood, and its checkpoint's tail \(newest.tail) make no sense"
                )
            }
            return Joined(position: head, before: before)
        }
        // Every checkpoint that a publisher begins from now on has its tail behind the head. So this takes an untrusted publisher.
        throw LaneWriter.impossible(
            ring, 0, "none of \(Self.mostWalks) checkpoints held still, by which to count what was sent before position \(head)")
    }

    /// What was sent before a position, by the records between it and a checkpoint's tail. Nil: no records lead from one to the other.
    private func totals(at head: UInt64, by newest: Checkpoint, _ header: (UInt64) -> RecordHeader) -> LossyReader.Totals? {
        let isBehind = Int64(bitPattern: newest.tail &- head) >= 0
        let (start, end) = isBehind ? (head, newest.tail) : (newest.tail, head)
        guard end &- start <= shape.capacity, let between = LossyReader.Totals(shape, from: start, to: end, header: header) else {
            return nil
        }
        let newest = LossyReader.Totals(newest)
        return isBehind ? newest - between : newest + between
    }

    /// Removes the subscriber of this slot's name: its head holds nothing back any more, and the slot is free.
    ///
    /// A process that is killed in between leaves a dead subscriber, whose head the publisher clears.
    func remove() {
        // SYNC: durable (pairs with SubscriberHeads.clearDead)
        unsafe sr_store_release_u32(sr_subscriber_durable(words), 0)
        // SYNC: joined (pairs with SubscriberHeads.hasJoined)
        unsafe sr_store_release_u32(sr_subscriber_joined(words), 0)
        // SYNC: space-given (pairs with SpaceGate.state): no process reads there any more.
        unsafe sr_store_release_u64(sr_subscriber_head(words), sr_no_head())
        unsafe sr_store_release_u32(sr_subscriber_name_length(words), 0)
        // SYNC: space-doorbell (pairs with Sleeper.declareAsleep): without a look at the doorbell; the call is a full barrier, as in cancel.
        unsafe Doorbell.wake(sr_space_doorbell(sr_publisher(control)))
    }

    /// Whether to give up. Makes room for the publisher on a busy core now and then.
    private func isOver(_ turn: Int, _ deadline: Deadline) -> Bool {
        if turn % 64 == 63 { sr_sleep_ns(100_000) }
        return deadline.isPassed(at: sr_now_ns())
    }

    private func barrier() throws(RingError) {
        guard usesAsymmetricBarrier else { return sr_fence_full() }
        let result = sr_membarrier_global()
        guard result == 0 else {
            throw RingError(
                .system, ring: ring, errno: -result, "a subscriber can't join without membarrier(2), which worked when it attached")
        }
    }

    /// Has the slot hold nothing back, and wakes a publisher that waits for that. A durable subscriber's slot goes on holding it back.
    func leave() {
        if isDurable { return }
        // It does not come back to this head.
        unsafe sr_store_release_u32(sr_subscriber_name_length(words), 0)
        // SYNC: space-given (pairs with SpaceGate.state): all reads come before.
        unsafe sr_store_release_u64(sr_subscriber_head(words), sr_no_head())
        // SYNC: space-doorbell (pairs with Sleeper.declareAsleep): the head before, the doorbell after.
        LaneReader.barrier(isAsymmetric: usesAsymmetricBarrier)
        wakePublisherIfAsleep()
    }

    private func wakePublisherIfAsleep() {
        let doorbell = unsafe sr_space_doorbell(sr_publisher(control))
        // Relaxed: the barrier before it orders it.
        if unsafe sr_load_relaxed_u32(doorbell) != 0 { unsafe Doorbell.wake(doorbell) }
    }
}

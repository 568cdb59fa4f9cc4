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
    }

    private let control: UnsafeMutablePointer<sr_broadcast_control>
    let words: UnsafeMutablePointer<sr_subscriber_control>
    private let shape: LaneShape
    private let usesAsymmetricBarrier: Bool
    private let ring: String

    /// The largest number of tries to join.
    private static let mostTries = 10_000

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
                return Joined(position: first.tail, before: LossyReader.Totals(first))
            }
            if isOver(turn, deadline) { break }
        }
        leave()
        throw RingError(
            .timedOut, ring: ring, "its publisher wrote over each of \(Self.mostTries) places where this subscriber tried to join")
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

    /// Has the slot hold nothing back, and wakes a publisher that waits for that.
    func leave() {
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

import CSharedRing

/// What a broadcast's subscriber has beside what a lane's consumer has: how it came in, what feeds it, and how it leaves.
@safe
final class Subscription: @unchecked Sendable {
    private enum Means {
        /// It reads in place, and the publisher waits for it.
        case reliable(SubscriberSlot)
        /// It copies, and is overtaken.
        case lossy(LossyFeed)
    }

    private let means: Means
    private let attachment: Attachment
    private let mapping: Mapping
    /// What was sent before the first message that this one may receive.
    let before: LossyReader.Totals
    let seat: ConsumerSeat

    var isLossy: Bool {
        switch means {
        case .reliable: false
        case .lossy: true
        }
    }

    /// What was missed since the beginning.
    var missed: LossyReader.Totals {
        switch means {
        case .reliable: LossyReader.Totals()
        case .lossy(let feed): feed.missed
        }
    }

    /// Words that a lossy subscriber has for itself.
    @safe
    private final class OwnWords: @unchecked Sendable {
        let slot: UnsafeMutablePointer<sr_subscriber_control>

        init() {
            unsafe slot = .allocate(capacity: 1)
            unsafe slot.initialize(to: sr_subscriber_control())
        }

        deinit { unsafe slot.deallocate() }
    }

    /// Comes in where asked. With a slot's byte it is reliable, as an observer it is lossy.
    ///
    /// Throws what `SubscriberSlot.join` and `LossyFeed.init` throw, and `poisoned` if the records from there on make no sense.
    init(_ attachment: Attachment, from start: SubscriptionStart, until deadline: Deadline, prefault: Bool) throws(RingError) {
        self.attachment = attachment
        mapping = try Mapping.lane(0, of: attachment.segment, writable: false, prefault: prefault, ring: attachment.ring)
        let shape = LaneShape(attachment.header)
        let broadcast = unsafe attachment.broadcast
        let data = unsafe UnsafeRawPointer(mapping.base)
        // SAFETY, for the whole class: all words lie in the control mapping, which the attachment keeps; the data lies in `mapping`.
        guard case .subscriber(let number) = attachment.role else {
            let feed = try unsafe LossyFeed(
                data: data, shape: shape, checkpoints: .broadcast(broadcast), start: start, ring: attachment.ring)
            means = .lossy(feed)
            before = feed.before
            let words = OwnWords()
            seat = unsafe ConsumerSeat(
                holder: sr_subscriber_holder(words.slot), epoch: sr_subscriber_epoch(words.slot),
                sleepWord: .eventCount(sr_broadcast_events(broadcast)), sleeps: sr_subscriber_sleeps(words.slot), owner: words)
            return
        }
        let slot = SubscriberSlot(attachment, slot: number)
        seat = unsafe ConsumerSeat(
            holder: sr_subscriber_holder(slot.words), epoch: sr_subscriber_epoch(slot.words),
            sleepWord: .eventCount(sr_broadcast_events(broadcast)), sleeps: sr_subscriber_sleeps(slot.words))
        means = .reliable(slot)
        // Before it joins: a publisher that waits for it names it.
        unsafe HolderInformation.sign(seat.holder)
        let joined = try slot.join(from: start, until: deadline)
        // What is not wanted is passed over in place: nothing of it is written over meanwhile.
        var place = Checkpoint(
            tail: joined.position, messages: joined.before.messages, byteCount: joined.before.byteCount,
            writeLimit: joined.position &+ shape.capacity)
        place.advance(to: start, shape) { position in unsafe RecordHeader(at: position, in: data, shape) }
        before = LossyReader.Totals(place)
        // SYNC: space-given (pairs with SpaceGate.state)
        unsafe sr_store_release_u64(sr_subscriber_head(slot.words), place.tail)
        withExtendedLifetime(mapping) {}
    }

    /// The reader of what this subscriber is handed out.
    func makeReader(isManual: Bool, firstPolls: Int) throws(RingError) -> LaneReader {
        let header = attachment.header
        let publisher = unsafe sr_publisher(attachment.broadcast)
        switch means {
        case .reliable(let slot):
            return try unsafe LaneReader(
                data: UnsafeRawPointer(mapping.base), shape: LaneShape(header), control: publisher,
                usesAsymmetricBarrier: header.usesAsymmetricBarrier, isManual: isManual, firstPolls: firstPolls, ring: attachment.ring,
                lane: 0,
                lock: attachment.lock, head: sr_subscriber_head(slot.words), wakes: sr_subscriber_wakes(slot.words),
                checkpoints: .broadcast(attachment.broadcast))
        case .lossy(let feed):
            var reader = try unsafe LaneReader(
                data: LaneReader.nowhere - 2 * header.laneCapacity, shape: LaneShape(header), control: feed.words,
                usesAsymmetricBarrier: true, isManual: false, firstPolls: 0, ring: attachment.ring, lane: 0, lock: attachment.lock)
            feed.empty(&reader)
            return reader
        }
    }

    // MARK: Of a lossy one

    /// Has the reader go on with what is in the ring now, if it has handed out everything before. Throws `poisoned`, `system`.
    func refill(_ reader: UnsafeMutablePointer<LaneReader>) throws(RingError) {
        guard case .lossy(let feed) = means, unsafe reader.pointee.poll().isAbsent else { return }
        do throws(RingError) { try unsafe feed.refill(&reader.pointee) } catch {
            if error.code == .poisoned { unsafe reader.pointee.refuse(error) }
            throw error
        }
    }

    /// Whether there is something that the reader was not fed with yet.
    var isAnythingNew: Bool {
        switch means {
        case .reliable: false
        case .lossy(let feed): feed.isAnythingNew
        }
    }

    // MARK: Leaving

    /// Before the role is given up: what was acknowledged or not, nothing is held back any more.
    func leave() {
        if case .reliable(let slot) = means { slot.leave() }
    }
}

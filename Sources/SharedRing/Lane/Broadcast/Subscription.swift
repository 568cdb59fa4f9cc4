import CSharedRing

/// What a broadcast's subscriber has beside what a lane's consumer has: how it came in, what feeds it, and how it leaves.
@safe
final class Subscription: @unchecked Sendable {
    private enum Means {
        /// It reads in place, and the publisher waits for it.
        case reliable(SubscriberSlot)
        /// It copies, and is overtaken.
        case lossy(LossyFeed)
        /// The same, and the publisher waits for it as long as it has patience.
        case soft(LossyFeed, SubscriberSlot)
    }

    private let means: Means
    /// The name under which it comes back; empty: none.
    let name: [UInt8]
    /// Whether it went on where a subscriber of its name had acknowledged.
    let isResumed: Bool
    /// How often it tried to join; 0: it need not.
    private(set) var tries = 0
    private let attachment: Attachment
    private let mapping: Mapping
    /// What was sent before the first message that this one may receive.
    let before: LossyReader.Totals
    let seat: ConsumerSeat

    var isLossy: Bool {
        switch means {
        case .reliable: false
        case .lossy, .soft: true
        }
    }

    /// Whether the publisher waits for it, if only for a while.
    var hasSlot: Bool {
        switch means {
        case .reliable, .soft: true
        case .lossy: false
        }
    }

    /// Whether the publisher waits for it also while it is not there. As it was when it came in: the slot's word stays so while it has the byte, and a forked
    /// child has not the word.
    let isDurable: Bool

    /// What was missed since the beginning.
    var missed: LossyReader.Totals {
        switch means {
        case .reliable: LossyReader.Totals()
        case .lossy(let feed), .soft(let feed, _): feed.missed
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

    /// Comes in where asked, or goes on where a subscriber of its name had acknowledged. With a slot's byte it is reliable or has a soft gate, as an observer it
    /// is lossy.
    ///
    /// Throws what `SubscriberSlot.resume`, `SubscriberSlot.join` and `LossyFeed.init` throw, and `poisoned` if the records from there on make no sense.
    ///
    /// - Parameters:
    ///   - name: the name under which it comes back, with the byte of the names held, which is unlocked here; empty: none.
    ///   - isSoft: whether the slot is to be a soft gate.
    ///   - isDurable: whether its head is to hold the publisher back also while it is not there.
    init(
        _ attachment: Attachment, as name: [UInt8], isDurable: Bool, isSoft: Bool, from start: SubscriptionStart, until deadline: Deadline,
        prefault: Bool
    ) throws(RingError) {
        self.attachment = attachment
        self.name = name
        // First the name: others wait for the byte of the names, and mapping the data may take long.
        var isKnown = false
        if case .subscriber(let number) = attachment.role, !isSoft {
            let slot = SubscriberSlot(attachment, slot: number)
            // A publisher that waits for this subscriber names it.
            unsafe HolderInformation.store(in: sr_subscriber_holder(slot.words))
            isKnown = slot.takeName(name)
            if !name.isEmpty { attachment.lock.unlockNames() }
        }
        mapping = try Mapping.lane(0, of: attachment.segment, writable: false, prefault: prefault, ring: attachment.ring)
        let shape = LaneShape(attachment.header)
        let broadcast = unsafe attachment.broadcast
        let data = unsafe UnsafeRawPointer(mapping.base)
        // SAFETY, for the whole class: all words lie in the control mapping, which the attachment keeps; the data lies in `mapping`.
        guard case .subscriber(let number) = attachment.role else {
            let feed = try unsafe LossyFeed(
                data: data, shape: shape, checkpoints: .broadcast(broadcast), start: start, until: deadline,
                ring: attachment.ring)
            means = .lossy(feed)
            isResumed = false
            self.isDurable = false
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
        if isSoft {
            let feed = try unsafe LossyFeed(
                data: data, shape: shape, checkpoints: .broadcast(broadcast), start: start, until: deadline,
                ring: attachment.ring)
            means = .soft(feed, slot)
            isResumed = false
            self.isDurable = false
            before = feed.before
            // Before its head is there: a publisher that waits for it names it.
            unsafe HolderInformation.store(in: seat.holder)
            slot.enterSoftly(at: feed.position)
            return
        }
        means = .reliable(slot)
        if isKnown, let resumed = try slot.resume(until: deadline, { position in unsafe RecordHeader(at: position, in: data, shape) }) {
            isResumed = true
            before = resumed.before
            if isDurable { slot.makeDurable() }
            self.isDurable = slot.isDurable
            return
        }
        isResumed = false
        let joined = try slot.join(from: start, until: deadline)
        tries = joined.tries
        // What is not wanted is passed over in place: nothing of it is written over meanwhile.
        var place = Checkpoint(
            tail: joined.position, messages: joined.before.messages, byteCount: joined.before.byteCount,
            writeLimit: joined.position &+ shape.capacity)
        place.advance(to: start, shape) { position in unsafe RecordHeader(at: position, in: data, shape) }
        before = LossyReader.Totals(place)
        // SYNC: space-given (pairs with SpaceGate.state)
        unsafe sr_store_release_u64(sr_subscriber_head(slot.words), place.tail)
        if isDurable { slot.makeDurable() }
        self.isDurable = slot.isDurable
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
        case .lossy(let feed), .soft(let feed, _):
            var reader = try unsafe LaneReader(
                data: LaneReader.endOfAddresses - 2 * header.laneCapacity, shape: LaneShape(header), control: feed.words,
                usesAsymmetricBarrier: true, isManual: false, firstPolls: 0, ring: attachment.ring, lane: 0, lock: attachment.lock)
            feed.empty(&reader)
            return reader
        }
    }

    // MARK: Of a lossy one

    /// Has the reader go on with what is in the ring now, if it has handed out everything before. Throws `poisoned`, `system`.
    func refill(_ reader: UnsafeMutablePointer<LaneReader>) throws(RingError) {
        let feed: LossyFeed
        switch means {
        case .reliable: return
        case .lossy(let its), .soft(let its, _): feed = its
        }
        guard unsafe reader.pointee.poll().isAbsent else { return }
        do throws(RingError) { try unsafe feed.refill(&reader.pointee) } catch {
            if error.code == .poisoned { unsafe reader.pointee.refuse(error) }
            throw error
        }
        if case .soft(_, let slot) = means {
            slot.noteMissed(feed.missed)
            slot.storeSoftHead(feed.position)
        }
    }

    /// Whether there is something that the reader was not fed with yet.
    var isAnythingNew: Bool {
        switch means {
        case .reliable: false
        case .lossy(let feed), .soft(let feed, _): feed.isAnythingNew
        }
    }

    // MARK: Leaving

    /// Before the role is given up: what was acknowledged or not, nothing is held back any more.
    func leave() {
        switch means {
        case .reliable(let slot), .soft(_, let slot): slot.leave()
        case .lossy: break
        }
    }

    /// Before the role ends without a close. One that may come back leaves its head behind, as if it were killed.
    func drop() {
        if name.isEmpty { leave() }
    }

    /// Whether any subscriber is to come back to its place in this ring, this one or another.
    var isAnyDurable: Bool {
        (0..<attachment.header.slotCount).contains { slot in
            // SAFETY: as in `init`. Relaxed: it is a look of one moment; the caller holds every byte.
            unsafe sr_load_relaxed_u32(sr_subscriber_durable(sr_subscriber(attachment.broadcast, UInt32(slot)))) == 1
        }
    }
}

import CSharedRing
import Synchronization

/// What a merging consumer needs off its fast path: its lanes, and which of them comes next.
///
/// The fast path is one lane's: `cursor` names a reader and how many messages may be taken there before the others get
/// their turn. Everything else is decided here.
@safe
@usableFromInline
final class MergeSide: @unchecked Sendable {
    /// What came.
    @usableFromInline
    enum Arrival {
        /// A message stands at the head of the cursor's lane.
        case message
        /// Every producer has ended; see `MergingConsumer.Ending`.
        case ended
    }

    /// The lane in hand.
    @safe
    @usableFromInline
    struct Cursor {
        @usableFromInline var reader: UnsafeMutablePointer<LaneReader>
        /// How many messages may still be taken there.
        @usableFromInline var budget: Int
        /// Total order: messages with smaller tickets than this may be taken there.
        @usableFromInline var limit: UInt64 = 0
        /// In a drain: where it began in this lane.
        @usableFromInline var drainStart: UInt64 = 0
    }

    let role: ConsumerRole
    /// Nil: the merged streams never end.
    private let expectedEnds: ExpectedEnds?
    private let budget: Int
    let isManual: Bool
    private let prefault: Bool
    @usableFromInline let isTotallyOrdered: Bool
    /// More records than this never stand in all lanes at once.
    @usableFromInline let mostRecords: Int

    /// In the order in which they were found in use; a lane's place here never changes.
    private(set) var lanes: [MergedLane] = []
    /// What of `lanes` every look needs, by the same places.
    let table: UnsafeMutablePointer<LaneTable>

    /// Of the lane that was in hand last.
    private var lastReader: UnsafeMutablePointer<LaneReader>?

    /// Atomic, because they may be asked for while a waiter thread counts. Relaxed: they order nothing.
    private let closed = Atomic(0)
    private let died = Atomic(0)
    var ends: ProducerEnds { ProducerEnds(closed: closed.load(ordering: .relaxed), died: died.load(ordering: .relaxed)) }
    /// The ends that the owner has not taken.
    private struct NewEnds {
        /// The newest ones.
        var list: [ProducerEnd] = []
        /// Whether a wait has ended since the last of them came: it ends no further one, or an owner who never takes them would not come to rest.
        var hasEndedWait = true
    }
    /// Behind a lock: the owner takes them while the waiter thread has this side, too.
    private let newEnds = Guarded(NewEnds())
    let watch: Watch
    /// Whether a task waits for a producer, and not for a message.
    var isProducerWanted = false
    private var isEnded = false
    /// While the waiter thread has this side: what it found for the cursor.
    private var found: Cursor?
    private var deathToTell: RingError?
    /// The lanes in use that could not be set up: what is in them can't be received, and must not be taken for received.
    private var brokenLanes: [Int] = []
    /// What was found while only messages were asked for; the next `look` tells it.
    private var deferred: Result<Arrival, RingError>?
    /// How many attachments there had been when an end was told.
    private var attachmentsAtEnd: UInt64 = 0
    @usableFromInline let cursor: UnsafeMutablePointer<Cursor>

    var attachment: Attachment { role.attachment }

    /// Goes on where the last consumer's acknowledgements ended. The attachment holds the consumer's byte.
    init(
        attachment: Attachment, expectedEnds: ExpectedEnds?, budget: Int, acknowledgement: Acknowledgement,
        waiting: WaitStrategy, slice: Duration, prefault: Bool
    ) throws(RingError) {
        guard budget > 0 else {
            throw attachment.error(.invalidOption, "the budget of messages a visit must be at least 1, not \(budget)")
        }
        let header = attachment.header
        self.expectedEnds = expectedEnds
        self.budget = budget
        self.prefault = prefault
        isManual = acknowledgement == .manual
        isTotallyOrdered = header.isTotallyOrdered
        mostRecords = LaneShape(header).mostRecords * header.laneCount
        unsafe table = .allocate(capacity: 1)
        unsafe table.initialize(to: LaneTable(laneCount: header.laneCount))
        unsafe cursor = .allocate(capacity: 1)
        // No lane yet: with no budget the fast path does not look at the reader.
        unsafe cursor.initialize(to: Cursor(reader: UnsafeMutablePointer(bitPattern: 128)!, budget: 0))
        role = ConsumerRole(attachment, waiting: waiting, slice: slice)
        watch = Watch(role.sleeper)
        if expectedEnds != nil, unsafe sr_load_relaxed_u32(sr_unreported_death(attachment.consumer)) != 0 {
            deathToTell = attachment.error(
                .peerDied, "a producer went away without closing; an earlier consumer noted it and was gone before it could tell")
        }
        do throws(RingError) { try findNewLanes() } catch { deferred = .failure(error) }
        for lane in lanes { lane.wakeProducer() }  // who waits for a peer finds one now
    }

    deinit {
        if !attachment.isInherited && !isEnded {
            settle()
            attachment.giveBack()
        }
        unsafe table.deinitialize(count: 1)
        unsafe table.deallocate()
        role.cancelFlag.detach()
        unsafe cursor.deallocate()
    }

    // MARK: Lanes

    /// Adds the lanes that somebody attached to since the last look. O(lanes / 64) when there is none.
    ///
    /// The caller decides when: after the barrier before sleep, and in a total order after loading the counter. A bitmap
    /// kept over either loses messages of a lane that was new.
    func findNewLanes() throws(RingError) {
        // SAFETY: the bitmap has room for every lane the header admits.
        let bitmap = unsafe sr_lanes_used(attachment.control, 0)
        let known = unsafe table.pointee.known
        for word in 0..<known.count {
            // SYNC: lane-in-use (pairs with ProducerSide.init)
            var new = unsafe sr_load_acquire_u64(bitmap + word) & ~known[word]
            while new != 0 {
                let number = word * 64 + new.trailingZeroBitCount
                new &= new - 1
                guard number < attachment.header.laneCount else { break }  // a stranger set it
                unsafe known[word] |= 1 << UInt64(number % 64)
                // Should this throw, the lane stays out: its head makes no sense, or there is no address space for it.
                brokenLanes.append(number)  // until it is set up
                let lane = try MergedLane(number, attachment: attachment, isManual: isManual, prefault: prefault)
                brokenLanes.removeLast()
                unsafe role.cancelFlag.attach(&lane.reader.pointee.cancelled, closing: &lane.reader.pointee.lastSize)
                lanes.append(lane)
                unsafe table.pointee.append(lane)
            }
        }
    }

    /// Whether `findNewLanes` would find one.
    private var isAnyLaneNew: Bool {
        // SAFETY: as in `findNewLanes`. Relaxed: it only says where to look.
        let bitmap = unsafe sr_lanes_used(attachment.control, 0)
        let known = unsafe table.pointee.known
        for word in 0..<known.count where unsafe sr_load_relaxed_u64(bitmap + word) & ~known[word] != 0 { return true }
        return false
    }

    // SAFETY, from here on: an index is the place of a lane; its reader belongs to the lane, and only this thread uses it.

    /// Puts the lane in hand down.
    func leaveCurrent() {
        guard let index = unsafe table.pointee.current else { return }
        unsafe table.pointee.places[index] = table.pointee.rows[index].reader.pointee.place
        if role.isHandedOver { found?.budget = 0 } else { unsafe cursor.pointee.budget = 0 }
        unsafe table.pointee.current = nil
    }

    func take(_ index: Int, budget: Int, limit: UInt64 = 0) {
        unsafe table.pointee.current = index
        unsafe lastReader = table.pointee.rows[index].reader
        let start = unsafe table.pointee.isDraining ? table.pointee.drainStart(of: index) : 0
        let next = unsafe Cursor(reader: table.pointee.rows[index].reader, budget: budget, limit: limit, drainStart: start)
        if role.isHandedOver { found = next } else { unsafe cursor.pointee = next }
    }

    // MARK: Which message comes next

    /// Chooses the lane of the next message and gives it to the cursor. Nil: there is none.
    @usableFromInline
    @inline(never)
    func look() throws(RingError) -> Arrival? {
        try role.requireUsable()
        finishWhatIsOut()
        return try lookAnywhere()
    }

    private func lookAnywhere() throws(RingError) -> Arrival? {
        if let told = deferred {
            deferred = nil
            return try told.get()
        }
        if isTotallyOrdered { return try lookInTotalOrder() }

        // Round robin, beginning behind the lane that was in hand, so that a flooding lane gets no second turn first.
        var index = unsafe table.pointee.current.map { $0 + 1 } ?? 0
        leaveCurrent()
        try findNewLanes()
        let count = unsafe table.pointee.count
        for _ in 0..<count {
            if index >= count { index = 0 }
            if unsafe table.pointee.isAnything(at: index), unsafe !table.pointee.isDrained(index), try header(of: index) != nil {
                take(index, budget: budget)
                return .message
            }
            index += 1
        }
        return try endIfDone()
    }

    /// `look`, but whatever is not a message is left for it.
    @usableFromInline
    @inline(never)
    func lookForMessage() -> Bool {
        if deferred != nil || (try? role.requireUsable()) == nil { return false }
        finishWhatIsOut()
        return findMessage()
    }

    private func findMessage() -> Bool {
        do throws(RingError) {
            guard let found = try lookAnywhere() else { return false }
            if found == .message { return true }
            deferred = .success(found)
        } catch {
            deferred = .failure(error)
        }
        return false
    }

    /// The header of the lane's next message, past any end marks. Nil: there is none. Throws `poisoned`, once a lane.
    func header(of index: Int) throws(RingError) -> RecordHeader? {
        if unsafe table.pointee.rows[index].isAbandoned { return nil }
        let reader = unsafe table.pointee.rows[index].reader
        let begin = unsafe reader.pointee.head
        while true {
            // What was stepped over may have shown that the lane has no end.
            if let poison = unsafe reader.pointee.poison {
                unsafe table.pointee.rows[index].isAbandoned = true
                throw poison
            }
            let header = unsafe reader.pointee.poll()
            if header.isAbsent { return nil }
            if unsafe reader.pointee.shape.admits(header) { return header }
            guard unsafe reader.pointee.isMark(header, since: begin) else {
                unsafe table.pointee.rows[index].isAbandoned = true
                throw unsafe reader.pointee.reject(header)
            }
            // Noted before it is acknowledged: a death that is only told at the end must not be forgotten with this consumer.
            let isFirst = unsafe reader.pointee.head == reader.pointee.start
            note(lanes[index].watch.noteMark(header.tag, isFirst: isFirst), of: lanes[index])
            unsafe reader.pointee.finish(spacing: Int(reader.pointee.shape.spacingOfEnd))
            unsafe table.pointee.places[index] = reader.pointee.place
        }
    }

    // MARK: Draining

    /// From now on, until `endDrain`, each lane is taken from for a lap at most.
    @usableFromInline
    @inline(never)
    func beginDrain() {
        unsafe table.pointee.drain &+= 1
        unsafe table.pointee.isDraining = true
        guard let index = unsafe table.pointee.current else { return }
        unsafe cursor.pointee.drainStart = table.pointee.drainStart(of: index)
    }

    @usableFromInline
    @inline(never)
    func endDrain() { unsafe table.pointee.isDraining = false }

    /// Total order: every message that was sent before now has a smaller ticket than this.
    @usableFromInline
    @inline(never)
    func ticketsDrawn() -> UInt64 {
        if attachment.isInherited { return 0 }  // the control mapping is not there
        // SYNC: ticket (pairs with LaneWriter.publishInTotalOrder): whose message is there has drawn its ticket before.
        return unsafe sr_load_acquire_u64(sr_tickets(attachment.control))
    }

    // MARK: Waiting

    /// Waits until a message is there, or every producer has ended.
    func wait(_ timeout: Duration?, until deadline: Deadline) throws(RingError) -> Arrival {
        try role.sleeper.requireNotCancelled("message")
        if let found = try look() { return found }
        if isTotallyOrdered, pollForAMoment(timeout), let found = try look() { return found }
        // In a total order a message may be there and not be due: its lane's space must not wait for that.
        settle()
        return try role.sleeper.wait(until: deadline, for: "message") { () throws(RingError) in
            try look()
        } lookAround: { () throws(RingError) in
            try lookAround()
        }
    }

    /// Which producers have gone.
    private func lookAround() throws(RingError) -> Arrival? {
        if isTotallyOrdered { clearDeadAnnouncements() }
        for (index, lane) in lanes.enumerated() {
            let end = try lane.watch.end(lock: attachment.lock) { () throws(RingError) in !lane.isQuiet && !isAbandoned(index) }
            note(end, of: lane)
        }
        return try endIfDone()
    }

    /// Stays with the lane in hand if nothing stands at the others' heads: cheaper than `look`, and it leaves alone the line that
    /// the lane's producer is writing. With its budget spent, the lane gets a new one; dry, it is watched for a moment. False:
    /// only `look` can tell what comes next.
    @usableFromInline
    @inline(never)
    func stay(_ timeout: Duration?) -> Bool {
        guard !role.isHandedOver, deferred == nil, let index = unsafe table.pointee.current else { return false }
        if unsafe table.pointee.isDrained(index) { return false }
        if isTotallyOrdered { return stayInTotalOrder() }
        guard unsafe cursor.pointee.reader.pointee.isOfThisProcess, unsafe !table.pointee.isAnythingThere(besides: index), !isAnyLaneNew
        else { return false }
        if unsafe cursor.pointee.budget == 0 {
            unsafe cursor.pointee.budget = budget
            return true
        }
        unsafe table.pointee.places[index] = cursor.pointee.reader.pointee.place
        return pollForAMoment(timeout)
    }

    /// A message from another core comes sooner than the general way of waiting is ready for it. True: something is there.
    func pollForAMoment(_ timeout: Duration?) -> Bool {
        guard role.sleeper.strategy != .sleep, timeout != .zero, !lanes.isEmpty else { return false }
        // The lane that was in hand last stands for all. There is none yet if nothing was ever taken.
        let last = unsafe lastReader
        unsafe last?.pointee.pace()
        for _ in 0..<64 {
            sr_pause()
            if unsafe table.pointee.isAnythingThere() { return true }
        }
        unsafe last?.pointee.stopPacing()
        return false
    }

    func waitForProducer(until deadline: Deadline) throws(RingError) {
        try role.requireUsable()
        try role.sleeper.wait(until: deadline, for: "producer") { () throws(RingError) in
            isAnyProducerAttached ? () : nil
        } lookAround: {
            nil
        }
    }

    var isProducerThere: Bool { isAnyProducerAttached }

    var isAnyProducerAttached: Bool { !attachment.isInherited && attachment.isAnyLaneHeld }

    // MARK: Acknowledging

    /// See `MergingConsumer.acknowledge`.
    func acknowledge() {
        finishWhatIsOut()
        publishAll()
        // Of an end of all streams that is to come nothing is kept: should this consumer be killed, its successor waits for the same producers.
        for lane in lanes {
            lane.watch.acknowledge()
            if expectedEnds == nil { lane.watch.finish() }
            lane.watch.keepFinished()
        }
        if expectedEnds != nil && deathToTell == nil { unsafe sr_store_relaxed_u32(sr_unreported_death(attachment.consumer), 0) }
    }

    /// See `MergingConsumer.acknowledge(before:)`. Noted deaths stay noted: the next consumer tells them.
    func acknowledge(before kept: [Int: UInt64]) {
        finishWhatIsOut()
        for lane in lanes {
            if let position = kept[lane.number] {
                unsafe lane.reader.pointee.storeHead(before: position)
            } else if lane.isDue {
                unsafe lane.reader.pointee.storeHead()
                lane.watch.keep()
            }
        }
        LaneReader.barrier(isAsymmetric: attachment.header.usesAsymmetricBarrier)
        for lane in lanes { lane.wakeProducer() }
    }

    private func finishWhatIsOut() { unsafe lastReader?.pointee.finishWhatIsOut() }

    /// Stores every head that is due, then passes one barrier, then wakes whoever waits for that space.
    private func publishAll() {
        var isAnyDue = false
        for lane in lanes where lane.isDue {
            unsafe lane.reader.pointee.storeHead()
            isAnyDue = true
        }
        guard isAnyDue else { return }
        LaneReader.barrier(isAsymmetric: attachment.header.usesAsymmetricBarrier)
        for lane in lanes { lane.wakeProducer() }
    }

    /// Before this side waits or ends. With manual acknowledgement all that waits for the call.
    private func settle() { if !isManual { acknowledge() } }

    // MARK: Ending

    private func isAbandoned(_ index: Int) -> Bool { unsafe table.pointee.rows[index].isAbandoned }

    private func note(_ end: PeerWatch.End?, of lane: MergedLane) {
        guard let end else { return }
        let holder = attachment.segment.holder(of: .lane(lane.number))
        // A successor may have signed since; the epoch, which is looked at after the holder information, says so.
        let isDeath = end == .died
        remember(ProducerEnd(lane: lane.number, isDeath: isDeath, holder: lane.watch.isLastEndNewest ? holder : nil))
        switch end {
        case .closed: closed.add(1, ordering: .relaxed)
        case .died:
            let died = died.add(1, ordering: .relaxed).newValue
            let signature = holder.map { "\($0)" } ?? "unknown"
            deathToTell = attachment.error(
                .peerDied,
                "\(died) of its producers went away without closing; the last was that of lane \(lane.number), where \(signature) had signed last"
            )
            // SAFETY, here and below: the word lies in the control mapping, and only the consumer touches it. Relaxed: whoever
            // reads it has the consumer's byte after this side.
            if expectedEnds != nil { unsafe sr_store_relaxed_u32(sr_unreported_death(attachment.consumer), 1) }
        }
    }

    private func remember(_ end: ProducerEnd) {
        newEnds.withLock { ends in
            if ends.list.count == Self.mostEnds { ends.list.removeFirst() }
            ends.list.append(end)
            ends.hasEndedWait = false
        }
    }

    /// How many ends are remembered for who asks late, or never.
    private static let mostEnds = 1024

    /// See `MergingConsumer.nextEnd`. In a forked child a thread that is not there may hold the lock.
    func takeEnd() -> ProducerEnd? {
        attachment.isInherited ? nil : newEnds.withLock { $0.list.isEmpty ? nil : $0.list.removeFirst() }
    }

    /// Whether an end is there for which no wait has ended yet.
    private var isEndNew: Bool { newEnds.withLock { !$0.list.isEmpty && !$0.hasEndedWait } }

    /// The owner comes back from a wait, and may take the ends.
    func noteWaitEnded() { newEnds.withLock { $0.hasEndedWait = true } }

    /// Nothing is there: is everything over?
    func endIfDone() throws(RingError) -> Arrival? {
        guard let expectedEnds else { return nil }
        var attachments: UInt64 = 0
        for (index, lane) in lanes.enumerated() {
            // A close that left no mark is noted before it counts: `finish` keeps only what was noted.
            note(lane.watch.unmarkedClose { lane.isQuiet || isAbandoned(index) }, of: lane)
            guard let count = lane.watch.attachmentsIfOver(sinceMade: expectedEnds.includingEarlier), lane.isQuiet || isAbandoned(index),
                lane.watch.attachmentsIfOver(sinceMade: expectedEnds.includingEarlier) == count
            else { return nil }
            attachments += UInt64(count)
        }
        guard let unseen = attachmentsToBrokenLanes(sinceMade: expectedEnds.includingEarlier) else { return nil }
        attachments += unseen
        guard attachments > attachmentsAtEnd, attachments >= UInt64(max(expectedEnds.atLeast, 1)) else { return nil }
        attachmentsAtEnd = attachments
        for lane in lanes { lane.watch.finish() }
        if !brokenLanes.isEmpty {
            throw attachment.error(.poisoned, "all producers have ended, but not all of their lanes could be read")
        }
        if let death = deathToTell {
            deathToTell = nil
            throw death
        }
        return .ended
    }

    /// How many have attached to lanes that could not be set up. Nil: one of them is still there.
    private func attachmentsToBrokenLanes(sinceMade: Bool) -> UInt64? {
        var count: UInt64 = 0
        for number in brokenLanes {
            // SYNC: epoch (pairs with ProducerSide.init and .close, ConsumerRole.init and .close)
            let epoch = unsafe sr_load_acquire_u32(sr_producer_epoch(attachment.lane(number)))
            if epoch & 1 == 1, attachment.isHeld(.lane(number)) { return nil }
            // Relaxed: only consumers store it, and nothing is kept of a lane that can't be read.
            let told = unsafe sr_load_relaxed_u32(sr_reported_end(attachment.lane(number)))
            count += UInt64(sinceMade ? sr_epoch_attachments(epoch) : sr_epoch_attachments_since(epoch, told))
        }
        return count
    }

    /// See `MergingConsumer.end`.
    func end() throws(RingError) {
        if isEnded { return try attachment.requireOwnProcess() }
        if role.isHandedOver { try role.requireUsable() }
        try close()
        isEnded = true
        unsafe cursor.pointee.budget = 0  // with no budget the fast path comes to `look`, which throws
        role.refusal = attachment.error(.ended, "this consumer was ended")
    }

    func close() throws(RingError) {
        try attachment.requireOwnProcess()
        if isEnded { return }
        settle()
        for lane in lanes {
            lane.watch.finishAcknowledged()
            lane.watch.keepFinished()
        }
        role.close()
        for lane in lanes { lane.wakeProducer() }
    }

    func removeIfUnused() throws(RingError) -> Bool {
        try role.requireUsable()
        settle()
        return try role.removeRing {
            guard (try? findNewLanes()) != nil, brokenLanes.isEmpty else { return false }
            // A lane that was poisoned, and told of, holds nothing that could be received.
            return lanes.enumerated().allSatisfy { index, lane in
                isAbandoned(index) || lane.isQuiet && !lane.isDue && !lane.watch.hasUnreportedEnd
            }
        }
    }
}

// MARK: Waiting without a thread

extension MergeSide: ProducerAwaited {
    /// Before this side is handed over. Throws if it can't be used.
    func prepareToWait() throws(RingError) {
        try role.requireUsable()
        finishWhatIsOut()
        settle()
    }

    /// What is found and is no message is told by the owner's next look, and the end of a producer by `takeEnd`.
    func isReady() -> Bool {
        if isProducerWanted { return isProducerThere }
        return deferred != nil || findMessage() || deferred != nil || isEndNew
    }

    func isReadyOnLookingAround() -> Bool {
        if isProducerWanted { return isReady() }
        do throws(RingError) {
            if let found = try lookAround() { deferred = .success(found) }
        } catch {
            deferred = .failure(error)
        }
        return isReady()
    }

    func handOver(saying error: RingError) {
        // With no budget the fast path comes to `look`, which throws.
        unsafe found = cursor.pointee
        unsafe cursor.pointee.budget = 0
        role.refusal = error
    }

    func takeBack() {
        noteWaitEnded()
        role.refusal = nil
        if let found { unsafe cursor.pointee = found }
        found = nil
    }
}

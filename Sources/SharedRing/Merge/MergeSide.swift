import CSharedRing

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
    }

    let role: ConsumerRole
    private let ending: MergingConsumer.Ending
    private let budget: Int
    private let isManual: Bool
    private let prefault: Bool
    private let isTotallyOrdered: Bool

    /// In the order in which they were found in use; a lane's place here never changes.
    private(set) var lanes: [MergedLane] = []
    /// Which lanes are in `lanes`: a copy of the segment's bitmap.
    private var knownLanes: [UInt64]
    /// For each of `lanes`, where the header stands that it waits for. In one piece, so that a sweep over idle lanes touches
    /// little memory; brought up to date when the cursor leaves a lane.
    private let waitingPlaces: UnsafeMutablePointer<UnsafeRawPointer>
    /// The place in `lanes` of the lane in hand.
    private var current: Int?
    /// Total order: what may be handed out now.
    private var ready: TicketHeap

    private(set) var ends = ProducerEnds()
    private var deathToTell: RingError?
    /// What was found while only messages were asked for; the next `look` tells it.
    private var deferred: Result<Arrival, RingError>?
    /// How many attachments there had been when an end was told.
    private var attachmentsAtEnd: UInt64 = 0
    @usableFromInline let cursor: UnsafeMutablePointer<Cursor>

    var attachment: Attachment { role.attachment }

    /// Goes on where the last consumer's acknowledgements ended. The attachment holds the consumer's byte.
    init(
        attachment: Attachment, ending: MergingConsumer.Ending, budget: Int, acknowledgement: Acknowledgement,
        waiting: WaitStrategy, slice: Duration, prefault: Bool
    ) throws(RingError) {
        guard budget > 0 else {
            throw attachment.error(.invalidOption, "the budget of messages a visit must be at least 1, not \(budget)")
        }
        let header = attachment.header
        self.ending = ending
        self.budget = budget
        self.prefault = prefault
        isManual = acknowledgement == .manual
        isTotallyOrdered = header.isTotallyOrdered
        knownLanes = Array(repeating: 0, count: (header.laneCount + 63) / 64)
        ready = TicketHeap(laneCount: header.laneCount)
        unsafe waitingPlaces = .allocate(capacity: header.laneCount)
        unsafe cursor = .allocate(capacity: 1)
        // No lane yet: with no budget the fast path does not look at the reader.
        unsafe cursor.initialize(to: Cursor(reader: UnsafeMutablePointer(bitPattern: 128)!, budget: 0))
        role = ConsumerRole(attachment, waiting: waiting, slice: slice)
        if ending != .never, unsafe sr_load_relaxed_u32(sr_untold_death(attachment.control)) != 0 {
            deathToTell = attachment.error(
                .peerDied, "a producer went away without closing; an earlier consumer noted it and was gone before it could tell")
        }
        do throws(RingError) { try findNewLanes() } catch { deferred = .failure(error) }
        for lane in lanes { lane.wakeProducer() }  // who waits for a peer finds one now
    }

    deinit {
        if !attachment.isInherited {
            settle()
            attachment.giveBack()
        }
        unsafe waitingPlaces.deallocate()
        unsafe cursor.deallocate()
    }

    // MARK: Lanes

    /// Adds the lanes that somebody attached to since the last look. O(lanes / 64) when there is none.
    ///
    /// The caller decides when: after the barrier before sleep, and in a total order after loading the counter. A bitmap
    /// kept over either loses messages of a lane that was new.
    private func findNewLanes() throws(RingError) {
        for word in knownLanes.indices {
            // SAFETY: the bitmap has room for every lane the header admits.
            // SYNC: lane-in-use (pairs with ProducerSide.init)
            let found = unsafe sr_load_acquire_u64(sr_lane_bitmap(attachment.control, UInt32(word * 64)))
            var new = found & ~knownLanes[word]
            while new != 0 {
                let number = word * 64 + new.trailingZeroBitCount
                new &= new - 1
                guard number < attachment.header.laneCount else { break }  // a stranger set it
                knownLanes[word] |= 1 << UInt64(number % 64)
                // Should this throw, the lane stays out: its head makes no sense, or there is no address space for it.
                let lane = try MergedLane(number, attachment: attachment, isManual: isManual, prefault: prefault)
                // SAFETY: at most one place a lane.
                unsafe (waitingPlaces + lanes.count).initialize(to: lane.reader.pointee.place)
                lanes.append(lane)
            }
        }
    }

    /// Puts the lane in hand down.
    private func leaveCurrent() {
        guard let index = current else { return }
        unsafe waitingPlaces[index] = lanes[index].reader.pointee.place
        unsafe cursor.pointee.budget = 0
        current = nil
    }

    private func take(_ index: Int, budget: Int) {
        current = index
        unsafe cursor.pointee.reader = lanes[index].reader
        unsafe cursor.pointee.budget = budget
    }

    // MARK: Which message comes next

    /// Chooses the lane of the next message and gives it to the cursor. Nil: there is none.
    @usableFromInline
    @inline(never)
    func look() throws(RingError) -> Arrival? {
        try role.requireUsable()
        if let told = deferred {
            deferred = nil
            return try told.get()
        }
        if isTotallyOrdered { return try lookInTotalOrder() }

        let start = current.map { $0 + 1 } ?? 0
        leaveCurrent()
        try findNewLanes()
        // Round robin, beginning behind the lane that was in hand, so that a flooding lane gets no second turn first.
        let count = lanes.count
        var index = start
        for _ in 0..<count {
            if index >= count { index = 0 }
            // SAFETY: a place inside the lane's data mapping; its header is looked at, checked and used by `header(of:)`.
            // Relaxed: this only says where to look.
            if unsafe sr_load_relaxed_u64(waitingPlaces[index]) != 0, try header(of: index) != nil {
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
        if deferred != nil { return false }
        do throws(RingError) {
            guard let found = try look() else { return false }
            if found == .message { return true }
            deferred = .success(found)
        } catch {
            deferred = .failure(error)
        }
        return false
    }

    /// The header of the lane's next message, past any end marks. Nil: there is none. Throws `poisoned`, once a lane.
    private func header(of index: Int) throws(RingError) -> RecordHeader? {
        let lane = lanes[index]
        if lane.isAbandoned { return nil }
        // SAFETY, here and below: the reader belongs to the lane, and only this thread uses it.
        while true {
            let header = unsafe lane.reader.pointee.poll()
            if header.isAbsent { return nil }
            if unsafe lane.reader.pointee.shape.admits(header) { return header }
            guard header.isEnd else {
                lane.isAbandoned = true
                throw unsafe lane.reader.pointee.reject(header)
            }
            // Noted before it is acknowledged: a death that is only told at the end must not be forgotten with this consumer.
            let isFirst = unsafe lane.reader.pointee.head == lane.reader.pointee.start
            note(lane.watch.noteMark(header.tag, isFirst: isFirst), of: lane)
            unsafe lane.reader.pointee.finish(spacing: lane.reader.pointee.shape.spacingOfEnd)
            unsafe waitingPlaces[index] = lane.reader.pointee.place
        }
    }

    // MARK: Total order

    private func lookInTotalOrder() throws(RingError) -> Arrival? {
        // The lane in hand first: its next message may be due before the others'.
        if let index = current {
            leaveCurrent()
            if index < lanes.count { try makeReady(index, below: bound) }
        }
        if ready.count == 0 { try sweep() }
        guard let next = ready.pop() else { return try endIfDone() }
        unsafe lanes[next.lane].reader.pointee.ticket = next.ticket
        take(next.lane, budget: 1)
        return .message
    }

    /// Every ticket below it is visible, and no smaller one can turn up.
    private var bound: UInt64 = 0

    /// Finds out which messages may be handed out.
    private func sweep() throws(RingError) {
        let control = unsafe attachment.control
        // SYNC: ticket (pairs with LaneWriter.publishInTotalOrder): the counter, then the announcements, then the headers. In
        // any other order a smaller ticket could turn up behind a larger one.
        bound = unsafe sr_load_acquire_u64(sr_tickets(control))
        try findNewLanes()
        for lane in lanes where !lane.isAbandoned {
            // SYNC: pend (pairs with LaneWriter.publishInTotalOrder, ProducerSide.init and `clearDeadAnnouncements`)
            bound = min(bound, unsafe sr_load_acquire_u64(sr_pend(lane.control)))
        }
        do throws(RingError) {
            for index in lanes.indices { try makeReady(index, below: bound) }
        } catch {
            ready.removeAll()  // some lanes were not looked at, and may have smaller tickets
            throw error
        }
    }

    /// Puts the lane's next message among the ready ones, if its ticket is below the bound.
    private func makeReady(_ index: Int, below bound: UInt64) throws(RingError) {
        guard let header = try header(of: index) else { return }
        let lane = lanes[index]
        let position = unsafe lane.reader.pointee.head
        // SAFETY: `header(of:)` admitted the record, so its ticket lies inside the mapping.
        // Relaxed: the header was loaded with acquire.
        let ticket = unsafe sr_load_relaxed_u64(lane.reader.pointee.place + Int(SR_RECORD_HEADER_SIZE))
        // The same message again (it was put back, or was above the last bound), or a later one with a larger ticket.
        let isPlausible =
            if let last = lane.lastSeen { position == last.position ? ticket == last.ticket : ticket > last.ticket } else { true }
        // SYNC: ticket (pairs with LaneWriter.publishInTotalOrder): drawn before its header was stored, so the counter is past it.
        guard isPlausible, unsafe ticket < sr_load_acquire_u64(sr_tickets(attachment.control)) else {
            lane.isAbandoned = true
            throw unsafe lane.reader.pointee.reject(header, ticket: ticket)
        }
        lane.lastSeen = (position, ticket)
        if ticket < bound { ready.push(TicketHeap.Entry(ticket: ticket, lane: index)) }
    }

    /// Takes back what dead producers had announced. Their byte in hand proves that they are dead.
    private func clearDeadAnnouncements() {
        for lane in lanes {
            // SAFETY: `pend` lies in the control mapping; whoever holds the lane's byte may write it.
            let place = unsafe sr_pend(lane.control)
            // Relaxed: it only says where to look; the byte is the proof.
            guard unsafe sr_load_relaxed_u64(place) != .max else { continue }
            guard (try? attachment.lock.take(.lane(lane.number))) == true else { continue }
            // SYNC: pend (pairs with `sweep`, this side's next and those of later consumers): nothing is ever privately ignored.
            unsafe sr_store_release_u64(place, .max)  // SR_NO_PEND
            attachment.lock.release(.lane(lane.number))
        }
    }

    // MARK: Waiting

    /// Waits until a message is there, or every producer has ended.
    @usableFromInline
    @inline(never)
    func wait(timeout: Duration?) throws(RingError) -> Arrival {
        if let found = try look() { return found }
        // In a total order a message may be there and not be due: its lane's space must not wait for that.
        settle()
        return try role.sleeper.wait(until: Deadline(after: timeout), for: "message") { () throws(RingError) in
            try look()
        } lookAround: { () throws(RingError) in
            if isTotallyOrdered { clearDeadAnnouncements() }
            for lane in lanes {
                note(try lane.watch.end(lock: attachment.lock) { () throws(RingError) in !lane.isQuiet && !lane.isAbandoned }, of: lane)
            }
            return try endIfDone()
        }
    }

    func waitForProducer(until deadline: Deadline) throws(RingError) {
        try role.requireUsable()
        try role.sleeper.wait(until: deadline, for: "producer") { () throws(RingError) in
            isAnyProducerAttached ? () : nil
        } lookAround: {
            nil
        }
    }

    var isAnyProducerAttached: Bool { !attachment.isInherited && attachment.isAnyLaneHeld }

    // MARK: Acknowledging

    /// See `MergingConsumer.acknowledge`.
    func acknowledge() {
        publishAll()
        for lane in lanes { lane.watch.keep() }
        if ending != .never && deathToTell == nil { unsafe sr_store_relaxed_u32(sr_untold_death(attachment.control), 0) }
    }

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

    private func note(_ end: PeerWatch.End?, of lane: MergedLane) {
        switch end {
        case nil: return
        case .closed: ends.closed += 1
        case .died:
            ends.died += 1
            let card = attachment.segment.card(of: .lane(lane.number)).map { "\($0)" } ?? "unknown"
            deathToTell = attachment.error(
                .peerDied,
                "\(ends.died) of its producers went away without closing; the last was that of lane \(lane.number), where \(card) had signed last"
            )
            // SAFETY, here and below: the word lies in the control mapping, and only the consumer touches it. Relaxed: whoever
            // reads it has the consumer's byte after this side.
            if ending != .never { unsafe sr_store_relaxed_u32(sr_untold_death(attachment.control), 1) }
        }
    }

    /// Nothing is there: is everything over?
    private func endIfDone() throws(RingError) -> Arrival? {
        guard case .whenAllEnded(let wanted) = ending else { return nil }
        var attachments: UInt64 = 0
        for lane in lanes {
            guard let count = lane.watch.attachmentsIfOver, lane.isQuiet || lane.isAbandoned, lane.watch.attachmentsIfOver == count else {
                return nil
            }
            attachments += UInt64(count)
        }
        guard attachments > attachmentsAtEnd, attachments >= UInt64(max(wanted, 1)) else { return nil }
        attachmentsAtEnd = attachments
        if let death = deathToTell {
            deathToTell = nil
            throw death
        }
        return .ended
    }

    func close() throws(RingError) {
        try attachment.requireOwnProcess()
        settle()
        role.close()
        for lane in lanes { lane.wakeProducer() }
    }

    func removeIfUnused() throws(RingError) -> Bool {
        try role.requireUsable()
        settle()
        return try role.removeRing {
            guard (try? findNewLanes()) != nil else { return false }
            // A lane that was poisoned, and told of, holds nothing that could be received.
            return lanes.allSatisfy { $0.isAbandoned || $0.isQuiet && !$0.isDue && !$0.watch.hasUntoldEnd }
        }
    }
}

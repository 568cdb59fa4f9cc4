import CSharedRing

/// What a producer needs off its fast path: its role, its mapping, its way of waiting.
@usableFromInline
@safe
final class ProducerCore: @unchecked Sendable {
    let attachment: Attachment
    let lane: Int
    private let mapping: Mapping
    private let epoch: UnsafeMutablePointer<UInt32>
    private let sleeper: Sleeper
    private var peers: ProducerPeers
    let cancelFlag: CancelFlag
    let watch: Watch
    /// Whether the last checkpoint was published, and the byte unlocked; otherwise `deinit` does both.
    private(set) var isClosed = false
    /// Which of the tasks that share this producer may use it.
    let turns = TurnQueue()
    /// What an asynchronous wait is for. Changed by the task that has the turn.
    private var wanted = Wanted.room(0)
    /// The lane's protocol state, at a fixed address.
    @usableFromInline let writer: UnsafeMutablePointer<LaneWriter>

    /// Takes the lane over from its last producer, if there was one. The attachment holds the lane's byte.
    init(attachment: Attachment, waiting: WaitStrategy, checkInterval: Duration, patience: Duration, prefault: Bool) throws(RingError) {
        let header = attachment.header
        let ring = attachment.ring
        guard case .lane(let lane) = attachment.role else { fatalError("a producer was made of the consumer's role") }
        let laneControl = unsafe attachment.lane(lane)
        mapping = try Mapping.lane(lane, of: attachment.segment, writable: true, prefault: prefault, ring: ring)

        // SAFETY, for the whole initialiser: all words lie in the control mapping, which the attachment keeps; the holder information and
        // the epoch are written only by the holder of the byte, which is this side.
        unsafe HolderInformation.store(in: sr_producer_holder(laneControl))
        unsafe epoch = sr_producer_epoch(laneControl)
        var writer = try Self.takeOver(lane, of: attachment, mapping, checkInterval: checkInterval, patience: patience)
        // A ticket above the last producer's floor is that of a record that was walked over, or no record will ever have it.
        // SYNC: ticket-floor (pairs with LaneMerger.sweep): the walk before.
        unsafe sr_store_release_u64(sr_ticket_floor(laneControl), UInt64.max)  // SR_NO_TICKET_FLOOR
        let before = unsafe sr_load_acquire_u32(epoch)  // the byte orders this side after its predecessor
        if before & 1 == 1 {
            // The one before died. Its stream was cut off, and the consumer must not take it and ours for one.
            writer.commitEnd(epoch: before)
        }
        // SYNC: epoch (pairs with PeerWatch): the place in the lane, and a predecessor's end record, come before.
        unsafe sr_store_release_u32(epoch, sr_epoch_at_attach(before))
        // A consumer that waits for a producer finds one now.
        writer.sleepers.wake()
        peers =
            if let heads = writer.subscribers { .subscribers(heads) } else { unsafe .consumer(PeerWatch.consumer(attachment.consumer)) }

        unsafe self.writer = .allocateIsolated()
        unsafe self.writer.initialize(to: writer)
        unsafe sr_fork_gate_add(&self.writer.pointee.forkGate, &self.writer.pointee.windowEnd)
        self.attachment = attachment
        self.lane = lane
        let checkInterval =
            switch peers {
            case .consumer: checkInterval
            // A soft gate is to hold this side up for no longer than its patience.
            case .subscribers: min(checkInterval, max(patience, .milliseconds(1)))
            }
        let doorbell = unsafe sr_space_doorbell(laneControl)
        unsafe sr_store_relaxed_u32(doorbell, 0)  // whatever the last producer left there; relaxed: see Sleeper
        cancelFlag = unsafe CancelFlag(doorbell: doorbell, keeping: attachment)
        sleeper = unsafe Sleeper(
            doorbell: doorbell, barrier: header.usesAsymmetricBarrier ? .membarrier : .symmetric, strategy: waiting,
            checkInterval: checkInterval.wholeNanoseconds, cancelFlag: cancelFlag, sleeps: sr_producer_sleeps(laneControl), ring: ring)
        watch = Watch(sleeper)
        unsafe cancelFlag.attach(&self.writer.pointee.cancelled, closing: &self.writer.pointee.windowEnd)
    }

    /// The protocol's side of a lane, where its last producer left it.
    private static func takeOver(
        _ lane: Int, of attachment: Attachment, _ mapping: Mapping, checkInterval: Duration, patience: Duration
    ) throws(RingError) -> LaneWriter {
        let header = attachment.header
        switch header.shape {
        case .lanes:
            let control = unsafe attachment.control
            // SYNC: lane-in-use (pairs with LaneMerger.findNewLanes): before the first commit.
            _ = unsafe sr_fetch_or_acq_rel_u64(sr_lanes_used(control, UInt32(lane)), 1 << UInt64(lane % 64))
            return try unsafe LaneWriter(
                data: mapping.base, shape: LaneShape(header), control: attachment.lane(lane),
                doorbell: sr_consumer_doorbell(attachment.consumer), tickets: header.isTotallyOrdered ? sr_tickets(control) : nil,
                usesAsymmetricBarrier: header.usesAsymmetricBarrier, ring: attachment.ring, lane: lane)
        case .broadcast:
            let heads = unsafe SubscriberHeads(
                attachment.broadcast, header, lock: attachment.lock, checkInterval: checkInterval.wholeNanoseconds,
                patience: patience > .zero ? patience.wholeNanoseconds : 0)
            return try unsafe LaneWriter(
                data: mapping.base, shape: LaneShape(header), broadcast: attachment.broadcast, heads: heads,
                usesAsymmetricBarrier: header.usesAsymmetricBarrier, ring: attachment.ring)
        case .board, .call: preconditionFailure("it has no lane")
        }
    }

    deinit {
        // Not closed: to the consumer this producer died. In a forked child nothing of the parent's is touched.
        if !isClosed && !attachment.isInherited { unsafe writer.pointee.publishCheckpoint() }
        attachment.unlock()
        cancelFlag.detach()
        unsafe sr_fork_gate_remove(&writer.pointee.forkGate)
        unsafe writer.deinitialize(count: 1)
        unsafe writer.deallocate()
    }

    // MARK: Waiting

    /// Waits until a record of `byteCount` fits. Throws what `LaneWriter.makeRoom` throws, and when the consumer has gone.
    func waitForRoom(for byteCount: Int, until deadline: Deadline) throws(RingError) {
        try requireNotCancelled()
        if try unsafe writer.pointee.makeRoomOrCount(for: byteCount) { return }
        try sleepForRoom(for: byteCount, until: deadline)
    }

    /// The rest of `waitForRoom`, after a count of "full".
    func sleepForRoom(for byteCount: Int, until deadline: Deadline) throws(RingError) {
        do throws(RingError) {
            try sleeper.wait(until: deadline, for: "room in the ring") { () throws(RingError) in
                try hasRoom(for: byteCount) ? () : nil
            } checkPeers: { () throws(RingError) in
                try checkPeers(for: .room(byteCount)) { () throws(RingError) in
                    try hasRoom(for: byteCount)
                } ? () : nil
            }
        } catch {
            throw namingSlowest(error)
        }
    }

    func requireNotCancelled() throws(RingError) { try sleeper.requireNotCancelled("room in the ring") }

    private func hasRoom(for byteCount: Int) throws(RingError) -> Bool {
        try unsafe writer.pointee.makeRoom(for: byteCount)
    }

    private func isAcknowledged() throws(RingError) -> Bool { try unsafe writer.pointee.isAcknowledged() }

    func waitUntilAcknowledged(until deadline: Deadline) throws(RingError) {
        do throws(RingError) {
            try sleeper.wait(until: deadline, for: "acknowledgement") { () throws(RingError) in
                try isAcknowledged() ? () : nil
            } checkPeers: { () throws(RingError) in
                try checkPeers(for: .acknowledgement) { () throws(RingError) in try isAcknowledged() } ? () : nil
            }
        } catch {
            throw namingSlowest(error)
        }
    }

    /// Waits until a consumer is attached, or so many subscribers of a broadcast.
    func waitForPeers(_ count: Int, until deadline: Deadline) throws(RingError) {
        try attachment.requireOwnProcess()
        try sleeper.wait(until: deadline, for: peers.what) { () throws(RingError) in
            arePeersThere(count) ? () : nil
        } checkPeers: {
            nil
        }
    }

    /// Whether a consumer is attached, or so many subscribers are. Without a system call where they have not come.
    private func arePeersThere(_ count: Int) -> Bool {
        switch peers {
        case .consumer(let consumer): consumer.isAttachedOrDead && isPeerAttached
        case .subscribers(let heads): heads.joinedCount >= count && heads.attachedCount >= count
        }
    }

    /// Once a check interval, and at a deadline. Throws if the consumer has gone. Of a broadcast, dead subscribers hold nothing back afterwards.
    ///
    /// - Returns: whether what is wanted is there now, since a dead subscriber does not hold it back any more.
    private func checkPeers(for wanted: Wanted, isThere: () throws(RingError) -> Bool) throws(RingError) -> Bool {
        switch peers {
        case .consumer(var consumer):
            defer { peers = .consumer(consumer) }
            switch try consumer.end(lock: attachment.lock, hasNews: isThere) {
            case nil: return false
            case .died: throw attachment.error(.peerDied, "its consumer, \(holderOfConsumer), went away without closing")
            case .closed: throw attachment.error(.peerClosed, "its consumer, \(holderOfConsumer), closed")
            }
        case .subscribers(let heads):
            clearDead(among: heads, for: wanted)
            return try isThere()
        }
    }

    private func clearDead(among heads: SubscriberHeads, for wanted: Wanted) {
        switch wanted {
        case .room(let byteCount): unsafe writer.pointee.clearDead(for: byteCount, among: heads)
        case .acknowledgement: unsafe writer.pointee.clearDead(among: heads)
        case .peers: break
        }
    }

    /// The error of a wait that ended at its deadline, with the subscriber that holds this side up.
    private func namingSlowest(_ error: RingError) -> RingError {
        guard error.code == .timedOut, case .subscribers(let heads) = peers,
            let slowest = unsafe heads.slowestSlot(open: writer.pointee.lastHead, tail: writer.pointee.tail)
        else { return error }
        let behind = unsafe writer.pointee.tail &- slowest.head
        guard behind > 0 else { return error }
        let holder = attachment.segment.holder(of: .subscriber(slowest.slot)).map { "\($0)" } ?? "an unknown process"
        let claim = try? SlotClaim(of: slowest.slot, in: attachment.segment, ring: attachment.ring)
        let isAway = claim?.isDurable == true && !attachment.isHeld(.subscriber(slowest.slot))
        return attachment.error(
            .timedOut,
            "\(error.detail): subscriber \(slowest.slot)\(claim?.suffix ?? ""), \(isAway ? "which is durable and away, last " : "")\(holder), holds it up; it is \(behind) bytes behind"
        )
    }

    private var holderOfConsumer: String { attachment.segment.holder(of: .consumer).map { "\($0)" } ?? "unknown" }

    /// Whether a consumer, or any subscriber, is attached. One system call.
    var isPeerAttached: Bool {
        switch peers {
        case .consumer: attachment.isHeld(.consumer)
        case .subscribers(let heads): !attachment.isInherited && heads.isAnyAttached
        }
    }

    // MARK: Closing

    /// Ends the stream: after the last message, before the epoch, before the byte. Once; later calls do nothing.
    func close() throws(RingError) {
        try attachment.requireOwnProcess()
        if isClosed { return }
        if let poison = unsafe writer.pointee.poison { throw poison }
        // SAFETY: as in `init`.
        let after = unsafe sr_epoch_at_close(sr_load_relaxed_u32(epoch))  // relaxed: only this side writes it
        unsafe writer.pointee.commitEnd(epoch: after)
        unsafe writer.pointee.publishCheckpoint()
        isClosed = true
        // SYNC: epoch (pairs with PeerWatch): a consumer that sees it even sees the end record, too.
        unsafe sr_store_release_u32(epoch, after)
        attachment.unlock()
        // Behind the byte: what is woken by this may remove the ring, or take the role.
        unsafe writer.pointee.sleepers.wake()
    }

    /// `close`, for a producer that its owner keeps: everything but ending it again throws `ended` from now on.
    func end() throws(RingError) {
        try close()
        unsafe writer.pointee.refuse(attachment.error(.ended, "this producer was ended"))
    }
}

// MARK: Waiting without a thread

extension ProducerCore: Awaited {
    /// What a task waits for.
    enum Wanted {
        /// Room for a message of so many bytes.
        case room(Int)
        /// The consumer's acknowledgement of everything.
        case acknowledgement
        /// A consumer that is attached, or so many subscribers.
        case peers(Int)
    }

    /// Waits without holding a thread. The caller has the turn.
    func wait(for wanted: Wanted, until deadline: Deadline) async throws(RingError) {
        self.wanted = wanted
        switch wanted {
        case .room(let byteCount):
            if try unsafe writer.pointee.makeRoomOrCount(for: byteCount) { return }
            try await wait(for: "room in the ring", until: deadline) { () throws(RingError) in try hasRoom(for: byteCount) }
        case .acknowledgement:
            if try isAcknowledged() { return }
            try await wait(for: "acknowledgement", until: deadline) { () throws(RingError) in try isAcknowledged() }
        case .peers(let count):
            try unsafe writer.pointee.requireUsable()
            while !arePeersThere(count) {
                try watch.occupy()
                try await watch.ready(self, until: deadline, peers.what)
            }
        }
    }

    private func wait(
        for what: StaticString, until deadline: Deadline, isThere: () throws(RingError) -> Bool
    ) async throws(RingError) {
        repeat {
            try watch.occupy()
            do throws(RingError) { try await watch.ready(self, until: deadline, what) } catch { throw namingSlowest(error) }
            // A wait that found nothing may have found that the consumer has gone. Reported once, as in `waitForRoom`.
            _ = try checkPeers(for: wanted, isThere: isThere)
        } while try !isThere()
    }

    func prepareToWait() throws(RingError) { _ = try hasRoom(for: 0) }

    // SAFETY, for these: between hand-over and take-back the waiter thread alone uses the writer; otherwise the owner.

    /// Changes nothing: a head that can't be is left for the owner to find.
    func isReady() -> Bool {
        if case .peers(let count) = wanted { return arePeersThere(count) }
        // The owner loads the gate again before it writes there.
        let tail = unsafe writer.pointee.tail
        guard case .head(let head) = unsafe writer.pointee.gate.state(since: writer.pointee.lastHead, tail: tail, writer.pointee.shape)
        else { return true }
        guard case .room(let byteCount) = wanted else { return head == tail }
        return unsafe writer.pointee.fits(byteCount, by: head)
    }

    func isReadyOnCheckingPeers() -> Bool {
        if case .peers = wanted { return isReady() }
        guard case .consumer(var consumer) = peers else {
            if case .subscribers(let heads) = peers { clearDead(among: heads, for: wanted) }
            return isReady()
        }
        do throws(RingError) {
            return try consumer.end(lock: attachment.lock) { () throws(RingError) in isReady() } != nil || isReady()
        } catch {
            return true
        }
    }

    func handOver(saying error: RingError) {
        unsafe writer.pointee.refuse(error)
    }

    func takeBack() {
        unsafe writer.pointee.poison = nil
    }
}

extension Duration {
    /// Saturating; at least 1.
    var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? 1 : .max / 2 }
        let (sum, overflows) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflows ? .max / 2 : max(1, min(sum, .max / 2))
    }
}

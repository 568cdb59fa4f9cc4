import CSharedRing

/// What a consumer of one lane needs off its fast path: its role, its mapping, its way of waiting.
@usableFromInline
@safe
final class ConsumerSide: @unchecked Sendable {
    /// What came.
    @usableFromInline
    enum Arrival {
        /// A message stands at the head; `LaneReader.poll` gives its header.
        case message
        /// The end of a stream was read.
        case ended
    }

    let attachment: Attachment
    private let mapping: Mapping
    private let epoch: UnsafeMutablePointer<UInt32>
    private let sleeper: Sleeper
    private var producer: PeerWatch
    private var isRemoved = false
    let cancelFlag: CancelFlag
    /// The lane's protocol state, at a fixed address.
    @usableFromInline let reader: UnsafeMutablePointer<LaneReader>

    /// Goes on where the last consumer's acknowledgements ended. The attachment holds the consumer's byte.
    init(
        attachment: Attachment, acknowledgement: Acknowledgement, waiting: WaitStrategy, slice: Duration, prefault: Bool
    ) throws(RingError) {
        let header = attachment.header
        let ring = attachment.ring
        let control = unsafe attachment.control
        let lane = unsafe attachment.lane(0)
        mapping = try Mapping.lane(0, of: attachment.segment, writable: false, prefault: prefault, ring: ring)
        let reader = try unsafe LaneReader(
            data: UnsafeRawPointer(mapping.base), shape: LaneShape(header), control: lane,
            isManual: acknowledgement == .manual, ring: ring, lane: 0)

        // SAFETY, for the whole initialiser: all words lie in the control mapping, which the attachment keeps; the card and
        // the epoch are written only by the holder of the byte, which is this side.
        unsafe OwnerCard.sign(sr_consumer_card(control))
        let doorbell = unsafe sr_data_doorbell(control)
        unsafe sr_store_relaxed_u32(doorbell, 0)  // whatever the last consumer left there
        unsafe epoch = sr_consumer_epoch(control)
        let before = unsafe sr_load_relaxed_u32(epoch)  // relaxed: the byte orders this side after its predecessor
        unsafe sr_store_release_u32(epoch, before & 1 == 1 ? before &+ 2 : before &+ 1)
        // A producer that waits for a peer finds one now.
        unsafe Doorbell.wake(sr_space_doorbell(lane))

        unsafe self.reader = .allocateIsolated()
        unsafe self.reader.initialize(to: reader)
        self.attachment = attachment
        cancelFlag = unsafe CancelFlag(doorbell: doorbell, attachment: attachment)
        sleeper = unsafe Sleeper(
            doorbell: doorbell, barrier: header.usesAsymmetricBarrier ? .membarrier : .symmetric, strategy: waiting,
            slice: slice.wholeNanoseconds, cancelFlag: cancelFlag, ring: ring)
        producer = unsafe PeerWatch(role: .lane(0), epoch: sr_producer_epoch(lane))
    }

    deinit {
        // What was used up is acknowledged; but the role ends without a close, which the other side reads as a death.
        if !attachment.isInherited {
            unsafe reader.pointee.publishDue()
            attachment.giveBack()
        }
        unsafe reader.deinitialize(count: 1)
        unsafe reader.deallocate()
    }

    // MARK: Receiving

    /// Deals with whatever stands at the head and is not simply a message. Nil: nothing is there.
    @usableFromInline
    @inline(never)
    func look() throws(RingError) -> Arrival? {
        try requireUsable()
        while true {
            let header = unsafe reader.pointee.poll()
            if header.isAbsent { return nil }
            if unsafe reader.pointee.shape.admits(header) { return .message }
            guard header.isEnd else { throw unsafe reader.pointee.reject(header) }

            unsafe reader.pointee.finish(spacing: reader.pointee.shape.spacingOfEnd)
            switch producer.noteMark(header.tag) {
            case nil: continue  // this death was told already
            case .closed: return .ended
            case .died: throw diedError
            }
        }
    }

    /// Waits for a message or the end of the stream.
    @usableFromInline
    @inline(never)
    func wait(timeout: Duration?) throws(RingError) -> Arrival {
        try requireUsable()
        unsafe reader.pointee.publishDue()
        return try sleeper.wait(until: Deadline(after: timeout), for: "message") { () throws(RingError) in
            try look()
        } lookAround: { () throws(RingError) in
            let end = try producer.end(lock: attachment.lock) { () throws(RingError) in
                unsafe !reader.pointee.poll().isAbsent
            }
            switch end {
            case nil: return nil
            case .closed: return .ended
            case .died: throw diedError
            }
        }
    }

    func waitForProducer(until deadline: Deadline) throws(RingError) {
        try requireUsable()
        unsafe reader.pointee.publishDue()
        try sleeper.wait(until: deadline, for: "producer") { () throws(RingError) in
            isProducerAttached ? () : nil
        } lookAround: {
            nil
        }
    }

    private var diedError: RingError {
        let card = attachment.segment.card(of: .lane(0)).map { "\($0)" } ?? "unknown"
        return attachment.error(.peerDied, "its producer went away without closing the stream; the last to sign was \(card)")
    }

    var isProducerAttached: Bool { attachment.isHeld(.lane(0)) }

    private func requireUsable() throws(RingError) {
        unsafe try reader.pointee.requireUsable()
        if isRemoved { throw attachment.error(.notFound, "this consumer has removed it") }
    }

    // MARK: Ending

    /// See `Consumer.close`.
    func close() throws(RingError) {
        try requireUsableForClosing()
        unsafe reader.pointee.publishDue()
        // SAFETY: as in `init`.
        unsafe sr_store_release_u32(epoch, sr_load_relaxed_u32(epoch) &+ 1)
        unsafe Doorbell.wake(sr_space_doorbell(attachment.lane(0)))
        attachment.giveBack()
    }

    private func requireUsableForClosing() throws(RingError) {
        if !isRemoved { try requireUsable() }
    }

    /// See `Consumer.removeRingIfUnused`.
    func removeIfUnused() throws(RingError) -> Bool {
        try requireUsable()
        guard case .named(let name) = attachment.location, !attachment.isPersistent else { return false }
        let lock = attachment.lock
        do throws(SystemFailure) {
            // Through the description that holds the consumer's byte: one's own locks do not conflict.
            guard try lock.takeEverything() else { return false }
        } catch {
            throw attachment.error(.system, errno: error.errno, "its role bytes can't be locked")
        }
        // Nobody else is attached now and nobody can become so. But a sender may have come and gone since the end was read:
        // what it left, be it only the news of its death, is to be received first.
        let isEmpty = unsafe reader.pointee.poll().isAbsent
        if isEmpty && !producer.hasUntoldDeath {
            isRemoved = try Segment.unlink(name, ifStill: attachment.segment)
            if isRemoved { return true }
        }
        do throws(SystemFailure) {
            try lock.keepOnlyConsumer()
        } catch {
            throw attachment.error(.system, errno: error.errno, "its role bytes can't be unlocked")
        }
        return false
    }
}

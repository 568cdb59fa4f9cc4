import CSharedRing

/// What a consumer of one lane needs off its fast path: its role, its mapping, its way of waiting.
@usableFromInline
@safe
final class ConsumerCore: @unchecked Sendable {
    /// What came.
    @usableFromInline
    enum Arrival {
        /// A message stands at the head; `LaneReader.poll` gives its header.
        case message
        /// The end of a stream was read.
        case ended
    }

    let role: ConsumerRole
    private let mapping: Mapping?
    /// Of a broadcast's subscriber: how it came in, what feeds it, how it leaves.
    let subscription: Subscription?
    private var producer: PeerWatch
    /// Whether an asynchronous wait found that the producer has gone: the next look is to find it too.
    private var isEndDue = false
    /// Says whether a message is out, while the waiter thread has this side.
    private var numberKept: UInt64 = 0
    let watch: Watch
    /// Whether a task waits for a producer, and not for a message.
    var isProducerWanted = false
    private var isEnded = false
    /// The lane's protocol state, at a fixed address.
    @usableFromInline let reader: UnsafeMutablePointer<LaneReader>

    var attachment: Attachment { role.attachment }

    /// Goes on where the last consumer's acknowledgements ended. The attachment holds the consumer's byte.
    convenience init(
        attachment: Attachment, acknowledgement: Acknowledgement, waiting: WaitStrategy, checkInterval: Duration, prefault: Bool
    ) throws(RingError) {
        let header = attachment.header
        let lane = unsafe attachment.lane(0)
        let mapping = try Mapping.lane(
            0, of: attachment.segment, writable: !attachment.segment.isDataReadOnly, prefault: prefault, ring: attachment.ring)
        let reader = try unsafe LaneReader(
            data: UnsafeRawPointer(mapping.base), shape: LaneShape(header), control: lane,
            usesAsymmetricBarrier: header.usesAsymmetricBarrier, isManual: acknowledgement == .manual,
            firstPolls: waiting == .sleep ? 0 : 64, ring: attachment.ring, lane: 0, lock: attachment.lock)
        // SAFETY: the epoch and the doorbell lie in the control mapping, which the attachment keeps.
        unsafe self.init(
            reader, mapping: mapping,
            ConsumerRole(attachment, seat: .consumer(of: attachment), waiting: waiting, checkInterval: checkInterval),
            PeerWatch.producer(of: lane, number: 0), nil)
    }

    /// Receives what a broadcast's subscription allows. It ends in order if this throws.
    convenience init(
        _ subscription: Subscription, of attachment: Attachment, acknowledgement: Acknowledgement, waiting: WaitStrategy,
        checkInterval: Duration
    ) throws(RingError) {
        // SAFETY: as above.
        let producer = unsafe PeerWatch.publisher(attachment.lane(0))
        let reader: LaneReader
        do throws(RingError) {
            reader = try subscription.makeReader(isManual: acknowledgement == .manual, firstPolls: waiting == .sleep ? 0 : 64)
        } catch {
            subscription.drop()
            throw error
        }
        let role = ConsumerRole(attachment, seat: subscription.seat, waiting: waiting, checkInterval: checkInterval)
        self.init(reader, mapping: nil, role, producer, subscription)
    }

    private init(
        _ reader: consuming LaneReader, mapping: Mapping?, _ role: ConsumerRole, _ producer: PeerWatch, _ subscription: Subscription?
    ) {
        self.mapping = mapping
        self.producer = producer
        self.subscription = subscription
        self.role = role
        unsafe self.reader = ReaderStorage.keep(reader)
        watch = Watch(role.sleeper)
        unsafe role.cancelFlag.attach(&self.reader.pointee.cancelled, closing: &self.reader.pointee.lastSize)
        // A producer that waits for a peer finds one now.
        wakeProducer()
    }

    /// Whether it looks for this side or not.
    private func wakeProducer() {
        // SAFETY: as in `init`. The publisher does not know of a lossy subscriber.
        if subscription?.hasSlot != false { unsafe Doorbell.wake(sr_space_doorbell(attachment.lane(0))) }
    }

    deinit {
        // What was used up is acknowledged; but the role ends without a close, which the other side reads as a death.
        if !attachment.isInherited && !isEnded {
            settle()
            subscription?.drop()
            attachment.unlock()
        }
        role.cancelFlag.detach()
        unsafe ReaderStorage.recycle(reader)
    }

    // MARK: Receiving

    /// Deals with whatever stands at the head and is not simply a message. Nil: nothing is there.
    @usableFromInline
    @inline(never)
    func poll() throws(RingError) -> Arrival? {
        try requireUsable()
        unsafe reader.pointee.finishWhatIsOut()
        settle()  // an end that was reported before; its caller has come back since
        let begin = unsafe reader.pointee.head
        while true {
            // What was stepped over may have shown that the lane has no end.
            if let poison = unsafe reader.pointee.poison { throw poison }
            if let subscription { try unsafe subscription.refill(reader) }
            let header = unsafe reader.pointee.poll()
            if header.isAbsent {
                if producer.unrecordedClose(isQuiet: { !isAnythingThere }) != nil { return .ended }
                guard isEndDue else { return nil }
                isEndDue = false
                return try checkPeers()
            }
            if unsafe reader.pointee.shape.admits(header) { return .message }
            guard unsafe reader.pointee.isEndRecord(header, since: begin) else { throw unsafe reader.pointee.reject(header) }

            let isFirst = unsafe reader.pointee.head == reader.pointee.start
            unsafe reader.pointee.stepOverEndRecord()
            switch producer.noteEndRecord(header.tag, isFirst: isFirst) {
            case nil: continue  // this death was reported already
            case .closed: return .ended
            case .died: throw diedError
            }
        }
    }

    /// Waits for a message or the end of the stream.
    func wait(until deadline: Deadline) throws(RingError) -> Arrival {
        let start = sr_now_ns()
        defer { unsafe reader.pointee.noteWait(since: start) }
        return try role.sleeper.wait(until: deadline, for: "message") { () throws(RingError) in
            try poll()
        } checkPeers: { () throws(RingError) in
            try checkPeers()
        }
    }

    /// Whether a record stands at the head. Of a lossy subscriber: or in the ring, or it was overtaken.
    private var isAnythingThere: Bool {
        if unsafe !reader.pointee.poll().isAbsent { return true }
        guard let subscription else { return false }
        return subscription.isAnythingNew
    }

    /// Whether the producer has gone.
    private func checkPeers() throws(RingError) -> Arrival? {
        let end = try producer.end(lock: attachment.lock) { () throws(RingError) in
            isAnythingThere
        }
        switch end {
        case nil: return nil
        case .closed: return .ended
        case .died: throw diedError
        }
    }

    func waitForProducer(until deadline: Deadline) throws(RingError) {
        try requireUsable()
        settle()
        try role.sleeper.wait(until: deadline, for: "producer") { () throws(RingError) in
            // The epoch first, which costs no system call.
            isProducerThere ? () : nil
        } checkPeers: {
            nil
        }
    }

    private var diedError: RingError {
        let holder = attachment.segment.holder(of: .lane(0)).map { "\($0)" } ?? "unknown"
        return attachment.error(.peerDied, "its producer went away without closing the stream; its last known holder was \(holder)")
    }

    /// Before this side waits or ends: what was used up is acknowledged, what was reported is kept. With manual acknowledgement both
    /// wait for the call.
    private func settle() { if unsafe !reader.pointee.isManual { acknowledgeAll() } }

    private func acknowledgeAll() {
        unsafe reader.pointee.finishWhatIsOut()
        if unsafe reader.pointee.published != reader.pointee.head { unsafe reader.pointee.publish() }
        producer.keep()
    }

    /// See `Consumer.acknowledge(before:)`. What was reported of ends is kept only with the end itself.
    func acknowledge(before position: UInt64?) throws(RingError) {
        guard let position else { return try acknowledge() }
        unsafe try reader.pointee.requireUsable()
        unsafe reader.pointee.finishWhatIsOut()
        unsafe reader.pointee.storeHead(before: position)
        LaneReader.barrier(isAsymmetric: attachment.header.usesAsymmetricBarrier)
        unsafe reader.pointee.wakeProducerIfAsleep()
    }

    /// See `Consumer.acknowledge`.
    func acknowledge() throws(RingError) {
        unsafe try reader.pointee.requireUsable()
        acknowledgeAll()
    }

    var isProducerAttached: Bool { attachment.isHeld(.lane(0)) }

    var isProducerThere: Bool { producer.isAttachedOrDead && isProducerAttached }

    private func requireUsable() throws(RingError) {
        try role.requireUsable()
        unsafe try reader.pointee.requireUsable()
    }

    // MARK: Ending

    /// See `Consumer.end`.
    func end() throws(RingError) {
        try close()
        unsafe reader.pointee.refuse(attachment.error(.ended, "this consumer was ended"))
    }

    /// See `Consumer.close`.
    func close() throws(RingError) {
        try attachment.requireOwnProcess()
        if isEnded { return }
        unsafe try reader.pointee.requireUsable()
        settle()
        // Before the role is free: from then on the words that `deinit` would store are a successor's.
        isEnded = true
        subscription?.leave()
        role.close()
        wakeProducer()
    }

    /// See `Consumer.removeRingIfUnused`.
    func removeIfUnused() throws(RingError) -> Bool {
        try requireUsable()
        settle()
        return try role.removeRing {
            // What was handed out and not acknowledged must still be there for the next consumer.
            // And a sender may have come and died meanwhile: that is to be reported first.
            // And a durable subscriber is to come back to it.
            unsafe !isAnythingThere && reader.pointee.published == reader.pointee.head && !producer.hasUnreportedEnd
                && subscription?.isAnyDurable != true
        }
    }
}

// MARK: Waiting without a thread

extension ConsumerCore: ProducerAwaited {
    /// Before this side is handed over. Throws if it can't be used.
    func prepareToWait() throws(RingError) {
        try requireUsable()
        unsafe reader.pointee.finishWhatIsOut()
        settle()
        try requireUsable()  // what was out may have shown that the lane has no end
    }

    // SAFETY, for these: between hand-over and take-back the waiter thread alone uses the reader; otherwise the owner.

    /// Changes nothing, so whatever is found is found again.
    func isReady() -> Bool {
        if isProducerWanted { return isProducerThere }
        if isAnythingThere { return true }
        var producer = producer
        return producer.unrecordedClose { !isAnythingThere } != nil
    }

    func isReadyOnCheckingPeers() -> Bool {
        if isProducerWanted { return isReady() }
        var producer = producer
        do throws(RingError) {
            isEndDue = try producer.end(lock: attachment.lock) { () throws(RingError) in isReady() } != nil
        } catch {
            isEndDue = true
        }
        return isEndDue || isReady()
    }

    func handOver(saying error: RingError) {
        numberKept = unsafe reader.pointee.handedOut  // even: `prepareToWait` finished what was out
        unsafe reader.pointee.handedOut = LaneReader.nothingMore
        unsafe reader.pointee.poison = error
    }

    func takeBack() {
        unsafe reader.pointee.poison = nil
        unsafe reader.pointee.handedOut = numberKept
        unsafe reader.pointee.pacing.reset()
    }
}

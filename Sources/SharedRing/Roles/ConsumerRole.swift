import CSharedRing

/// The consumer's role of a ring, whatever number of lanes it has: its holder information, its epoch, its way of waiting, its end.
@safe
final class ConsumerRole: @unchecked Sendable {
    let attachment: Attachment
    let sleeper: Sleeper
    let cancelFlag: CancelFlag
    private let epoch: UnsafeMutablePointer<UInt32>
    /// Whether this consumer has removed the ring's name.
    private(set) var isRemoved = false
    /// Set while a waiter thread has this consumer: what a call on it throws meanwhile.
    var refusal: RingError?
    var isHandedOver: Bool { refusal != nil }

    private let seat: ConsumerSeat

    /// Signs in. The attachment holds the role's byte.
    init(_ attachment: Attachment, seat: ConsumerSeat, waiting: WaitStrategy, checkInterval: Duration) {
        // SAFETY, for the whole class: all words lie in the control mapping, which the attachment keeps; the holder information and the
        // epoch are written only by the holder of the byte, which is this side.
        unsafe HolderInformation.store(in: seat.holder)
        seat.sleepWord.declareAwake()  // whatever the last consumer left there; relaxed: see Sleeper
        unsafe epoch = seat.epoch
        let before = unsafe sr_load_relaxed_u32(epoch)  // relaxed: the byte orders this side after its predecessor
        // SYNC: epoch (pairs with PeerWatch)
        unsafe sr_store_release_u32(epoch, sr_epoch_at_attach(before))

        self.attachment = attachment
        self.seat = seat
        cancelFlag = CancelFlag(word: seat.sleepWord, keeping: attachment)
        sleeper = unsafe Sleeper(
            word: seat.sleepWord, barrier: attachment.header.usesAsymmetricBarrier ? .membarrier : .symmetric, strategy: waiting,
            checkInterval: checkInterval.wholeNanoseconds, cancelFlag: cancelFlag, sleeps: seat.sleeps, ring: attachment.ring)
    }

    func requireUsable() throws(RingError) {
        try attachment.requireOwnProcess()
        if let refusal { throw refusal }
        if isRemoved { throw attachment.error(.notFound, "this consumer has removed it") }
    }

    /// Ends the role in order. What is due was acknowledged before.
    func close() {
        // SYNC: epoch (pairs with PeerWatch): every head that is stored comes before. The load is relaxed: only this side writes it.
        unsafe sr_store_release_u32(epoch, sr_epoch_at_close(sr_load_relaxed_u32(epoch)))
        attachment.unlock()
    }

    /// Whether each other holder of a byte is a producer that has closed, and has not unlocked it yet. O(roles) system calls.
    private var isHeldOnlyByClosedProducers: Bool {
        attachment.header.shape.roles.allSatisfy { role in
            guard role != attachment.role, (try? attachment.lock.holder(of: role)) != .free else { return true }
            guard case .lane(let lane) = role else { return false }
            // SYNC: epoch (pairs with ProducerCore.init and .close). Even and not 0: it has closed.
            let epoch = unsafe sr_load_acquire_u32(sr_producer_epoch(attachment.lane(lane)))
            return epoch != 0 && epoch & 1 == 0
        }
    }

    /// Removes the ring's name if no other endpoint is attached and, that being so, `isEmpty`.
    func removeRing(ifEmpty isEmpty: () -> Bool) throws(RingError) -> Bool {
        guard case .named(let name) = attachment.location else { return false }
        do throws(SystemFailure) {
            // Through the description that holds the consumer's byte: one's own locks do not conflict.
            var turns = 20
            while try !attachment.lock.takeEverything() {
                // A producer stores its end record, which this consumer may have seen, before it unlocks its byte.
                guard turns > 0, isHeldOnlyByClosedProducers else { return false }
                turns -= 1
                sr_sleep_ns(1_000_000)
            }
        } catch {
            throw attachment.error(.system, errno: error.errno, "its role bytes can't be locked")
        }
        // No other process is attached, and none can attach while the bytes are locked. But a sender may have come and gone since the end was read.
        defer { if !isRemoved { attachment.lock.keepOnly(attachment.role) } }
        if isEmpty() && !attachment.isPersistent { isRemoved = try Segment.unlink(name, ifStill: attachment.segment) }
        return isRemoved
    }
}

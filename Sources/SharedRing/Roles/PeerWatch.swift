import CSharedRing

/// Finds out whether the other side never came, is attached, closed, or died; and reports each end once.
///
/// The other side's epoch is 0 before a process attached, odd from then on, even after a close. Died means: the epoch
/// is odd, the role's byte is free, there is still no news after that, and the epoch is still the same. (Were the news
/// not looked at again after the byte, a sender that commits and dies between the two looks would lose its message.)
@safe
struct PeerWatch {
    enum End {
        case closed
        case died
    }

    let role: Role
    private let epoch: UnsafeMutablePointer<UInt32>
    /// Where the newest epoch whose end was reported is kept for the next watcher; nil: nowhere.
    private let reportedWord: UnsafeMutablePointer<UInt32>?
    /// The newest epoch whose end was reported.
    private var reported: UInt32
    private var kept: UInt32
    /// The newest epoch whose end may be kept; see `finish`.
    private var finished: UInt32
    /// The newest epoch whose end was reported when the watcher's user acknowledged last.
    private var acknowledged: UInt32
    /// What had been reported when this watch began.
    private let reportedBefore: UInt32
    /// The odd epoch, of a holder while it was attached, whose end this watch reported last; 0 is no epoch. A holder that is
    /// killed after its end record and before its epoch has closed; its successor takes it for dead, and writes an end record for that.
    private var lastEnded: UInt32 = 0

    /// Watches a lane's producer. What was reported to earlier consumers, and kept, is not reported again; an end record that comes again
    /// with redelivered messages is.
    static func producer(of lane: UnsafeMutablePointer<sr_lane_control>, number: Int) -> PeerWatch {
        unsafe PeerWatch(role: .lane(number), epoch: sr_producer_epoch(lane), reportedWord: sr_reported_end(lane))
    }

    /// Watches a broadcast's publisher. A publisher's ends are not kept in the segment: a close before this
    /// watch began is not reported, a death is.
    static func publisher(_ control: UnsafeMutablePointer<sr_lane_control>) -> PeerWatch {
        unsafe PeerWatch(role: .lane(0), epoch: sr_producer_epoch(control), reportedWord: nil)
    }

    /// Watches the consumer.
    static func consumer(_ control: UnsafeMutablePointer<sr_consumer_control>) -> PeerWatch {
        unsafe PeerWatch(role: .consumer, epoch: sr_consumer_epoch(control), reportedWord: nil)
    }

    /// The words lie in the control mapping, which the owner of this watch keeps.
    private init(role: Role, epoch: UnsafeMutablePointer<UInt32>, reportedWord: UnsafeMutablePointer<UInt32>?) {
        self.role = role
        unsafe self.epoch = epoch
        unsafe self.reportedWord = reportedWord
        // SYNC: epoch (pairs with ProducerCore.init and .close, ConsumerRole.init and .close)
        let now = unsafe sr_load_acquire_u32(epoch)
        if let reportedWord = unsafe reportedWord {
            // Relaxed: the consumer's byte orders this side after its predecessor.
            reported = unsafe sr_load_relaxed_u32(reportedWord)
            // No later than the truth, whatever an untrusted peer wrote.
            if Int32(bitPattern: now &- reported) < 0 { reported = now & ~1 }
        } else {
            reported = now & ~1  // a close before this watch began is not news, a death is
        }
        kept = reported
        finished = reported
        acknowledged = reported
        reportedBefore = reported
        // Reported as closed, though its epoch may have been left odd, and its successor may have written an end record for a death.
        if unsafe reportedWord != nil, reported & 1 == 0 { lastEnded = reported &- 1 }
    }

    /// Keeps what was reported for the next watcher. Called when the caller to whom it was reported has come back since, or ends in order: so a
    /// kill in between has it reported again rather than never.
    mutating func keep() {
        finish()
        keepFinished()
    }

    /// Whatever was noted up to now has reached the caller. A watcher that reports many ends at once, as the end of all streams, notes each of them
    /// before that.
    mutating func finish() { finished = reported }

    /// The user acknowledges: whatever was reported up to now, too.
    mutating func acknowledge() { acknowledged = reported }

    /// `finish` of what was acknowledged: for a consumer that ends in order.
    mutating func finishAcknowledged() { finished = acknowledged }

    /// `keep`, of what `finish` came after.
    mutating func keepFinished() {
        guard kept != finished, let reportedWord = unsafe reportedWord else { return }
        // SAFETY: see `init`. Relaxed: only a holder of this side's role reads it.
        unsafe sr_store_relaxed_u32(reportedWord, finished)
        kept = finished
    }

    /// Whether the last holder has not closed: it is attached, or dead.
    // SYNC: epoch (pairs with ProducerCore.init and .close, ConsumerRole.init and .close)
    var isAttachedOrDead: Bool { unsafe sr_load_acquire_u32(epoch) & 1 == 1 }

    /// How many have attached that count, if the end of the last of them was noted. Else nil.
    ///
    /// All since the ring was made count, or those whose end was reported to no earlier watcher: they are attached, have left something unread, or
    /// came later.
    func attachmentsIfOver(sinceMade: Bool) -> UInt32? {
        // SYNC: epoch (pairs with ProducerCore.init and .close, ConsumerRole.init and .close)
        let now = unsafe sr_load_acquire_u32(epoch)
        guard !isNewer(now) else { return nil }
        return sinceMade ? sr_epoch_attachments(now) : sr_epoch_attachments_since(now, reportedBefore)
    }

    /// Whether the holder whose end was reported last is the last one that came: then its holder information is still there.
    var isLastEndNewest: Bool {
        // SYNC: epoch (pairs with ProducerCore.init and .close)
        let now = unsafe sr_load_acquire_u32(epoch)
        return now == lastEnded || now == lastEnded &+ 1
    }

    /// Whether a holder has been there whose end was not reported yet. The caller holds the byte, so no process is attached.
    var hasUnreportedEnd: Bool {
        // SYNC: epoch (pairs with ProducerCore.init and .close)
        isNewer(unsafe sr_load_acquire_u32(epoch))
    }

    /// An end that was not reported yet. `hasNews` looks once more at what the other side may have left.
    mutating func end(lock: RoleLock, hasNews: () throws(RingError) -> Bool) throws(RingError) -> End? {
        // SAFETY: see `init`.
        // SYNC: epoch (pairs with ProducerCore.init and .close, ConsumerRole.init and .close)
        let now = unsafe sr_load_acquire_u32(epoch)
        guard now != 0, isNewer(now) else { return nil }
        if now & 1 == 1 {
            // A failing query is no proof of death.
            guard let holder = try? lock.holder(of: role), holder == .free else { return nil }
        }
        guard try !hasNews(), unsafe sr_load_acquire_u32(epoch) == now else { return nil }
        return note(now)
    }

    /// A close that left no end record, because one stood unread before it. For a lane that was found empty; no system call.
    mutating func unrecordedClose(isQuiet: () -> Bool) -> End? {
        // SAFETY: see `init`.
        // SYNC: epoch (pairs with ProducerCore.close): had it left an end record, that would be visible now.
        let now = unsafe sr_load_acquire_u32(epoch)
        guard now & 1 == 0, isNewer(now), isQuiet(), unsafe sr_load_acquire_u32(epoch) == now else { return nil }
        return note(now)
    }

    /// Takes an end record from the lane, which carries the epoch after the end. Nil: it was reported already.
    ///
    /// `isFirst`: nothing was handed out before it. Then a death that was reported to an earlier consumer is old news; behind
    /// messages that are handed out again it is reported again, or they would seem to belong to the next stream.
    mutating func noteEndRecord(_ epoch: UInt32, isFirst: Bool) -> End? {
        if epoch & 1 == 1 && (epoch == lastEnded || isFirst && epoch == reportedBefore) {
            lastEnded = epoch  // another successor may have written an end record for it again
            return nil
        }
        return note(epoch)
    }

    private mutating func note(_ epoch: UInt32) -> End {
        if isNewer(epoch) { reported = epoch }
        guard epoch & 1 == 1 else {
            lastEnded = epoch &- 1
            return .closed
        }
        lastEnded = epoch
        return .died
    }

    /// In the order of a counter that wraps.
    private func isNewer(_ epoch: UInt32) -> Bool { Int32(bitPattern: epoch &- reported) > 0 }
}

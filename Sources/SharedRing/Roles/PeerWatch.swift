import CSharedRing

/// Tells whether the other side never came, is attached, closed, or died; and tells each end once.
///
/// The other side's epoch is 0 before anyone came, odd from its attaching on, even after it closed. Died means: the epoch
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
    /// Where the newest epoch whose end was told is kept for the next watcher; nil: nowhere.
    private let toldWord: UnsafeMutablePointer<UInt32>?
    /// The newest epoch whose end was told.
    private var reported: UInt32
    private var kept: UInt32
    /// The newest epoch whose end may be kept; see `finish`.
    private var finished: UInt32
    /// The newest epoch whose end was reported when the watcher's user acknowledged last.
    private var acknowledged: UInt32
    /// What had been told when this watch began.
    private let toldBefore: UInt32
    /// The odd epoch, of a holder while it was attached, whose end this watch told last; 0 is no epoch. A holder that is
    /// killed after its end mark and before its epoch has closed, but to its successor it died, who marks that as well.
    private var lastEnded: UInt32 = 0

    /// Watches a lane's producer. What was told to earlier consumers, and kept, is not told again; a mark that comes again
    /// with redelivered messages is.
    static func producer(of lane: UnsafeMutablePointer<sr_lane_control>, number: Int) -> PeerWatch {
        unsafe PeerWatch(role: .lane(number), epoch: sr_producer_epoch(lane), toldWord: sr_reported_end(lane))
    }

    /// Watches a broadcast's publisher. Where what was told is kept nowhere, a close before this watch began is no news, and a death is.
    static func publisher(_ control: UnsafeMutablePointer<sr_lane_control>) -> PeerWatch {
        unsafe PeerWatch(role: .lane(0), epoch: sr_producer_epoch(control), toldWord: nil)
    }

    /// Watches the consumer.
    static func consumer(_ control: UnsafeMutablePointer<sr_consumer_control>) -> PeerWatch {
        unsafe PeerWatch(role: .consumer, epoch: sr_consumer_epoch(control), toldWord: nil)
    }

    /// The words lie in the control mapping, which the owner of this watch keeps.
    private init(role: Role, epoch: UnsafeMutablePointer<UInt32>, toldWord: UnsafeMutablePointer<UInt32>?) {
        self.role = role
        unsafe self.epoch = epoch
        unsafe self.toldWord = toldWord
        // SYNC: epoch (pairs with ProducerCore.init and .close, ConsumerRole.init and .close)
        let now = unsafe sr_load_acquire_u32(epoch)
        if let toldWord = unsafe toldWord {
            // Relaxed: the consumer's byte orders this side after its predecessor.
            reported = unsafe sr_load_relaxed_u32(toldWord)
            // No later than the truth, whatever a stranger wrote.
            if Int32(bitPattern: now &- reported) < 0 { reported = now & ~1 }
        } else {
            reported = now & ~1  // a close before this watch began is not news, a death is
        }
        kept = reported
        finished = reported
        acknowledged = reported
        toldBefore = reported
        // Told as closed, though its epoch may have been left odd, and marked as a death by its successor.
        if unsafe toldWord != nil, reported & 1 == 0 { lastEnded = reported &- 1 }
    }

    /// Keeps what was told for the next watcher. Called when the one who was told has come back since, or ends in order: so a
    /// kill in between has it told again rather than never.
    mutating func keep() {
        finish()
        keepFinished()
    }

    /// Whatever was reported up to now has been told. Who tells of many ends at once, as of the end of all streams, notes each of them before that.
    mutating func finish() { finished = reported }

    /// The user acknowledges: whatever was reported up to now, too.
    mutating func acknowledge() { acknowledged = reported }

    /// `finish` of what was acknowledged: for a user who ends in order.
    mutating func finishAcknowledged() { finished = acknowledged }

    /// `keep`, of what `finish` came after.
    mutating func keepFinished() {
        guard kept != finished, let toldWord = unsafe toldWord else { return }
        // SAFETY: see `init`. Relaxed: nobody reads it before having this side's role.
        unsafe sr_store_relaxed_u32(toldWord, finished)
        kept = finished
    }

    /// Whether somebody has come and not closed: attached, or dead.
    // SYNC: epoch (pairs with ProducerCore.init and .close, ConsumerRole.init and .close)
    var hasSomebodyCome: Bool { unsafe sr_load_acquire_u32(epoch) & 1 == 1 }

    /// How many have attached that count, if the end of the last of them was noted. Else nil.
    ///
    /// All since the ring was made count, or those of whose end no earlier watcher was told: they are attached, have left something unread, or
    /// came later.
    func attachmentsIfOver(sinceMade: Bool) -> UInt32? {
        // SYNC: epoch (pairs with ProducerCore.init and .close, ConsumerRole.init and .close)
        let now = unsafe sr_load_acquire_u32(epoch)
        guard !isNewer(now) else { return nil }
        return sinceMade ? sr_epoch_attachments(now) : sr_epoch_attachments_since(now, toldBefore)
    }

    /// Whether the holder whose end was reported last is the last one that came: then what it signed is still there.
    var isLastEndNewest: Bool {
        // SYNC: epoch (pairs with ProducerCore.init and .close)
        let now = unsafe sr_load_acquire_u32(epoch)
        return now == lastEnded || now == lastEnded &+ 1
    }

    /// Whether somebody has been there whose end was not told yet. The caller holds the byte, so nobody is attached.
    var hasUnreportedEnd: Bool {
        // SYNC: epoch (pairs with ProducerCore.init and .close)
        isNewer(unsafe sr_load_acquire_u32(epoch))
    }

    /// An end that was not told yet. `hasNews` looks once more at what the other side may have left.
    mutating func end(lock: RoleLock, hasNews: () throws(RingError) -> Bool) throws(RingError) -> End? {
        // SAFETY: see `init`.
        // SYNC: epoch (pairs with ProducerCore.init and .close, ConsumerRole.init and .close)
        let now = unsafe sr_load_acquire_u32(epoch)
        guard now != 0, isNewer(now) else { return nil }
        if now & 1 == 1 {
            // A failing query is no proof of death.
            guard let holder = try? lock.holder(of: role), holder == .nobody else { return nil }
        }
        guard try !hasNews(), unsafe sr_load_acquire_u32(epoch) == now else { return nil }
        return note(now)
    }

    /// A close that left no mark, because one stood unread before it. For a lane that was found empty; no system call.
    mutating func unmarkedClose(isQuiet: () -> Bool) -> End? {
        // SAFETY: see `init`.
        // SYNC: epoch (pairs with ProducerCore.close): had it left a mark, that would be visible now.
        let now = unsafe sr_load_acquire_u32(epoch)
        guard now & 1 == 0, isNewer(now), isQuiet(), unsafe sr_load_acquire_u32(epoch) == now else { return nil }
        return note(now)
    }

    /// Takes an end mark from the lane, which carries the epoch after the end. Nil: it was told already.
    ///
    /// `isFirst`: nothing was handed out before it. Then a death that an earlier consumer was told is old news; behind messages
    /// that are handed out again it is told again, or they would seem to belong to the next stream.
    mutating func noteMark(_ epoch: UInt32, isFirst: Bool) -> End? {
        if epoch & 1 == 1 && (epoch == lastEnded || isFirst && epoch == toldBefore) {
            lastEnded = epoch  // another successor may have marked it again
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

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
    /// The newest epoch whose end was told, or that was over before this watch began.
    private var reported: UInt32
    /// The epoch whose death was told last; 0 is no epoch.
    private var reportedDeath: UInt32 = 0

    /// `epoch` lies in the control mapping, which the owner of this watch keeps.
    init(role: Role, epoch: UnsafeMutablePointer<UInt32>) {
        self.role = role
        unsafe self.epoch = epoch
        // A death before this watch began is still news to its owner; a close is not, if its mark was read.
        reported = unsafe sr_load_acquire_u32(epoch) & ~1
    }

    /// Whether anybody has ever had the role.
    var hasAnybodyCome: Bool { unsafe sr_load_acquire_u32(epoch) != 0 }

    /// Whether the other side died and that was not told yet. The caller holds its byte, so it is not attached.
    var hasUntoldDeath: Bool {
        // SAFETY: see `init`.
        let now = unsafe sr_load_acquire_u32(epoch)
        return now & 1 == 1 && isNewer(now)
    }

    /// An end that was not told yet. `hasNews` looks once more at what the other side may have left.
    mutating func end(lock: RoleLock, hasNews: () throws(RingError) -> Bool) throws(RingError) -> End? {
        // SAFETY: see `init`.
        // SYNC: epoch (pairs with the other side's store at attach and close)
        let now = unsafe sr_load_acquire_u32(epoch)
        guard now != 0, isNewer(now) else { return nil }
        if now & 1 == 1 {
            // A failing query is no proof of death.
            guard let holder = try? lock.holder(of: role), holder == .nobody else { return nil }
        }
        guard try !hasNews(), unsafe sr_load_acquire_u32(epoch) == now else { return nil }
        return note(now)
    }

    /// Takes an end mark from the lane, which carries the epoch after the end. Nil: it was told already.
    mutating func noteMark(_ epoch: UInt32) -> End? {
        if epoch & 1 == 1 && epoch == reportedDeath { return nil }
        return note(epoch)
    }

    private mutating func note(_ epoch: UInt32) -> End {
        if isNewer(epoch) { reported = epoch }
        guard epoch & 1 == 1 else { return .closed }
        reportedDeath = epoch
        return .died
    }

    /// In the order of a counter that wraps.
    private func isNewer(_ epoch: UInt32) -> Bool { Int32(bitPattern: epoch &- reported) > 0 }
}

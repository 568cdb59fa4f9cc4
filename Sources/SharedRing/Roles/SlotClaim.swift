import CSharedRing

/// What a subscriber's slot is kept for, as its block says: a name under which its subscriber comes back, and a head.
///
/// It is a copy of words that others write. A name that is impossible counts as none.
struct SlotClaim: Sendable, Equatable {
    static let longestName = Int(SR_LARGEST_SUBSCRIBER_NAME)

    /// Empty: none.
    let name: [UInt8]
    /// Whether the head holds the publisher back also while no process is there.
    let isDurable: Bool
    /// Whether a head stands there. While no process is there, a subscriber of that name would go on at it.
    let hasHead: Bool

    /// Whether a subscriber of another name, or of none, is to leave the slot alone as long as there are others.
    var isWorthKeeping: Bool { isDurable || hasHead && !name.isEmpty }

    /// The name for people, with a space before it; empty if there is none.
    var suffix: String { name.isEmpty ? "" : " '\(String(escaping: name))'" }

    init(_ control: sr_subscriber_control) {
        let length = Int(control.name_length)
        // SAFETY: a fixed array of 64 bytes, of a copy.
        name = unsafe length <= Self.longestName ? withUnsafeBytes(of: control.name) { unsafe Array($0.prefix(length)) } : []
        isDurable = control.durable == 1 && !name.isEmpty
        hasHead = control.head != sr_no_head()
    }

    /// Throws `system` and `damaged` if the block can't be read.
    init(of slot: Int, in segment: Segment, ring: String) throws(RingError) {
        self.init(try segment.read(sr_subscriber_control.self, at: segment.header.slotOffset(slot), ring: ring))
    }

    /// The name of a subscriber, checked. Throws `invalidName`.
    static func name(_ text: String, ring: String) throws(RingError) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard (1...longestName).contains(bytes.count), !bytes.contains(0) else {
            throw RingError(
                .invalidName, ring: ring,
                "a subscriber's name has 1 to \(longestName) bytes and no NUL; '\(String(escaping: bytes))' has \(counted(bytes.count, "byte"))"
            )
        }
        return bytes
    }
}

/// Which slot of a broadcast is asked for.
enum SlotRequest: Sendable, Equatable {
    /// Any that is free and kept for no subscriber.
    case any
    /// The one that has that name, or a free one, which is to get the name.
    case named([UInt8])
    /// The one that has that name. Throws `subscriberNotFound` if there is none.
    case existing([UInt8])

    private var name: [UInt8]? {
        switch self {
        case .any: nil
        case .named(let name), .existing(let name): name
        }
    }

    /// What an attempt to take a slot came to.
    enum Outcome {
        case locked(Role)
        /// These are the slots that could be had if their holders let go; all, if each is kept for a durable subscriber.
        case taken([Role])
        /// What was found changed meanwhile: begin anew.
        case again
    }

    /// Locks a slot's byte. For a name the byte of the names is locked as well, and stays so: until the name stands in the slot, or the lock is dropped.
    ///
    /// So of two processes with one name, the second finds what the first has written. O(slots) system calls. Throws `subscriberNotFound`, `system`.
    func take(of segment: Segment, through lock: RoleLock, ring: String) throws(RingError) -> Outcome {
        guard let name else { return try takeFree(of: segment, through: lock, ring: ring) }
        guard try locking(ring, { () throws(SystemFailure) in try lock.takeNames() }) else { return .again }
        let outcome = try take(name, of: segment, through: lock, ring: ring)
        if case .locked = outcome { return outcome }
        lock.unlockNames()
        return outcome
    }

    /// The caller holds the byte of the names.
    private func take(_ name: [UInt8], of segment: Segment, through lock: RoleLock, ring: String) throws(RingError) -> Outcome {
        for slot in 0..<segment.header.slotCount where try SlotClaim(of: slot, in: segment, ring: ring).name == name {
            let role = Role.subscriber(slot)
            guard try locking(ring, { () throws(SystemFailure) in try lock.take(role) }) else {
                return try isHeld(role, lock, ring) ? .taken([role]) : .again
            }
            // With the byte in hand: another may have made the slot its own, or it was removed.
            if try SlotClaim(of: slot, in: segment, ring: ring).name == name { return .locked(role) }
            lock.unlock(role)
            return .again
        }
        if case .existing = self {
            throw RingError(.subscriberNotFound, ring: ring, "it has no subscriber '\(String(escaping: name))'")
        }
        return try takeFree(of: segment, through: lock, ring: ring)
    }

    /// A slot that is kept for no subscriber, or else one whose subscriber died and could go on there. Never a durable one.
    private func takeFree(of segment: Segment, through lock: RoleLock, ring: String) throws(RingError) -> Outcome {
        var candidates: [Role] = []
        for isLastChoice in [false, true] {
            for slot in 0..<segment.header.slotCount {
                let claim = try SlotClaim(of: slot, in: segment, ring: ring)
                if claim.isDurable || claim.isWorthKeeping != isLastChoice { continue }
                let role = Role.subscriber(slot)
                guard try locking(ring, { () throws(SystemFailure) in try lock.take(role) }) else {
                    candidates.append(role)
                    continue
                }
                // With the byte in hand: a durable subscriber may have come and died meanwhile.
                if try !SlotClaim(of: slot, in: segment, ring: ring).isDurable { return .locked(role) }
                lock.unlock(role)
            }
        }
        if candidates.isEmpty { return .taken((0..<segment.header.slotCount).map(Role.subscriber)) }
        // A remover at work is no holder, and neither is one that has let go since.
        for role in candidates where try !isHeld(role, lock, ring) { return .again }
        return .taken(candidates)
    }

    private func isHeld(_ role: Role, _ lock: RoleLock, _ ring: String) throws(RingError) -> Bool {
        try locking(ring) { () throws(SystemFailure) in try lock.holder(of: role) } == .held
    }

    private func locking<Result>(_ ring: String, _ body: () throws(SystemFailure) -> Result) throws(RingError) -> Result {
        do throws(SystemFailure) { return try body() } catch {
            throw RingError(.system, ring: ring, errno: error.errno, "its role byte can't be locked")
        }
    }
}

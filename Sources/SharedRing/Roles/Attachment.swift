import CSharedRing

/// One role in one ring, held: the lock, the control blocks, and where the segment was found.
///
/// Endpoints share it with what they hand to other threads (cancellers, statistics), so it is a class; it ends when the
/// last of them does, and the role with it.
@usableFromInline
@safe
final class Attachment: @unchecked Sendable {
    let location: SegmentLocation
    let role: Role
    let segment: Segment
    let lock: RoleLock
    let controlMapping: Mapping
    /// The start of the control area.
    private let controlStart: UnsafeMutableRawPointer
    let generation = sr_fork_generation()
    /// What is to live as long as this role: a link's socket.
    var companion: AnyObject?

    var header: SegmentHeader { segment.header }
    var ring: String { location.ring }

    private init(location: SegmentLocation, role: Role, segment: Segment, lock: RoleLock) throws(RingError) {
        self.location = location
        self.role = role
        self.segment = segment
        self.lock = lock
        let (mapping, offset) = try Mapping.control(of: segment, ring: location.ring)
        controlMapping = mapping
        unsafe controlStart = mapping.base + offset
    }

    // SAFETY, for these: the kind's control block stands there, and the mapping's size was checked against the shape. A caller asks only for the
    // block of the kind whose role it took.

    /// What all lanes share, at the start of the control area of a ring that has lanes.
    var control: UnsafeMutablePointer<sr_lanes_control> { unsafe controlStart.assumingMemoryBound(to: sr_lanes_control.self) }

    /// What all share, at the start of the control area of a broadcast.
    var broadcast: UnsafeMutablePointer<sr_broadcast_control> {
        precondition(header.kind == .broadcast)
        return unsafe controlStart.assumingMemoryBound(to: sr_broadcast_control.self)
    }

    /// What all share, at the start of the control area of a segment of calls.
    var call: UnsafeMutablePointer<sr_call_control> {
        precondition(header.kind == .call)
        return unsafe controlStart.assumingMemoryBound(to: sr_call_control.self)
    }

    /// What every segment has.
    var segmentControl: UnsafeMutablePointer<sr_segment_control> { unsafe controlStart.assumingMemoryBound(to: sr_segment_control.self) }

    /// The consumer's control block.
    var consumer: UnsafeMutablePointer<sr_consumer_control> { unsafe sr_lanes_consumer(control) }

    /// A lane's control block. The lane must exist.
    func lane(_ lane: Int) -> UnsafeMutablePointer<sr_lane_control> {
        precondition((0..<header.laneCount).contains(lane))
        // SAFETY: the header was checked to have room for this many lanes.
        switch header.shape {
        case .lanes: return unsafe sr_lane(control, UInt32(lane))
        case .broadcast: return unsafe sr_publisher(broadcast)
        case .board, .call: preconditionFailure("it has no lane")
        }
    }

    var isInherited: Bool { generation != sr_fork_generation() }

    func requireOwnProcess() throws(RingError) {
        if isInherited { throw error(.forked, "this endpoint belongs to the parent of this forked process") }
    }

    func error(_ code: RingError.Code, errno: Int32? = nil, _ detail: String) -> RingError {
        RingError(code, ring: ring, errno: errno, detail)
    }

    /// Unlocks the role at once, while others may still hold references.
    func unlock() { if !isInherited { lock.unlockAll() } }

    /// Whether any endpoint, in any process, holds the role. One system call.
    func isHeld(_ role: Role) -> Bool {
        if isInherited { return false }
        if role == self.role { return true }
        return (try? lock.holder(of: role)) != .free
    }

    /// Whether any endpoint holds any lane. One system call.
    var isAnyLaneHeld: Bool {
        (try? lock.isAnyLaneHeld(of: header.laneCount)) ?? true
    }

    /// Whether the ring is to stay when its last reader is done with it. Relaxed: it orders nothing.
    /// False in a forked child, which has not the mapping.
    var isPersistent: Bool { unsafe !isInherited && sr_load_relaxed_u32(sr_persistent(segmentControl)) != 0 }

    func makePersistent() { if !isInherited { unsafe sr_store_relaxed_u32(sr_persistent(segmentControl), 1) } }

    // MARK: Taking a role

    /// What an attempt came to.
    private enum Attempt {
        case locked(Segment, RoleLock, Role)
        /// Nothing was there, and something was made: take it before others remove it.
        case created
        /// Another process removed or replaced the ring, or unlocked a role: begin anew.
        case again
        case taken(Segment, [Role])
    }

    /// Which role is asked for: the consumer's, or the first lane that is free.
    enum Request {
        case consumer
        case anyLane
        /// A subscriber's slot of a broadcast.
        case slot(SlotRequest)
        case observer
        /// The first place for a server that is free.
        case anyServer
        /// The first slot for calls that is free.
        case anyCaller
        case exactly(Role)

        func candidates(_ header: SegmentHeader) -> [Role] {
            switch self {
            case .consumer: [.consumer]
            case .anyLane: header.lanes.producers
            case .slot: (0..<header.slotCount).map(Role.subscriber)
            case .observer: [.observer]
            case .anyServer: header.call?.servers ?? []
            case .anyCaller: header.call?.callers ?? []
            case .exactly(let role): [role]
            }
        }
    }

    /// Takes a role of the ring at `location`. `create` is called whenever nothing is there, and may make it.
    ///
    /// - Parameters:
    ///   - deadline: when to give up while other processes keep the bytes locked, or remove the segment; `timedOut` then. Nil: after 10,000 tries, some 11
    ///     seconds; `inUse` then.
    ///   - expecting: the instance that it is to be; nil: any.
    ///   - admit: throws if what is there now is not what the role is of. It is asked before anything of the segment is touched: another kind has other
    ///     roles and blocks.
    static func take(
        _ request: Request, at location: SegmentLocation, options: RingOptions, endpoint: EndpointOptions,
        until deadline: Deadline? = nil, expecting: SegmentHeader.Instance?, admit: (SegmentHeader) throws(RingError) -> Void,
        create: () throws(RingError) -> Void
    ) throws(RingError) -> Attachment {
        func isOver() -> Bool { deadline?.isPassed(at: sr_now_ns()) ?? false }
        // Each turn means that another process made progress, or holds every byte for a while. The limit is against an untrusted peer; where the caller has
        // a deadline, that is the limit.
        var refusals = 0
        var turn = 0
        while deadline != nil || turn < 10_000 {
            defer { turn &+= 1 }
            switch try attempt(request, at: location, options: options, expecting: expecting, admit: admit, create: create) {
            case .locked(var segment, let lock, let role):
                segment.isDataDumped = endpoint.isDataDumped
                segment.isDataReadOnly = endpoint.isDataReadOnly
                let attachment = try Attachment(location: location, role: role, segment: segment, lock: lock)
                try attachment.requireFlushed(options: options)
                return attachment
            case .taken(let segment, let roles):
                // A merging consumer takes a dead producer's byte for a moment, to clean up after it; look again.
                refusals += 1
                if refusals == 3 || isOver() { throw taken(roles, of: segment, ring: location.ring) }
                sr_sleep_ns(1_000_000)
            case .created: if turn >= 100, isOver() { throw late(location) }
            case .again:
                // A byte that was unlocked between two looks is there for the next try.
                if turn >= 2, isOver() { throw late(location) }
                sr_sleep_ns(turn < 100 ? 1_000 : 1_000_000)
            }
        }
        throw RingError(
            .inUse, ring: location.ring, "others kept its role bytes locked, or removed it, while this process tried 10,000 times to attach"
        )
    }

    /// A named segment may be removed and made again at any moment. So the byte is locked first, and the name checked with
    /// the byte in hand: a remover locks every byte before it unlinks, hence a name that now stands for our file stays.
    private static func attempt(
        _ request: Request, at location: SegmentLocation, options: RingOptions, expecting: SegmentHeader.Instance?,
        admit: (SegmentHeader) throws(RingError) -> Void, create: () throws(RingError) -> Void
    ) throws(RingError) -> Attempt {
        let ring = location.ring
        let segment: Segment
        var stillNamed = { true }
        let openLock: () throws(SystemFailure) -> RoleLock
        switch location {
        case .named(let name):
            let directory = try name.openDirectory()
            guard let found = try Segment.open(name, in: directory, owners: options.allowedOwners) else {
                try create()
                return .created
            }
            segment = found
            openLock = { () throws(SystemFailure) in try RoleLock(name.name, in: directory) }
            stillNamed = { (try? name.facts(in: directory))?.isSameFile(as: found.facts) ?? false }
        case .anonymous(let descriptor, _):
            let found = try Segment.open(descriptor, ring: ring, owners: options.allowedOwners)
            segment = found
            openLock = { () throws(SystemFailure) in
                try RoleLock(of: found.descriptor)
            }
        }
        if let expecting, expecting != segment.header.instance {
            throw RingError(.replaced, ring: ring, "it was removed and made anew since it was opened")
        }
        try admit(segment.header)
        try requireFutex(ring: ring)
        try requireBarrier(of: segment.header, ring: ring)

        let lock: RoleLock
        do throws(SystemFailure) {
            lock = try openLock()
            guard try lock.isOf(segment) else { return .again }
            guard case .slot = request else { return try attempt(request.candidates(segment.header), segment, lock, stillNamed) }
        } catch {
            if error.errno == SystemFailure.notFound { return .again }
            throw RingError(.system, ring: ring, errno: error.errno, "its role byte can't be locked")
        }
        guard case .slot(let slot) = request else { return .again }
        switch try slot.take(of: segment, through: lock, ring: ring) {
        case .locked(let role): return stillNamed() ? .locked(segment, lock, role) : .again
        case .taken(let roles): return stillNamed() ? .taken(segment, roles) : .again
        case .again: return .again
        }
    }

    /// Locks the first byte that is free.
    private static func attempt(
        _ candidates: [Role], _ segment: Segment, _ lock: RoleLock, _ stillNamed: () -> Bool
    ) throws(SystemFailure) -> Attempt {
        for role in candidates where try lock.take(role) {
            return stillNamed() ? .locked(segment, lock, role) : .again
        }
        guard stillNamed() else { return .again }
        // A remover at work is no holder, and neither is a process that has unlocked the byte since.
        for role in candidates where try lock.holder(of: role) != .held { return .again }
        return .taken(segment, candidates)
    }

    private static func late(_ location: SegmentLocation) -> RingError {
        RingError(
            .timedOut, ring: location.ring,
            "others kept its role bytes locked to the deadline, as a process does that flushes or removes it")
    }

    private static func taken(_ roles: [Role], of segment: Segment, ring: String) -> RingError {
        func holder(_ role: Role) -> String {
            let holder = segment.holder(of: role).map { "\($0)" } ?? "an unknown process"
            guard case .subscriber(let slot) = role, let claim = try? SlotClaim(of: slot, in: segment, ring: ring) else { return holder }
            return holder + claim.suffix
        }
        if roles.count == 1 {
            return RingError(.roleTaken, ring: ring, "its \(roles[0]) is \(holder(roles[0])), and there can be only one")
        }
        let shown = roles.prefix(8).map { "\(holder($0)) as \($0)" }.joined(separator: ", ")
        let others = roles.count > 8 ? " and \(roles.count - 8) others" : ""
        let what =
            switch roles[0] {
            case .subscriber: "places for subscribers"
            case .server: "places for servers"
            case .caller: "slots for clients"
            default: "lanes"
            }
        return RingError(.roleTaken, ring: ring, "all its \(roles.count) \(what) are taken: by \(shown)\(others)")
    }

    /// Every wake is a `FUTEX_WAKE_OP`, which clears the doorbell and wakes in one step; nothing else is safe against a kill in the middle.
    /// Were it refused, each of this side's wakes would be lost and the other would sleep through its check interval, so an endpoint must
    /// not attach. Two system calls.
    private static func requireFutex(ring: String) throws(RingError) {
        func refuse(_ result: Int32, _ operation: StaticString) -> RingError {
            RingError(
                .incompatible, ring: ring, errno: -result,
                "this process can't use the \(operation) operation of futex(2), by which endpoints wait and wake; its kernel or sandbox has to allow it"
            )
        }
        let waited = sr_futex_try_wait()
        guard waited == 0 else { throw refuse(waited, "FUTEX_WAIT_BITSET") }
        let woke = sr_futex_try_clear_and_wake()
        guard woke == 0 else { throw refuse(woke, "FUTEX_WAKE_OP") }
    }

    /// In the asymmetric kind each side leaves its barrier to the other, which issues it before it sleeps. One that could not
    /// honour its part would cost the other its wakeups, so it must not attach.
    private static func requireBarrier(of header: SegmentHeader, ring: String) throws(RingError) {
        guard header.usesAsymmetricBarrier else { return }
        var result = sr_membarrier_register()  // at every attach, since exec undoes it
        if result == 0 { result = sr_membarrier_global() }
        guard result == 0 else {
            throw RingError(
                .incompatible, ring: ring, errno: -result,
                "it was made for the asymmetric barrier, and this process can't use membarrier(2); create it with the symmetric one")
        }
    }
}

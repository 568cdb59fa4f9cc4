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

    // SAFETY, for these: the kind's control block stands there, and the mapping's size was checked against the shape. Who has a role of one kind asks for
    // that kind's block.

    /// What all lanes share, at the start of the control area of a ring that has lanes.
    var control: UnsafeMutablePointer<sr_lanes_control> { unsafe controlStart.assumingMemoryBound(to: sr_lanes_control.self) }

    /// What all share, at the start of the control area of a broadcast.
    var broadcast: UnsafeMutablePointer<sr_broadcast_control> {
        precondition(header.kind == .broadcast)
        return unsafe controlStart.assumingMemoryBound(to: sr_broadcast_control.self)
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
        case .board: preconditionFailure("a board has no lane")
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
    func giveBack() { if !isInherited { lock.unlockAll() } }

    /// Whether anybody, in any process, holds the role. One system call.
    func isHeld(_ role: Role) -> Bool {
        if isInherited { return false }
        if role == self.role { return true }
        return (try? lock.holder(of: role)) != .nobody
    }

    /// Whether anybody holds any lane. One system call.
    var isAnyLaneHeld: Bool {
        (try? lock.isAnyLaneHeld(of: header.laneCount)) ?? true
    }

    /// Whether the ring is to stay when its last reader is done with it. Relaxed: it orders nothing.
    var isPersistent: Bool { unsafe sr_load_relaxed_u32(sr_persistent(segmentControl)) != 0 }

    func makePersistent() { if !isInherited { unsafe sr_store_relaxed_u32(sr_persistent(segmentControl), 1) } }

    // MARK: Taking a role

    /// What an attempt came to.
    private enum Attempt {
        case locked(Segment, RoleLock, Role)
        /// Nothing was there, and something was made: take it before others remove it.
        case created
        /// Somebody removed, replaced or released something meanwhile: begin anew.
        case again
        case taken(Segment)
    }

    /// Which role is asked for: the consumer's, or the first lane that is free.
    enum Request {
        case consumer
        case anyLane
        /// The first slot of a broadcast that is free.
        case anySlot
        case observer
        case exactly(Role)

        func candidates(_ header: SegmentHeader) -> [Role] {
            switch self {
            case .consumer: [.consumer]
            case .anyLane: header.lanes.producers
            case .anySlot: (0..<header.slotCount).map(Role.subscriber)
            case .observer: [.observer]
            case .exactly(let role): [role]
            }
        }
    }

    /// Takes a role of the ring at `location`. `create` is called whenever nothing is there, and may make it.
    static func take(
        _ request: Request, at location: SegmentLocation, options: RingOptions, endpoint: EndpointOptions,
        expecting: SegmentHeader.Instance?, create: () throws(RingError) -> Void
    ) throws(RingError) -> Attachment {
        // Each turn means that another process made progress; the limit is against an untrusted peer.
        var refusals = 0
        for turn in 0..<10_000 {
            switch try attempt(request, at: location, options: options, expecting: expecting, create: create) {
            case .locked(var segment, let lock, let role):
                segment.isDataDumped = endpoint.isDataDumped
                segment.isDataReadOnly = endpoint.isDataReadOnly
                let attachment = try Attachment(location: location, role: role, segment: segment, lock: lock)
                try attachment.requireFlushed(options: options)
                return attachment
            case .taken(let segment):
                // A merging consumer takes a dead producer's byte for a moment, to clean up after it; look again.
                refusals += 1
                if refusals == 3 { throw taken(request.candidates(segment.header), of: segment, ring: location.ring) }
                sr_sleep_ns(1_000_000)
            case .created: continue
            case .again: sr_sleep_ns(turn < 100 ? 1_000 : 1_000_000)
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
        create: () throws(RingError) -> Void
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
        try requireFutex(ring: ring)
        try requireBarrier(of: segment.header, ring: ring)

        do throws(SystemFailure) {
            let lock = try openLock()
            guard try lock.isOf(segment) else { return .again }
            let candidates = request.candidates(segment.header)
            for role in candidates where try lock.take(role) {
                return stillNamed() ? .locked(segment, lock, role) : .again
            }
            guard stillNamed() else { return .again }
            // A remover at work is no holder, and neither is one who has let go since.
            for role in candidates where try lock.holder(of: role) != .somebody { return .again }
            return .taken(segment)
        } catch {
            if error.errno == SystemFailure.notFound { return .again }
            throw RingError(.system, ring: ring, errno: error.errno, "its role byte can't be locked")
        }
    }

    private static func taken(_ roles: [Role], of segment: Segment, ring: String) -> RingError {
        func holder(_ role: Role) -> String { segment.holder(of: role).map { "\($0)" } ?? "a process that did not sign" }
        if roles.count == 1 {
            return RingError(.roleTaken, ring: ring, "its \(roles[0]) is \(holder(roles[0])), and there can be only one")
        }
        let shown = roles.prefix(8).map { "\(holder($0)) as \($0)" }.joined(separator: ", ")
        let others = roles.count > 8 ? " and \(roles.count - 8) others" : ""
        let what = if case .subscriber = roles[0] { "places for subscribers" } else { "lanes" }
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

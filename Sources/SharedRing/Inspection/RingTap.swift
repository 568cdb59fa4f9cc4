import CSharedRing

/// Shows a ring's messages as they pass, without taking part.
///
/// A tap has no role and maps everything for reading only: whatever it does, producers and consumer go on as if it were not there,
/// and it works on what dead or stopped processes left. It never wakes and is never woken, so its user polls it again and again.
///
/// No producer waits for a tap, so messages that it does not read in time are overwritten. It says how many messages of each lane it missed,
/// and goes on where the records are still in their places. What is shown and what is missed of a lane are together what was sent in it since
/// the tap began, exactly. That holds whatever the lane's producers were doing, and whichever of them was killed.
///
/// A message is shown if, after it was copied, its space was not acknowledged, or the lane's producer had not said that it may write there
/// again. The producer says so before it does, at most 64 KiB or an eighth of the lane ahead, or the length of one larger message. So what
/// is shown was not overwritten. Some of what is missed was not overwritten either.
///
/// Everything it reads is an untrusted peer's, and checked as a consumer checks it. That a message was not overwritten is true of processes that
/// keep the protocol; one that does not can make a tap show anything. A process that can truncate a named ring's file can end a
/// process that has it mapped, this one too.
@safe
public struct RingTap: ~Copyable {
    /// Where a tap begins.
    @nonexhaustive
    public enum Start: Sendable {
        /// With what waits to be received.
        case head
        /// With what is sent from now on.
        case tail
    }

    /// What a poll found.
    @nonexhaustive
    public enum Event: Sendable {
        /// A message, copied.
        case message(TappedMessage)
        /// A stream ended; not `isClosed`: it was cut off, and the next producer has written the end record.
        case ended(lane: Int, position: UInt64, isClosed: Bool)
        /// A part of a lane that was not seen in time.
        case missed(TapMiss)
        /// What stands there is no record. The lane goes on when its head has passed it.
        case damaged(RingCheck.Damage)
    }

    private let segment: Segment
    private let inspected: InspectedRing
    private let controlMapping: Mapping
    private let control: UnsafeMutableRawPointer
    private var lanes: [LaneTap?]
    /// Where the lanes begin that were unused when the tap began.
    private let unused: [LaneTap.Beginning?]

    /// - Parameters:
    ///   - name: the ring's name.
    ///   - start: where to begin in the lanes that are in use. A lane that comes into use later is shown, or counted as missed, from its
    ///     first message.
    ///   - isDataDumped: see ``EndpointOptions/isDataDumped``.
    ///   - options: the directory and the allowed owners count.
    /// - Throws: as ``SPSCRing/open(_:options:)``, but needs no more than read permission.
    public init(_ name: String, from start: Start = .head, isDataDumped: Bool = false, options: RingOptions = RingOptions())
        throws(RingError)
    {
        try self.init(named: FileName(name), from: start, isDataDumped: isDataDumped, options: options)
    }

    /// As ``init(_:from:isDataDumped:options:)``, of a name that need not be text.
    public init(named name: FileName, from start: Start = .head, isDataDumped: Bool = false, options: RingOptions = RingOptions())
        throws(RingError)
    {
        try self.init(InspectedRing(name, options: options), from: start, isDataDumped: isDataDumped)
    }

    /// As ``init(_:from:isDataDumped:options:)``, of a ring that a descriptor leads to. The descriptor stays the caller's.
    ///
    /// - Throws: as ``SPSCRing/open(descriptor:options:)``, whatever kind of ring it is.
    public init(descriptor: Int32, from start: Start = .head, isDataDumped: Bool = false, options: RingOptions = RingOptions())
        throws(RingError)
    {
        try self.init(InspectedRing(descriptor: descriptor, options: options), from: start, isDataDumped: isDataDumped)
    }

    init(_ ring: InspectedRing, from start: Start, isDataDumped: Bool) throws(RingError) {
        guard ring.segment.header.hasLanes else {
            throw RingError(.incompatible, ring: ring.ring, "it is \(ring.segment.header.kind.article), through which no messages pass")
        }
        var segment = ring.segment
        segment.isDataDumped = isDataDumped
        let (mapping, offset) = try Mapping.control(of: segment, writable: false, ring: ring.ring)
        // SAFETY: the ring's control block stands there, and the mapping's size was checked against the lane count. It is only read.
        let control = unsafe mapping.base + offset
        var lanes = [LaneTap?](repeating: nil, count: segment.header.laneCount)
        var unused = [LaneTap.Beginning?](repeating: nil, count: segment.header.laneCount)
        for number in lanes.indices {
            // SAFETY: the lane exists, and its block lies in the control mapping.
            // In this order: if the lane is not in use even after these were read, nothing was ever sent in it before them.
            let (lane, checkpoints) = unsafe Self.words(number, of: segment, control)
            let first = unsafe sr_load_acquire_u64(sr_head(lane))
            let beginning = LaneTap.Beginning.unused(head: first, sent: checkpoints.newest)
            if unsafe Self.isInUse(number, of: segment, control) {
                lanes[number] = try unsafe Self.lane(
                    number, of: segment, control, keeping: mapping, from: start == .head ? .head : .tail, ring: ring.ring)
            } else {
                unused[number] = beginning
            }
        }
        self.unused = unused
        self.segment = segment
        inspected = ring
        controlMapping = mapping
        unsafe self.control = control
        self.lanes = lanes
    }

    /// Takes in what has passed since the last look, lane by lane, up to about a quarter of a megabyte or one message each. Empty: there
    /// was nothing. Copies, allocates, and blocks for nothing.
    ///
    /// - Throws: `system` if a lane that has come into use can't be mapped.
    public mutating func poll() throws(RingError) -> [Event] {
        var events: [Event] = []
        for number in lanes.indices {
            if lanes[number] == nil, let beginning = unused[number], unsafe Self.isInUse(number, of: segment, control) {
                lanes[number] = try unsafe Self.lane(
                    number, of: segment, control, keeping: controlMapping, from: beginning, ring: inspected.ring)
            }
            lanes[number]?.poll(into: &events)
        }
        return events
    }

    /// Whether the ring's name stands for something else by now, or for nothing: no process can come to it any more. False for a ring without a
    /// name. A system call.
    public var isRemoved: Bool { inspected.isRemoved }

    /// What everything waits in that has the size of a lane, in bytes.
    public var capacity: Int { segment.header.laneCapacity }

    /// The words of a lane, and where its checkpoints stand.
    private static func words(
        _ number: Int, of segment: Segment, _ control: UnsafeMutableRawPointer
    ) -> (lane: UnsafeMutablePointer<sr_lane_control>, checkpoints: CheckpointPlace) {
        // SAFETY: the kind's control block stands there, and the lane exists.
        switch segment.header.shape {
        case .lanes:
            let lane = unsafe sr_lane(control.assumingMemoryBound(to: sr_lanes_control.self), UInt32(number))
            return unsafe (lane, .lane(lane))
        case .broadcast:
            let broadcast = unsafe control.assumingMemoryBound(to: sr_broadcast_control.self)
            return unsafe (sr_publisher(broadcast), .broadcast(broadcast))
        case .board, .call: preconditionFailure("it has no lane")
        }
    }

    /// Whether a producer has attached to the lane. A kind without a bitmap of lanes has one lane, which is taken for used.
    private static func isInUse(_ number: Int, of segment: Segment, _ control: UnsafeMutableRawPointer) -> Bool {
        guard segment.header.kind.hasLaneBitmap else { return true }
        let control = unsafe control.assumingMemoryBound(to: sr_lanes_control.self)
        // SAFETY: the word lies in the control mapping, which the caller keeps: the lane exists.
        // SYNC: lane-in-use (pairs with `init` of ProducerCore)
        return unsafe sr_load_acquire_u64(sr_lanes_used(control, UInt32(number))) >> UInt64(number % 64) & 1 == 1
    }

    private static func lane(
        _ number: Int, of segment: Segment, _ control: UnsafeMutableRawPointer, keeping mapping: Mapping,
        from beginning: LaneTap.Beginning, ring: String
    ) throws(RingError) -> LaneTap {
        let data = try Mapping.lane(number, of: segment, writable: false, prefault: false, ring: ring)
        // SAFETY: the lane's block lies in the control mapping, which the tap keeps: the lane exists.
        let (words, checkpoints) = unsafe Self.words(number, of: segment, control)
        let lane = unsafe TappedLane(
            number, of: segment.header, data: data, control: words, checkpoints: checkpoints, keeping: mapping)
        return LaneTap(lane, from: beginning)
    }
}

import CSharedRing

/// What state a ring is in, down to its records: what its next users will find, or why they can't use it.
///
/// Read from the file like a ``RingReport``: it takes no role, maps nothing, is noticed by no user, and works on what dead or stopped
/// processes left. Every record that waits is walked over and its header checked, as a producer does that takes a lane over.
///
/// A ring in use changes while it is examined. Damage is reported only if the same was found three times in a row while the
/// lane's head stood still; a lane that did not hold still is reported as such, with what was seen of it last.
public struct RingCheck: Sendable {
    /// Something that no user of the ring writes.
    public struct Damage: Sendable, Equatable {
        /// Nil: it is not about one lane.
        public var lane: Int?
        /// The lane's position where it was found.
        public var position: UInt64?
        /// Where that stands in the file, in bytes from its beginning.
        public var fileOffset: Int
        /// What was found, and what could have been expected. For people.
        public var detail: String
    }

    /// A word by which a consumer or a producer says that it sleeps.
    @nonexhaustive
    public enum SleepWord: Sendable, Equatable {
        /// Its owner does not sleep.
        case awake
        /// Its owner is attached, and sleeps or is about to.
        case asleep
        /// Its owner went away in its sleep. Its next owner clears it, as does the next waker, in vain.
        case leftBehind
    }

    /// A lane that a producer has attached to, or tried to.
    public struct Lane: Sendable {
        /// Its number, from 0.
        public var number: Int
        /// The process that sends, or sent last.
        public var producer: RingReport.Role
        /// Everything before this position is acknowledged: the next consumer starts here.
        public var head: UInt64
        /// The next record goes here: so does the next producer.
        public var tail: UInt64
        /// The messages between the two.
        public var messages: Int
        /// The bytes of their payloads, without headers and tickets.
        public var byteCount: Int
        /// The unread ends of streams that were closed.
        public var closeRecords: Int
        /// The unread ends that a successor wrote for a producer that died.
        public var deathRecords: Int
        /// Whether the last record is such an end.
        public var endsWithEndRecord: Bool
        /// Total order: a message with this ticket or a larger one is under way. Nil: none is. Of a producer that has died, it never comes.
        public var ticketFloor: UInt64?
        /// Whether its producer sleeps.
        public var sleepWord: SleepWord
        /// Whether the end of its last producer was reported to a consumer already.
        public var isEndReported: Bool
        /// Whether it changed whenever it was looked at: then the numbers are a moment's.
        public var isMoving: Bool

        /// Whether the next producer begins with an end record for the last one.
        public var needsDeathRecord: Bool { producer.presence == .died && !endsWithEndRecord }
        /// Whether it was closed without an end record, because one stood unread before it, and the close was not reported yet.
        public var hasUnrecordedClose: Bool { producer.presence == .closed && closeRecords + deathRecords == 0 && !isEndReported }
    }

    /// What the ring looks like from outside.
    public let report: RingReport
    /// Those that have been used.
    public let lanes: [Lane]
    /// Whether the consumer sleeps.
    public let consumerSleepWord: SleepWord
    /// A consumer noted that a producer died, and ended before it reported that. The next consumer reports it.
    public let hasUnreportedDeath: Bool
    /// A process has locked it to remove it.
    public let isBeingRemoved: Bool
    /// Empty: the next process can use the ring, however its last users ended.
    public let damage: [Damage]

    /// The messages that wait in all lanes; of a ``CallService``, the requests that no server has started.
    public var messages: Int { lanes.reduce(0) { $0 + $1.messages } + report.callSlots.count { $0.state == .waiting } }
    /// The bytes of their payloads, without headers and tickets.
    public var byteCount: Int {
        lanes.reduce(0) { $0 + $1.byteCount } + report.callSlots.reduce(0) { $0 + ($1.state == .waiting ? $1.byteCount ?? 0 : 0) }
    }
    /// Unread ends of streams, of either sort.
    public var streamEnds: Int { lanes.reduce(0) { $0 + $1.closeRecords + $1.deathRecords } }
    /// Whether a lane changed whenever it was looked at: then the numbers are a moment's.
    public var isMoving: Bool { lanes.contains { $0.isMoving } }
    /// Whether a producer, a consumer, a subscriber, a writer of a board, a server or a client is attached.
    public var isInUse: Bool {
        report.consumer.presence == .attached || lanes.contains { $0.producer.presence == .attached }
            || report.subscribers.contains { $0.role.presence == .attached }
            || report.entries.contains { $0.writer.presence == .attached }
            || report.servers.contains { $0.role.presence == .attached }
            || report.callSlots.contains { $0.client.presence == .attached }
    }
    /// Whether a producer, a consumer, a subscriber, a writer of a board, a server or a client has ever been attached.
    public var wasUsed: Bool {
        report.consumer.presence != .neverCame || lanes.contains { $0.producer.presence != .neverCame }
            || report.subscribers.contains { $0.role.presence != .neverCame }
            || report.entries.contains { $0.writer.presence != .neverCame }
            || !report.servers.isEmpty || !report.callSlots.isEmpty
    }

    /// "process 12 (send) as producer, process 13 (receive) as consumer"; empty if no process is attached.
    var holders: String {
        let roles =
            [(SharedRing.Role.consumer, report.consumer)] + lanes.map { (.lane($0.number), $0.producer) }
            + report.subscribers.map { (.subscriber($0.number), $0.role) }
            + report.entries.map { (.entry($0.number), $0.writer) }
            + report.servers.map { (.server($0.number), $0.role) } + report.callSlots.map { (.caller($0.number), $0.client) }
        return roles.filter { $0.1.presence == .attached }
            .map { role, held in "\(held.holder?.description ?? "an unknown process") as \(role)" }.joined(separator: ", ")
    }

    /// Examines a ring. O(lanes + records) system calls in the worst case, usually far fewer.
    ///
    /// - Parameters:
    ///   - name: the ring's name.
    ///   - options: the directory and the allowed owners count.
    /// - Throws: as ``SPSCRing/open(_:options:)``, for what is no ring or has a damaged header.
    public init(_ name: String, options: RingOptions = RingOptions()) throws(RingError) {
        try self.init(named: FileName(name), options: options)
    }

    /// As ``init(_:options:)``, of a name that need not be text.
    public init(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) {
        try self.init(InspectedRing(name, options: options))
    }

    /// As ``init(_:options:)``, of a ring that a descriptor leads to. The descriptor stays the caller's.
    ///
    /// - Throws: as ``SPSCRing/open(descriptor:options:)``, whatever kind of ring it is.
    public init(descriptor: Int32, options: RingOptions = RingOptions()) throws(RingError) {
        try self.init(InspectedRing(descriptor: descriptor, options: options))
    }

    init(_ ring: InspectedRing) throws(RingError) {
        try self.init(ring.segment, ring.location)
        if ring.isRemoved { throw RingError(.notFound, ring: ring.ring, "its name was taken away while it was examined") }
    }

    init(_ segment: Segment, _ location: SegmentLocation) throws(RingError) {
        let header = segment.header
        let ring = location.ring
        report = try RingReport(segment, location)
        isBeingRemoved = RoleLock.holder(of: header.shape.roles[0], in: segment.descriptor) == .remover

        var damage: [Damage] = []
        var lanes: [Lane] = []
        for number in 0..<header.laneCount {
            let walk = try Self.settledWalk(number, of: segment, ring: ring)
            let control = try segment.laneControl(number, ring: ring)
            // A producer sets its bit before its epoch: read in the opposite order, the bit can't be missing.
            let bitmap = try segment.read(sr_lanes_control.self, at: header.controlOffset, ring: ring).lanes_used
            let isInBitmap = unsafe withUnsafeBytes(of: bitmap) {
                // SAFETY: the bitmap has a bit for every lane that a header may have.
                unsafe $0.load(fromByteOffset: number / 64 * 8, as: UInt64.self) >> UInt64(number % 64) & 1 == 1
            }
            let isInUse = header.kind.hasLaneBitmap && isInBitmap
            if let found = walk.result.damage { damage.append(found) }
            if control.producer_epoch != 0, !isInUse, header.kind.hasManyLanes {
                let place = header.controlOffset + MemoryLayout<sr_lanes_control>.offset(of: \.lanes_used)! + number / 64 * 8
                damage.append(
                    Damage(
                        lane: number, position: nil, fileOffset: place,
                        detail:
                            "producers have attached to it, but its bit among the lanes in use is not set: a consumer does not look there"))
            }
            guard isInUse || control.producer_epoch != 0 || walk.result.damage != nil else { continue }
            lanes.append(try Self.lane(number, walk.result, isMoving: walk.isMoving, control, report, segment, ring))
        }
        switch header.shape {
        case .lanes: break
        case .broadcast: if let found = try Self.checkpointDamage(segment, ring: ring) { damage.append(found) }
        case .board(let board): damage += try Self.damage(in: board, of: segment, ring: ring)
        case .call(let calls): damage += try Self.damage(in: calls, of: segment, ring: ring)
        }
        self.damage = damage
        self.lanes = lanes

        guard header.hasLanes else {
            hasUnreportedDeath = false
            consumerSleepWord = .awake
            return
        }
        let control = try segment.consumerControl(ring: ring)
        hasUnreportedDeath = control.unreported_death != 0
        consumerSleepWord = try Self.sleepWord(control.doorbell, of: .consumer, segment) { () throws(RingError) in
            try segment.consumerControl(ring: ring).doorbell
        }
    }

    /// Walks until two walks in a row found the same, and, before it says that a lane is damaged, three.
    ///
    /// While the head stands still no record is overwritten. What may still go wrong is that a header is read while it is
    /// written, or in another order than written; that does not happen the same way every time. Tests put into `meanwhile` what
    /// others do between the look at the head and the walk.
    static func settledWalk(
        _ lane: Int, of segment: Segment, ring: String, meanwhile: () -> Void = {}
    ) throws(RingError) -> (result: LaneWalk, isMoving: Bool) {
        func control() throws(RingError) -> sr_lane_control {
            try segment.laneControl(lane, ring: ring)
        }
        var last: LaneWalk?
        var lastSound: LaneWalk?
        var agreeing = 0
        for _ in 0..<24 {
            let before = try control()
            meanwhile()
            let walk = try LaneWalk(lane, from: before, of: segment, ring: ring)
            guard try control().head == walk.head else {
                last = nil
                continue
            }
            agreeing = walk == last ? agreeing + 1 : 1
            last = walk
            if walk.damage == nil { lastSound = walk }
            if agreeing == (walk.damage == nil ? 2 : 3) { return (walk, false) }
        }
        if let lastSound { return (lastSound, true) }
        return (LaneWalk(inMotion: try control()), true)
    }

    /// Of a broadcast: a checkpoint that the next publisher would refuse. Found twice, since one may be published meanwhile.
    private static func checkpointDamage(_ segment: Segment, ring: String) throws(RingError) -> Damage? {
        let shape = LaneShape(segment.header)
        for turn in 0..<2 {
            let newest = try Checkpoint.published(0, of: segment, ring: ring)
            let isPossible = shape.isAligned(newest.tail) && newest.writeLimit &- newest.tail <= shape.capacity
            if isPossible { return nil }
            if turn == 1 {
                return Damage(
                    lane: 0, position: newest.tail, fileOffset: segment.header.controlOffset,
                    detail:
                        "its checkpoint has the tail \(newest.tail) and the write limit \(newest.writeLimit), with a capacity of \(shape.capacity)"
                )
            }
        }
        return nil
    }

    private static func lane(
        _ number: Int, _ walk: LaneWalk, isMoving: Bool, _ control: sr_lane_control, _ report: RingReport, _ segment: Segment,
        _ ring: String
    ) throws(RingError) -> Lane {
        let never = RingReport.Role(presence: .neverCame, attachments: 0, holder: nil)
        let producer = report.lanes.first { $0.number == number }?.producer ?? never
        func again() throws(RingError) -> sr_lane_control {
            try segment.laneControl(number, ring: ring)
        }
        // Nothing waits for a subscriber that is not there any more, unless it is durable: the next ones begin behind what was sent.
        let waits =
            segment.header.kind.keepsMessagesForLater || report.subscribers.contains { $0.isDurable || $0.role.presence == .attached }
        return Lane(
            number: number, producer: producer, head: walk.head, tail: walk.tail, messages: waits ? walk.messages : 0,
            byteCount: waits ? walk.byteCount : 0, closeRecords: waits ? walk.closeRecords : 0, deathRecords: waits ? walk.deathRecords : 0,
            endsWithEndRecord: walk.endsWithEndRecord,
            ticketFloor: control.ticket_floor == .max ? nil : control.ticket_floor,
            sleepWord: try sleepWord(control.space_doorbell, of: .lane(number), segment) { () throws(RingError) in
                try again().space_doorbell
            },
            isEndReported: Int32(bitPattern: control.reported_end &- control.producer_epoch) >= 0,
            isMoving: isMoving)
    }

    /// Left behind only if no process has the role before and after the word was still found set.
    private static func sleepWord(
        _ first: UInt32, of role: SharedRing.Role, _ segment: Segment, again: () throws(RingError) -> UInt32
    ) throws(RingError) -> SleepWord {
        if first == 0 { return .awake }
        func isFree() -> Bool {
            switch RoleLock.holder(of: role, in: segment.descriptor) {
            case .free, .remover: true
            case .held, nil: false
            }
        }
        guard isFree() else { return .asleep }
        if try again() == 0 { return .awake }
        return isFree() ? .leftBehind : .asleep
    }
}

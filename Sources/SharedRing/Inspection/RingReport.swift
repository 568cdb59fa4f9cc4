import CSharedRing

/// What a ring looks like from outside: its header, who holds its roles, where its lanes stand.
///
/// Read from the file, without taking a role and without mapping anything: it disturbs nobody, needs no more than read
/// permission, and works on a ring whose processes are stopped or dead. The numbers of a ring in use are read one after
/// the other, so they may not fit together exactly.
public struct RingReport: Sendable {
    /// What became of a role.
    @nonexhaustive
    public enum Presence: String, Sendable {
        /// Nobody has ever had it.
        case neverCame = "never came"
        /// Somebody has it now.
        case attached
        /// The last one closed.
        case closed
        /// The last one went away without closing.
        case died
    }

    /// A role, and who has it or had it last.
    public struct Role: Sendable {
        /// What became of it.
        public var presence: Presence
        /// How many have had it since the ring was made, the present one included.
        public var attachments: Int
        /// Who signed last; nil if nobody has.
        public var holder: HolderInformation?
    }

    /// One lane.
    public struct Lane: Sendable {
        /// Its number.
        public var number: Int
        /// Who sends, or sent last.
        public var producer: Role
        /// How many producers' ends were reported to a consumer, of those that ``Role/attachments`` counts. What is beyond them is attached, or has left
        /// something unread.
        public var endsReported: Int
        /// Everything before this position is acknowledged.
        public var head: UInt64
        /// The producer's next position: by its checkpoint, and the records behind that.
        public var tail: UInt64
        /// The bytes between the two, headers and gaps included: from 0 to the capacity, whatever the two are.
        public var backlog: Int
    }

    /// What leads to it again, byte for byte. Of a ring without a name: what errors call it.
    public var fileName: FileName
    /// The same as text, repaired if it is not UTF-8.
    public var name: String
    /// Where it is, byte for byte. Empty if the ring has no name.
    public var directoryName: FileName
    /// The same as text, repaired if it is not UTF-8.
    public var directory: String
    /// A reliable subscriber of a broadcast. Lossy ones leave no trace in the ring.
    public struct Subscriber: Sendable {
        /// Its place.
        public var number: Int
        /// Who subscribes, or did last.
        public var role: Role
        /// Everything before this position is acknowledged. Nil: it holds nothing.
        public var head: UInt64?
        /// The bytes from there to the publisher's next position, headers and gaps included: from 0 to the capacity. What it holds.
        public var backlog: Int
        /// Whether the publisher sleeps for room, and no subscriber is further behind.
        public var holdsPublisherUp: Bool
    }

    /// Which kind of ring it is.
    public var kind: RingKind
    /// Whether messages of all producers come in the order of their sending: ``MPSCRing/Order/total``.
    public var isTotallyOrdered: Bool
    /// The version of its layout, as "2.0".
    public var layoutVersion: String
    /// The bytes of each lane; of a ``Board``, of all its values.
    public var capacity: Int
    /// What records are aligned to, in bytes.
    public var recordAlignment: Int
    /// The largest message, in bytes.
    public var largestMessage: Int
    /// The bytes of the whole file.
    public var totalSize: Int
    /// Its creator's free text.
    public var label: String
    /// Nanoseconds since 1970.
    public var createdNanoseconds: Int64
    /// Tells it from its predecessors and successors of the same name: 32 hexadecimal digits.
    public var instance: String
    /// Whether those who sleep pay for the barrier; see ``RingOptions/Barrier/asymmetric``.
    public var usesAsymmetricBarrier: Bool
    /// Whether its last reader leaves it where it is.
    public var isPersistent: Bool
    /// Who receives, or received last. A broadcast has no consumer: nobody ever came.
    public var consumer: Role
    /// How many reliable subscribers a broadcast has room for; 0 of other kinds.
    public var subscriberCount: Int
    /// The places of a broadcast that anybody has ever had.
    public var subscribers: [Subscriber]
    /// How many lanes it has, used or not.
    public var laneCount: Int
    /// The lanes that anybody has ever attached to.
    public var lanes: [Lane]
    /// Of a ``Board``, its entries, in the order in which they were made; none of other kinds.
    public var entries: [Entry]

    /// Whether it has no name: it was reported by a descriptor, or by its own handle.
    public var isAnonymous: Bool { directoryName.bytes.isEmpty }

    /// How many producers have attached since the ring was made. (Of a lane to which 2^31 - 1 have attached it is counted anew.)
    public var producerAttachments: Int { lanes.reduce(0) { $0 + $1.producer.attachments } }

    /// Of how many of them the end was reported to a consumer.
    public var endsReported: Int { lanes.reduce(0) { $0 + $1.endsReported } }

    // MARK: Reading

    /// Reads a ring's state. O(lanes) system calls, for the lock bytes.
    ///
    /// - Parameters:
    ///   - name: the ring's name.
    ///   - options: the directory and the allowed owners count.
    /// - Throws: as ``SPSCRing/open(_:options:)``.
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

    init(_ ring: InspectedRing) throws(RingError) { try self.init(ring.segment, ring.location) }

    init(_ segment: Segment, _ location: SegmentLocation) throws(RingError) {
        let header = segment.header
        let ring = try segment.read(sr_segment_control.self, at: header.controlOffset, ring: location.ring)
        func role(_ role: SharedRing.Role, epoch first: UInt32, again: () -> UInt32?) -> Role {
            // A remover's lock is no holder: it proves that there is none.
            let isHeld =
                switch RoleLock.holder(of: role, in: segment.descriptor) {
                case .nobody, .remover: false
                case .somebody, nil: true
                }
            // It may have closed between the two looks: then its epoch says so now.
            let epoch = isHeld ? first : again() ?? first
            let presence: Presence =
                if epoch == 0 { .neverCame } else if epoch & 1 == 0 { .closed } else if isHeld { .attached } else { .died }
            return Role(presence: presence, attachments: Int(sr_epoch_attachments(epoch)), holder: segment.holder(of: role))
        }

        switch location {
        case .named(let name):
            fileName = name.name
            directoryName = name.directory
        case .anonymous(_, let ring):
            fileName = FileName(ring)
            directoryName = FileName("")
        }
        name = fileName.repairedText
        directory = directoryName.repairedText
        kind = header.kind.kind
        isTotallyOrdered = header.isTotallyOrdered
        layoutVersion = header.version
        capacity = header.laneCapacity
        recordAlignment = header.recordAlignment
        largestMessage = header.largestMessage
        totalSize = header.totalSize
        label = header.label
        createdNanoseconds = header.createdNanoseconds
        instance = header.instance.text
        usesAsymmetricBarrier = header.usesAsymmetricBarrier
        isPersistent = ring.persistent != 0
        laneCount = header.laneCount
        subscriberCount = header.slotCount
        if let board = header.board {
            consumer = Role(presence: .neverCame, attachments: 0, holder: nil)
            lanes = []
            subscribers = []
            capacity = board.dataSize
            largestMessage = 0
            recordAlignment = 0
            entries = try Self.entries(of: segment, board, ring: location.ring) { entry, epoch, again in
                role(.entry(entry), epoch: epoch, again: again)
            }
            return
        }
        entries = []
        let consumer = try segment.consumerControl(ring: location.ring)
        self.consumer =
            header.kind == .broadcast
            ? Role(presence: .neverCame, attachments: 0, holder: nil)
            : role(.consumer, epoch: consumer.epoch) { (try? segment.consumerControl(ring: location.ring))?.epoch }

        var lanes: [Lane] = []
        for number in 0..<header.laneCount {
            let control = try segment.laneControl(number, ring: location.ring)
            guard control.producer_epoch != 0 else { continue }
            let tail = try Checkpoint(number, of: segment, ring: location.ring).tail
            // Of a broadcast in which no subscriber holds anything, nothing waits.
            let isHeld = header.kind == .broadcast ? try segment.slowestHead(ring: location.ring) != nil : true
            // The tail is a little newer than the head. An untrusted peer's words may hold anything.
            let backlog = isHeld ? Int64(bitPattern: tail &- control.head) : 0
            let producer = role(.lane(number), epoch: control.producer_epoch) {
                (try? segment.laneControl(number, ring: location.ring))?.producer_epoch
            }
            let unreported = Int(sr_epoch_attachments_since(control.producer_epoch, control.reported_end))
            lanes.append(
                Lane(
                    number: number, producer: producer,
                    endsReported: max(0, Int(sr_epoch_attachments(control.producer_epoch)) - unreported),
                    head: isHeld ? control.head : tail,
                    tail: tail, backlog: Int(min(max(backlog, 0), Int64(header.laneCapacity)))))
        }
        self.lanes = lanes

        var subscribers: [Subscriber] = []
        if header.kind == .broadcast {
            let shape = LaneShape(header)
            let isAsleep = try segment.laneControl(0, ring: location.ring).space_doorbell != 0
            for (slot, control) in try segment.subscriberControls(ring: location.ring) {
                // Behind the head, so no older than it is.
                let tail = try Checkpoint(0, of: segment, ring: location.ring).tail
                let isHeld = shape.isAligned(control.head) && tail &- control.head <= shape.capacity
                subscribers.append(
                    Subscriber(
                        number: slot,
                        role: role(.subscriber(slot), epoch: control.epoch) {
                            (try? segment.read(sr_subscriber_control.self, at: header.slotOffset(slot), ring: location.ring))?.epoch
                        },
                        head: isHeld ? control.head : nil, backlog: isHeld ? Int(tail &- control.head) : 0, holdsPublisherUp: false))
            }
            let most = subscribers.map(\.backlog).max() ?? 0
            for i in subscribers.indices where isAsleep && most > 0 && subscribers[i].backlog == most {
                subscribers[i].holdsPublisherUp = true
            }
        }
        self.subscribers = subscribers
    }

    /// The names of the rings in a directory, sorted. Those that are not UTF-8 are left out: see ``fileNames(options:)``.
    ///
    /// - Throws: `system` if the directory can't be read.
    public static func names(options: RingOptions = RingOptions()) throws(RingError) -> [String] {
        try fileNames(options: options).compactMap(\.text)
    }

    /// The names of the rings in a directory, in the order of their bytes. What is not a ring, or not an allowed owner's, is left out; so is
    /// one that is still being made, or whose creator died while it made it, and one that is damaged: see ``DamagedRing``.
    ///
    /// - Throws: `system` if the directory can't be read.
    public static func fileNames(options: RingOptions = RingOptions()) throws(RingError) -> [FileName] {
        try Segment.fileNames(in: options.directoryName).filter { name in
            guard let ring = try? InspectedRing(name, options: options) else { return false }
            return !ring.isTemporary
        }
    }
}

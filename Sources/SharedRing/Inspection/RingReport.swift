import CSharedRing

/// What a ring looks like from outside: its header, the holders of its roles, where its lanes stand.
///
/// Read from the file, without taking a role and without mapping anything. No user of the ring notices it. It needs no more than read
/// permission, and works on a ring whose processes are stopped or dead. The numbers of a ring in use are read one after
/// the other, so they may not fit together exactly.
public struct RingReport: Sendable {
    /// What became of a role.
    @nonexhaustive
    public enum Presence: String, Sendable {
        /// No process has ever had it.
        case neverCame = "never came"
        /// A process has it now.
        case attached
        /// The last one closed.
        case closed
        /// The last one went away without closing.
        case died
    }

    /// A role, and its holder or last holder.
    public struct Role: Sendable {
        /// What became of it.
        public var presence: Presence
        /// How many have had it since the ring was made, the present one included.
        public var attachments: Int
        /// The last known holder; nil: none stored its information.
        public var holder: HolderInformation?
    }

    /// One lane.
    public struct Lane: Sendable {
        /// Its number.
        public var number: Int
        /// The process that sends, or sent last.
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
    /// A subscriber of a broadcast that has a place. Lossy ones without a soft gate leave no trace in the ring.
    public struct Subscriber: Sendable {
        /// Its place.
        public var number: Int
        /// The name under which it comes back; nil: none. What is not UTF-8 is repaired.
        public var name: String?
        /// Whether it holds its messages also while no process is attached.
        public var isDurable: Bool
        /// Whether it has a soft gate: the publisher waits for it only for a while.
        public var isSoftGated: Bool
        /// How many messages it missed, of one with a soft gate; 0 of others. It may not be up to date.
        public var missed: UInt64
        /// The process that subscribes, or did last.
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
    /// The bytes of each lane; of a ``Board``, of all its values; of a ``CallService``, of the largest request.
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
    /// Whether endpoints that sleep pay for the barrier; see ``RingOptions/Barrier/asymmetric``.
    public var usesAsymmetricBarrier: Bool
    /// Whether its last reader leaves it where it is.
    public var isPersistent: Bool
    /// The process that receives, or received last. A broadcast has no consumer: `neverCame`.
    public var consumer: Role
    /// How many reliable subscribers a broadcast has room for; 0 of other kinds.
    public var subscriberCount: Int
    /// The subscriber slots of a broadcast that were ever used.
    public var subscribers: [Subscriber]
    /// How many lanes it has, used or not.
    public var laneCount: Int
    /// The lanes that were ever used.
    public var lanes: [Lane]
    /// Of a ``Board``, its entries, in the order in which they were made; none of other kinds.
    public var entries: [Entry]
    /// Of a ``CallService``: the largest reply, in bytes; 0 of other kinds. (Its ``capacity`` is the largest request.)
    public var replyCapacity: Int
    /// Of a ``CallService``: the bytes of each slot's lane for streams; 0 if it was made without, and of other kinds.
    public var streamCapacity: Int
    /// How many servers a ``CallService`` has places for; 0 of other kinds.
    public var serverCount: Int
    /// The places for servers of a ``CallService`` that were ever used.
    public var servers: [Server]
    /// How many slots a ``CallService`` has; 0 of other kinds.
    public var callSlotCount: Int
    /// The slots of a ``CallService`` that were ever used.
    public var callSlots: [CallSlot]

    /// Whether it has no name: it was reported by a descriptor, or by its own handle.
    public var isAnonymous: Bool { directoryName.bytes.isEmpty }

    /// How many producers have attached since the ring was made. (Of a lane to which 2^31 - 1 have attached it is counted anew.)
    public var producerAttachments: Int { lanes.reduce(0) { $0 + $1.producer.attachments } }

    /// Of how many of them the end was reported to a consumer.
    public var endsReported: Int { lanes.reduce(0) { $0 + $1.endsReported } }

    // MARK: Reading
    // The same three ways lead to `RingCheck`, `RingStatistics` and `RingTap`. Each has its own, since each has other errors to document.

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
                case .free, .remover: false
                case .held, nil: true
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
        replyCapacity = header.call?.replyCapacity ?? 0
        streamCapacity = header.call?.streamCapacity ?? 0
        serverCount = header.call?.serverCount ?? 0
        callSlotCount = header.call?.slotCount ?? 0
        consumer = Role(presence: .neverCame, attachments: 0, holder: nil)
        lanes = []
        subscribers = []
        entries = []
        servers = []
        callSlots = []
        switch header.shape {
        case .call(let calls):
            capacity = calls.requestCapacity
            largestMessage = calls.requestCapacity
            recordAlignment = 0
            servers = try Self.servers(of: segment, calls, ring: location.ring, role: role)
            callSlots = try Self.callSlots(of: segment, calls, ring: location.ring, role: role)
            return
        case .board(let board):
            capacity = board.dataSize
            largestMessage = 0
            recordAlignment = 0
            entries = try Self.entries(of: segment, board, ring: location.ring) { entry, epoch, again in
                role(.entry(entry), epoch: epoch, again: again)
            }
            return
        case .lanes:
            let block = try segment.consumerControl(ring: location.ring)
            consumer = role(.consumer, epoch: block.epoch) { (try? segment.consumerControl(ring: location.ring))?.epoch }
            lanes = try Self.lanes(of: segment, ring: location.ring, role: role)
        case .broadcast:
            lanes = try Self.lanes(of: segment, ring: location.ring, role: role)
            subscribers = try Self.subscribers(of: segment, ring: location.ring, role: role)
        }
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

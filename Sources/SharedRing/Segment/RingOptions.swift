import CSharedRing

/// How a ring is made, and what is accepted when one is opened. How an endpoint uses it is in ``EndpointOptions``.
///
/// Only the creator's values count for `capacity`, `recordAlignment`, `permissions`, `label`, `barrier` and
/// `isPersistent`: they are written into the ring's header. Each later endpoint reads them there.
public struct RingOptions: Sendable {
    /// Which barrier orders "I stored a message" before "I look whether you sleep".
    @nonexhaustive
    public enum Barrier: Sendable {
        /// The asymmetric one if this kernel has it, else the symmetric one.
        case automatic
        /// An endpoint calls membarrier(2) before it sleeps. A send or an acknowledgement needs no barrier. A process that can't call it
        /// (an old kernel, a seccomp filter) fails to attach.
        case asymmetric
        /// A full barrier in every send and at every acknowledgement: works everywhere, and costs more than the rest of a
        /// small send.
        case symmetric
    }

    /// Whose files are accepted as rings. Those of this process's effective user always are.
    ///
    /// The owner can do anything to a ring at any time. Any other user with write access can send nonsense, and can truncate a named
    /// ring. So a ring of another user is refused unless it is allowed here, root's too.
    @nonexhaustive
    public enum Owners: Sendable {
        /// Those of this user only.
        case sameUser
        /// Those of these user ids, too.
        case users(Set<UInt32>)
        /// Those of every user.
        case anyone
    }

    /// What a ring's creator chose for good. See ``exactTraits``.
    public struct Traits: OptionSet, Sendable {
        public let rawValue: UInt

        public init(rawValue: UInt) { self.rawValue = rawValue }

        /// ``RingOptions/capacity``, as it is rounded.
        public static let capacity = Traits(rawValue: 1)
        /// How many producers an ``MPSCRing`` can have.
        public static let laneCount = Traits(rawValue: 2)
        /// The ``MPSCRing/Order`` of an ``MPSCRing``.
        public static let order = Traits(rawValue: 4)
        /// ``RingOptions/recordAlignment``.
        public static let recordAlignment = Traits(rawValue: 8)
        /// How many reliable subscribers a ``BroadcastRing`` can have.
        public static let subscriberCount = Traits(rawValue: 16)
        /// How many entries a ``Board`` can have, the bytes of their values, and whether it keeps the time. Which entries it has is no trait.
        public static let boardShape = Traits(rawValue: 32)
        /// The ``CallService/Shape`` of a ``CallService``, as it is rounded.
        public static let callShape = Traits(rawValue: 64)
        /// Every trait. A trait of another kind than the one that is opened has no meaning.
        public static let all: Traits = [
            .capacity, .laneCount, .order, .recordAlignment, .subscriberCount, .boardShape, .callShape,
        ]
    }

    /// The capacity of a ring for which none is given, in bytes: twice a core's second-level cache, at least 1 MiB and at most 8 MiB. 1 MiB where the size of
    /// the cache is not known.
    ///
    /// A ring that is only as large as that cache was half as fast, from messages of 1 KiB on, and larger ones were no faster: see `Benchmarks/NOTES.md`.
    public static let defaultCapacity = defaultCapacity(cache: sr_second_level_cache())

    static func defaultCapacity(cache: UInt64) -> Int {
        var capacity = 1 << 20
        while capacity < 8 << 20, UInt64(capacity / 2) < cache { capacity *= 2 }
        return capacity
    }

    /// The bytes of each lane, rounded up to a power of two and at least a page. The largest message is a little less.
    public var capacity = RingOptions.defaultCapacity
    /// Records start at multiples of this: a power of two from 8 to 128. 8 packs small messages densely; 64 gives each
    /// a cache line of its own.
    public var recordAlignment = 8
    /// The file mode. Each endpoint needs to read and to write.
    public var permissions: UInt32 = 0o600
    /// Free text of at most 63 bytes of UTF-8, shown by `sharedring info`.
    public var label = ""
    /// Where named rings live. Anything but a tmpfs costs disk writes.
    public var directory: String {
        get { directoryName.repairedText }
        set { directoryName = FileName(newValue) }
    }
    /// The same, of a path that need not be UTF-8.
    public var directoryName = FileName("/dev/shm")
    /// In which traits a ring that `openOrCreate` finds has to be as these options say. In the others it may differ: a handle's
    /// `capacity`, `laneCount` and `order` tell how it is.
    public var exactTraits: Traits = []
    /// Whose rings to accept.
    public var allowedOwners = Owners.sameUser
    /// The barrier of the ring's doorbells.
    public var barrier = Barrier.automatic
    /// Whether the ring is to outlive a restart of the machine: for a ``directory`` on a real file system.
    ///
    /// Its contents are sure to be on the disk only after `flush()`. A ring that was in use when the machine went
    /// down is refused afterwards, since headers may have reached the disk without their payloads; see ``acceptsUnflushed``.
    public var isDurable = false
    /// Whether to take a ring that outlives restarts although it was not flushed before the last one. What it holds may be
    /// incomplete or garbled; the bytes of a message are then as trustworthy as an untrusted peer's.
    public var acceptsUnflushed = false
    /// Whether an anonymous ring is to lie in huge pages: fewer page faults and address translations for large rings. Its
    /// capacity and its size become multiples of the huge page, and the machine must have reserved some.
    public var usesHugePages = false
    /// Whether ``Consumer/removeRingIfUnused()`` is to leave the ring where it is.
    public var isPersistent = false

    /// Where the positions start. Only tests have a reason to choose.
    var firstPosition: UInt64 = 0
    /// With which entries a board is made.
    var boardEntries: [BoardEntryPlan] = []

    /// The defaults: ``defaultCapacity`` in `/dev/shm`, for this user.
    public init() {}

    /// The defaults, with another capacity in bytes.
    public init(capacity: Int) { self.capacity = capacity }
}

extension RingOptions.Owners {
    /// Whether what belongs to the user is accepted. With `sameUser` no other user is: ask ``User/isOneself``.
    func admits(_ user: User) -> Bool {
        switch self {
        case .sameUser: false
        case .users(let users): users.contains(user.id) && !user.isUnmapped
        case .anyone: true
        }
    }
}

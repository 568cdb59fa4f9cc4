/// How a ring is made, and what is accepted when one is opened. How an endpoint uses it is in ``EndpointOptions``.
///
/// Only the creator's values count for `capacity`, `recordAlignment`, `permissions`, `label`, `barrier` and
/// `isPersistent`: they are written into the ring's header, and everybody who attaches later reads them there.
public struct RingOptions: Sendable {
    /// Which barrier orders "I stored a message" before "I look whether you sleep".
    @nonexhaustive
    public enum Barrier: Sendable {
        /// The asymmetric one if this kernel has it, else the symmetric one.
        case automatic
        /// Whoever is about to sleep uses membarrier(2), and nobody else needs one. A process that cannot (an old kernel, a
        /// seccomp filter) fails to attach.
        case asymmetric
        /// A full barrier in every send and at every acknowledgement: works everywhere, and costs more than the rest of a
        /// small send.
        case symmetric
    }

    /// Whose files are accepted as rings. Those of this process's effective user always are.
    ///
    /// The owner can do anything to a ring at any time; whoever else may write it can send nonsense, and with a named ring
    /// truncate its memory. So nobody else's is taken unasked, not even root's.
    @nonexhaustive
    public enum Owners: Sendable {
        /// Nobody else's.
        case sameUser
        /// Those of these user ids, too.
        case users(Set<UInt32>)
        /// Anybody's.
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
        /// Every trait.
        public static let all: Traits = [.capacity, .laneCount, .order, .recordAlignment]
    }

    /// The capacity of a ring for which none is given, in bytes: 1 MiB.
    public static let defaultCapacity = 1 << 20

    /// The bytes of each lane, rounded up to a power of two and at least a page. The largest message is a little less.
    public var capacity = RingOptions.defaultCapacity
    /// Records start at multiples of this: a power of two from 8 to 128. 8 packs small messages densely; 64 gives each
    /// a cache line of its own.
    public var recordAlignment = 8
    /// The file mode. Everybody attached needs to read and to write.
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

    /// The defaults: 1 MiB in `/dev/shm`, for this user.
    public init() {}

    /// The defaults, with another capacity in bytes.
    public init(capacity: Int) { self.capacity = capacity }
}

extension RingOptions.Owners {
    /// Whether what belongs to the user is accepted. Of `sameUser` nobody is: ask ``User/isOneself``.
    func admits(_ user: User) -> Bool {
        switch self {
        case .sameUser: false
        case .users(let users): users.contains(user.id) && !user.isUnmapped
        case .anyone: true
        }
    }
}

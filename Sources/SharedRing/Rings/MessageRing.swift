/// What rings of every kind can do: an ``SPSCRing`` or an ``MPSCRing``. How one is made, and its consumer, are the kind's own.
///
/// A ring names something and holds no role: copy it, send it to other threads, make endpoints of it.
public protocol MessageRing: Sendable {
    /// What the library knows the ring by.
    var handle: RingHandle { get }

    /// A ring value by the handle of another one.
    ///
    /// - Throws: `incompatible` if the handle leads to a ring of another kind.
    init(handle: RingHandle) throws(RingError)

    /// Which kind this is.
    static var kind: RingKind { get }
}

extension MessageRing {
    // MARK: Finding and removing one

    /// Finds an existing ring.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - options: the directory and the allowed owners count; the rest is as its creator chose.
    /// - Throws: `notFound`, `notARing`, `damaged`, `incompatible`, `wrongOwner`, `invalidName`, `system`.
    public static func open(_ name: String, options: RingOptions = RingOptions()) throws(RingError) -> Self {
        try Self(handle: .open(FileName(name), kind: kind.stored, options: options))
    }

    /// As ``open(_:options:)``, of a name that need not be text.
    public static func open(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) -> Self {
        try Self(handle: .open(name, kind: kind.stored, options: options))
    }

    /// Opens a ring by a descriptor that was inherited or received. The descriptor stays the caller's, to be closed at will.
    ///
    /// - Throws: `notSealed` for a file that could be truncated; otherwise as ``open(_:options:)``.
    public static func open(descriptor: Int32, options: RingOptions = RingOptions()) throws(RingError) -> Self {
        try Self(handle: .open(descriptor: descriptor, kind: kind.stored, options: options))
    }

    static func open(owned descriptor: Descriptor, called ring: String, options: RingOptions) throws(RingError) -> Self {
        try Self(handle: .open(owned: descriptor, called: ring, kind: kind.stored, options: options))
    }

    /// Takes a ring's name away, of whatever kind it is. No process may be attached. A ring that this library can't use is taken away as well, if it
    /// knows where that ring's locks stand: see ``OtherVersionRing``.
    ///
    /// - Throws: `inUse`, naming the holders; `notFound`, `notARing`, `incompatible`, `wrongOwner`, `invalidName`, `system`.
    public static func remove(_ name: String, options: RingOptions = RingOptions()) throws(RingError) {
        try remove(named: FileName(name), options: options)
    }

    /// As ``remove(_:options:)``, of a name that need not be text.
    public static func remove(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) {
        let name = try SegmentName(name, in: options.directoryName)
        do throws(RingError) {
            try Segment.remove(name, owners: options.allowedOwners)
        } catch {
            guard error.code == .incompatible, try Segment.removeOtherVersion(name, owners: options.allowedOwners) else { throw error }
        }
    }

    /// Brings a ring that was made to outlive restarts (``RingOptions/isDurable``) to the disk. No process may be attached:
    /// close the endpoints first.
    ///
    /// Until a process attaches again, a restart of the machine, or a loss of power, leaves the ring as it is now. Blocks until the
    /// disk has everything; in a task the asynchronous form is meant.
    ///
    /// - Throws: `inUse`, naming the holders; `invalidOption` if the ring was not made for it; `notFlushed` if the machine was restarted while it was
    ///   in use: attach with ``RingOptions/acceptsUnflushed`` first, if what it holds will do; `notFound`, `system`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func flush() throws(RingError) { try handle.flush() }

    /// Brings the ring to the disk, as the form that blocks, on a thread that is started for it. Holds no thread of the pool.
    ///
    /// A task that is cancelled waits to the end all the same: what the disk has begun can't be taken back.
    ///
    /// - Throws: as the form that blocks; `system` also if no thread can be started.
    public func flush() async throws(RingError) {
        try await OwnThread.run(for: handle.location.ring) { [handle] () throws(RingError) in try handle.flush() }
    }

    // MARK: Facts

    /// The bytes of each lane: a power of two.
    public var capacity: Int { handle.header.laneCapacity }
    /// The largest message, in bytes.
    public var largestMessage: Int { handle.header.largestMessage }
    /// What records are aligned to, in bytes.
    public var recordAlignment: Int { handle.header.recordAlignment }
    /// Its creator's free text.
    public var label: String { handle.header.label }

    /// An anonymous ring's own descriptor; nil for a named ring.
    var ownedDescriptor: Descriptor? { handle.location.anonymousDescriptor }

    /// A new descriptor of an anonymous ring, for handing over. The caller closes it; in a forked child it stays open.
    ///
    /// - Parameter inheritable: whether it survives `exec`.
    /// - Throws: `invalidOption` for a named ring; `forked`, `system`.
    public func duplicateDescriptor(inheritable: Bool = false) throws(RingError) -> Int32 {
        try handle.duplicateDescriptor(inheritable: inheritable)
    }

    // MARK: Sending

    /// Becomes a producer: of the first lane that is free. Messages of an earlier producer that are still unread stay and come first.
    ///
    /// - Parameters:
    ///   - waiting: how to wait for room.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: `roleTaken`, naming the holders, if every lane is taken; `poisoned` if the lane's records make no sense; as ``open(_:options:)``,
    ///   since the ring may have changed since then; `replaced`. O(lanes) system calls.
    public func makeProducer(
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> Producer {
        Producer(
            try ProducerCore(
                attachment: try handle.attach(.anyLane, options), waiting: waiting, checkInterval: options.checkInterval,
                patience: options.softGatePatience, prefault: options.prefault))
    }
}

/// A ring in shared memory with one producer and one consumer, in any two processes or threads.
///
/// ```swift
/// var producer = try SPSCRing.openOrCreate("prices").makeProducer()
/// try producer.send("EURUSD 1.0842")
/// try producer.close()
/// ```
///
/// Keep endpoints in functions or types: a variable at the top level of `main.swift` is a global, and can't be closed.
///
/// The handle names a ring and holds no role: copy it, send it to other threads, make endpoints of it. Take ``MPSCRing``
/// when there are several producers.
public struct SPSCRing: Sendable {
    private let handle: RingHandle

    private init(_ handle: RingHandle) { self.handle = handle }

    // MARK: Finding one

    /// Makes a new ring.
    ///
    /// Its memory is reserved in full, so that a later write can't fail, and it appears under its name only when it is whole.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - options: see ``RingOptions``.
    /// - Throws: `alreadyExists`, `outOfSpace`, `invalidName`, `invalidOption`, `incompatible`, `system`.
    public static func create(_ name: String, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        SPSCRing(try .create(FileName(name), shape: .spsc, options: options))
    }

    /// Finds an existing ring.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - options: the directory and the allowed owners count; the rest is as its creator chose.
    /// - Throws: `notFound`, `notARing`, `damaged`, `incompatible`, `wrongOwner`, `invalidName`, `system`.
    public static func open(_ name: String, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        SPSCRing(try .open(FileName(name), kind: .spsc, options: options))
    }

    /// Finds the ring of that name, as it is, or makes it as the options say. An endpoint made of this handle later does the same again, should the ring
    /// have been removed meanwhile.
    ///
    /// - Throws: as ``open(_:options:)`` and ``create(_:options:)``, without `notFound` and `alreadyExists`; `differentShape` if what it
    ///   finds differs in one of ``RingOptions/exactTraits``.
    public static func openOrCreate(_ name: String, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        SPSCRing(try .openOrCreate(FileName(name), shape: .spsc, options: options))
    }

    // MARK: Names that need not be text

    /// As ``create(_:options:)``.
    public static func create(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        SPSCRing(try .create(name, shape: .spsc, options: options))
    }

    /// As ``open(_:options:)``.
    public static func open(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        SPSCRing(try .open(name, kind: .spsc, options: options))
    }

    /// As ``openOrCreate(_:options:)``.
    public static func openOrCreate(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        SPSCRing(try .openOrCreate(name, shape: .spsc, options: options))
    }

    /// As ``remove(_:options:)``.
    public static func remove(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) {
        let name = try SegmentName(name, in: options.directoryName)
        do throws(RingError) {
            try Segment.remove(name, owners: options.allowedOwners)
        } catch {
            guard error.code == .incompatible, try Segment.removeOtherVersion(name, owners: options.allowedOwners) else { throw error }
        }
    }

    // MARK: Rings without a name

    /// Makes a ring without a name, for parent and child or for peers who pass descriptors: sealed memory, which nobody can
    /// truncate under its users. It ends with its last user. A forked child can't use this handle: ask for a descriptor before, and open that
    /// there. See <doc:Embedding#Child-processes>.
    ///
    /// - Throws: `invalidOption`, `incompatible`, `outOfSpace`, `system`.
    public static func anonymous(options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        SPSCRing(try .anonymous(shape: .spsc, options: options))
    }

    /// Opens a ring by a descriptor that was inherited or received. The descriptor stays the caller's, to be closed at will.
    ///
    /// - Throws: `notSealed` for a file that could be truncated; otherwise as ``open(_:options:)``.
    public static func open(descriptor: Int32, options: RingOptions = RingOptions()) throws(RingError) -> SPSCRing {
        SPSCRing(try .open(descriptor: descriptor, kind: .spsc, options: options))
    }

    /// An anonymous ring's own descriptor; nil for a named ring.
    var ownedDescriptor: Descriptor? { handle.location.anonymousDescriptor }

    static func open(owned descriptor: Descriptor, called ring: String, options: RingOptions) throws(RingError) -> SPSCRing {
        SPSCRing(try .open(owned: descriptor, called: ring, kind: .spsc, options: options))
    }

    /// Takes a ring's name away. Nobody may be attached. A ring of an older layout version is taken away as well: see ``OtherVersionRing``.
    ///
    /// - Throws: `inUse`, naming the holders; `notFound`, `notARing`, `incompatible`, `wrongOwner`, `invalidName`, `system`.
    public static func remove(_ name: String, options: RingOptions = RingOptions()) throws(RingError) {
        try remove(named: FileName(name), options: options)
    }

    /// Brings a ring that was made to outlive restarts (``RingOptions/isDurable``) to the disk. Nobody may be attached:
    /// close the endpoints first.
    ///
    /// Until somebody attaches again, a restart of the machine, or a loss of power, leaves the ring as it is now. Blocks until the
    /// disk has everything; in a task the asynchronous form is meant.
    ///
    /// - Throws: `inUse`, naming the holders; `invalidOption` if the ring was not made for it; `notFound`, `system`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func flush() throws(RingError) { try handle.flush() }

    /// Brings the ring to the disk, as the form that blocks, on a thread that is started for it. Holds no thread of the pool.
    ///
    /// A task that is cancelled waits to the end all the same: what the disk is told can't be taken back.
    ///
    /// - Throws: as the form that blocks; `system` also if no thread can be started.
    public func flush() async throws(RingError) {
        try await OwnThread.run(for: handle.location.ring) { [handle] () throws(RingError) in try handle.flush() }
    }

    // MARK: Facts

    /// The bytes of the ring's data: a power of two.
    public var capacity: Int { handle.header.laneCapacity }
    /// The largest message, in bytes.
    public var largestMessage: Int { handle.header.largestMessage }
    /// What records are aligned to, in bytes.
    public var recordAlignment: Int { handle.header.recordAlignment }
    /// Its creator's free text.
    public var label: String { handle.header.label }

    /// A new descriptor of an anonymous ring, for handing over. The caller closes it; in a forked child it stays open.
    ///
    /// - Parameter inheritable: whether it survives `exec`.
    public func duplicateDescriptor(inheritable: Bool = false) throws(RingError) -> Int32 {
        try handle.duplicateDescriptor(inheritable: inheritable)
    }

    // MARK: Roles

    /// Becomes the ring's producer. Messages of an earlier producer that are still unread stay and come first.
    ///
    /// - Parameters:
    ///   - waiting: how to wait for room.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: `roleTaken`, naming the holder; `poisoned` if the ring's records make no sense; as ``open(_:options:)``, since
    ///   the ring may have changed since then; `replaced`.
    public func makeProducer(
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> Producer {
        Producer(
            try ProducerSide(
                attachment: try handle.attach(.anyLane, options), waiting: waiting, slice: options.checkInterval, prefault: options.prefault
            ))
    }

    /// Becomes the ring's consumer, at the first message that no earlier consumer acknowledged.
    ///
    /// - Parameters:
    ///   - acknowledgement: when a message's space is given back.
    ///   - waiting: how to wait for a message.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: as ``makeProducer(waiting:options:)``.
    public func makeConsumer(
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive,
        options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> Consumer {
        Consumer(
            try ConsumerSide(
                attachment: try handle.attach(.consumer, options), acknowledgement: acknowledgement, waiting: waiting,
                slice: options.checkInterval,
                prefault: options.prefault))
    }
}

/// A ring in shared memory with any number of producers, up to its lane count, and one consumer.
///
/// Every producer has a lane of its own: producers never wait for each other, and one that is stopped or killed holds
/// nobody up.
///
/// ```swift
/// var consumer = try MPSCRing.openOrCreate("log", lanes: 64).makeConsumer()
/// while let message = try consumer.next() { print(message.lane, message.text) }
/// ```
///
/// The handle names a ring and holds no role: copy it, send it to other threads, make endpoints of it. With a single producer
/// take ``SPSCRing``.
public struct MPSCRing: Sendable {
    /// The order of messages of different producers. Those of one producer always come in order.
    public enum Order: Sendable {
        /// Whichever lane is looked at first: the fastest.
        case perProducer
        /// The order of their sending: a send that returned before another began is delivered first. Every send draws a ticket
        /// from a counter that all share, and a producer that is *stopped* while it sends delays everybody's delivery until it
        /// goes on or dies.
        case total
    }

    private let handle: RingHandle

    private init(_ handle: RingHandle) { self.handle = handle }

    private static func shape(_ lanes: Int, _ order: Order) -> RingShape {
        RingShape(kind: .mpsc, laneCount: lanes, isTotallyOrdered: order == .total)
    }

    // MARK: Finding one

    /// Makes a new ring.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - lanes: how many producers there can be at a time, 1 to 1,024. Each costs `options.capacity` bytes of memory.
    ///   - order: between messages of different producers.
    ///   - options: see ``RingOptions``.
    /// - Throws: as ``SPSCRing/create(_:options:)``.
    public static func create(
        _ name: String, lanes: Int, order: Order = .perProducer, options: RingOptions = RingOptions()
    ) throws(RingError) -> MPSCRing {
        MPSCRing(try .create(FileName(name), shape: shape(lanes, order), options: options))
    }

    /// Finds an existing ring. See ``SPSCRing/open(_:options:)``.
    public static func open(_ name: String, options: RingOptions = RingOptions()) throws(RingError) -> MPSCRing {
        MPSCRing(try .open(FileName(name), kind: .mpsc, options: options))
    }

    /// Finds the ring of that name, or makes it. Its lane count and order are its creator's. See
    /// ``SPSCRing/openOrCreate(_:options:)``.
    public static func openOrCreate(
        _ name: String, lanes: Int, order: Order = .perProducer, options: RingOptions = RingOptions()
    ) throws(RingError) -> MPSCRing {
        MPSCRing(try .openOrCreate(FileName(name), shape: shape(lanes, order), options: options))
    }

    // MARK: Names that need not be text

    /// As ``create(_:lanes:order:options:)``.
    public static func create(
        named name: FileName, lanes: Int, order: Order = .perProducer, options: RingOptions = RingOptions()
    ) throws(RingError) -> MPSCRing {
        MPSCRing(try .create(name, shape: shape(lanes, order), options: options))
    }

    /// As ``open(_:options:)``.
    public static func open(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) -> MPSCRing {
        MPSCRing(try .open(name, kind: .mpsc, options: options))
    }

    /// As ``openOrCreate(_:lanes:order:options:)``.
    public static func openOrCreate(
        named name: FileName, lanes: Int, order: Order = .perProducer, options: RingOptions = RingOptions()
    ) throws(RingError) -> MPSCRing {
        MPSCRing(try .openOrCreate(name, shape: shape(lanes, order), options: options))
    }

    /// As ``remove(_:options:)``.
    public static func remove(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) {
        try SPSCRing.remove(named: name, options: options)
    }

    // MARK: Rings without a name

    /// Makes a ring without a name. See ``SPSCRing/anonymous(options:)``.
    public static func anonymous(
        lanes: Int, order: Order = .perProducer, options: RingOptions = RingOptions()
    ) throws(RingError) -> MPSCRing {
        MPSCRing(try .anonymous(shape: shape(lanes, order), options: options))
    }

    /// Opens a ring by a descriptor that was inherited or received. See ``SPSCRing/open(descriptor:options:)``.
    public static func open(descriptor: Int32, options: RingOptions = RingOptions()) throws(RingError) -> MPSCRing {
        MPSCRing(try .open(descriptor: descriptor, kind: .mpsc, options: options))
    }

    /// Takes a ring's name away. Nobody may be attached. See ``SPSCRing/remove(_:options:)``.
    public static func remove(_ name: String, options: RingOptions = RingOptions()) throws(RingError) {
        try SPSCRing.remove(name, options: options)
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

    /// How many producers there can be at a time.
    public var laneCount: Int { handle.header.laneCount }
    /// The order of messages of different producers.
    public var order: Order { handle.header.isTotallyOrdered ? .total : .perProducer }
    /// The bytes of each lane: a power of two.
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

    /// Becomes a producer: takes the first lane that nobody holds. What an earlier producer left in it comes first.
    ///
    /// - Parameters: as of ``SPSCRing/makeProducer(waiting:options:)``.
    /// - Throws: `roleTaken`, listing who holds the lanes, if all are taken; otherwise as
    ///   ``SPSCRing/makeProducer(waiting:options:)``. O(lanes) system calls.
    public func makeProducer(
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> Producer {
        Producer(
            try ProducerSide(
                attachment: try handle.attach(.anyLane, options), waiting: waiting, slice: options.checkInterval, prefault: options.prefault
            ))
    }

    /// Becomes the ring's consumer, in each lane at the first message that no earlier consumer acknowledged.
    ///
    /// - Parameters:
    ///   - ending: when there is nothing more to come.
    ///   - acknowledgement: when a message's space is given back.
    ///   - waiting: how to wait for a message.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: as ``SPSCRing/makeConsumer(acknowledgement:waiting:options:)``.
    public func makeConsumer(
        ending: MergingConsumer.Ending = .never, acknowledgement: Acknowledgement = .automatic,
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> MergingConsumer {
        MergingConsumer(
            try MergeSide(
                attachment: try handle.attach(.consumer, options), expectedEnds: ending.expected, budget: options.budget,
                acknowledgement: acknowledgement,
                waiting: waiting, slice: options.checkInterval, prefault: options.prefault))
    }
}

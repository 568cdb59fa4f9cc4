/// A ring in shared memory with any number of producers, up to its lane count, and one consumer.
///
/// Every producer has a lane of its own: producers never wait for each other, and one that is stopped or killed holds
/// none of them up.
///
/// ```swift
/// var consumer = try MPSCRing.openOrCreate("log", lanes: 64).makeConsumer()
/// while let message = try consumer.next() { print(message.lane, message.text) }
/// ```
///
/// The handle names a ring and holds no role: copy it, send it to other threads, make endpoints of it. With a single producer
/// take ``SPSCRing``.
public struct MPSCRing: MessageRing {
    /// The order of messages of different producers. Those of one producer always come in order.
    @nonexhaustive
    public enum Order: Sendable {
        /// Whichever lane is looked at first: the fastest.
        case perProducer
        /// The order of their sending: a send that returned before another began is delivered first. Every send draws a ticket
        /// from a counter that all share, and a producer that is *stopped* while it sends delays the delivery of all until it
        /// goes on or dies.
        case total
    }

    /// What the library knows the ring by.
    public let handle: RingHandle

    /// A ring value by the handle of another one.
    ///
    /// - Throws: `incompatible` if the handle leads to a ring of another kind.
    public init(handle: RingHandle) throws(RingError) {
        try handle.requireKind(Self.kind.stored)
        self.handle = handle
    }

    /// Which kind this is.
    public static var kind: RingKind { .mpsc }

    private static func shape(_ lanes: Int, _ order: Order) -> RingShape {
        RingShape(kind: kind.stored, laneCount: lanes, isTotallyOrdered: order == .total)
    }

    // MARK: Making one

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
        try MPSCRing(handle: .create(FileName(name), shape: shape(lanes, order), options: options))
    }

    /// Finds the ring of that name, or makes it. Its lane count and order are its creator's. See
    /// ``SPSCRing/openOrCreate(_:options:)``.
    public static func openOrCreate(
        _ name: String, lanes: Int, order: Order = .perProducer, options: RingOptions = RingOptions()
    ) throws(RingError) -> MPSCRing {
        try MPSCRing(handle: .openOrCreate(FileName(name), shape: shape(lanes, order), options: options))
    }

    // MARK: Names that need not be text

    /// As ``create(_:lanes:order:options:)``.
    public static func create(
        named name: FileName, lanes: Int, order: Order = .perProducer, options: RingOptions = RingOptions()
    ) throws(RingError) -> MPSCRing {
        try MPSCRing(handle: .create(name, shape: shape(lanes, order), options: options))
    }

    /// As ``openOrCreate(_:lanes:order:options:)``.
    public static func openOrCreate(
        named name: FileName, lanes: Int, order: Order = .perProducer, options: RingOptions = RingOptions()
    ) throws(RingError) -> MPSCRing {
        try MPSCRing(handle: .openOrCreate(name, shape: shape(lanes, order), options: options))
    }

    // MARK: Rings without a name

    /// Makes a ring without a name. See ``SPSCRing/anonymous(options:)``.
    public static func anonymous(
        lanes: Int, order: Order = .perProducer, options: RingOptions = RingOptions()
    ) throws(RingError) -> MPSCRing {
        try MPSCRing(handle: .anonymous(shape: shape(lanes, order), options: options))
    }

    // MARK: Facts

    /// How many producers there can be at a time.
    public var laneCount: Int { handle.header.laneCount }
    /// The order of messages of different producers.
    public var order: Order { handle.header.isTotallyOrdered ? .total : .perProducer }

    // MARK: Receiving

    /// Becomes the ring's consumer, in each lane at the first message that no earlier consumer acknowledged.
    ///
    /// - Parameters:
    ///   - ending: when there is nothing more to come.
    ///   - acknowledgement: when a message is acknowledged.
    ///   - waiting: how to wait for a message.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: as ``SPSCRing/makeConsumer(acknowledgement:waiting:options:)``.
    public func makeConsumer(
        ending: MergingConsumer.Ending = .never, acknowledgement: Acknowledgement = .automatic,
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> MergingConsumer {
        MergingConsumer(
            try LaneMerger(
                attachment: try handle.attach(.consumer, options), expectedEnds: ending.expected, budget: options.budget,
                acknowledgement: acknowledgement,
                waiting: waiting, checkInterval: options.checkInterval, prefault: options.prefault))
    }
}

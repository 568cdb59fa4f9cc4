/// A ring in shared memory with one publisher and any number of subscribers, each of which gets every message. The data is there once.
///
/// ```swift
/// var publisher = try BroadcastRing.openOrCreate("prices").makePublisher()
/// try publisher.waitForSubscribers(2)
/// try publisher.send("EURUSD 1.0842")
/// ```
///
/// Each subscriber chooses what happens when it is slow:
///
/// - A *reliable* one gets every message, in place. The publisher waits for it. One that is killed holds the publisher up for a check interval at most.
/// - A *lossy* one never holds the publisher up. It gets whole messages, and counts exactly how many it missed.
///
/// There is no eviction: a reliable subscriber that is alive holds the publisher up as long as it likes. A send with a timeout names it.
///
/// The handle names a ring and holds no role: copy it, send it to other threads, make endpoints of it.
public struct BroadcastRing: MessageRing {
    /// What the library knows the ring by.
    public let handle: RingHandle

    /// The library's own.
    public init(handle: RingHandle) { self.handle = handle }

    /// Which kind this is.
    public static var kind: RingKind { .broadcast }

    /// How many reliable subscribers a ring has room for where no number is given: 64.
    public static var defaultSubscribers: Int { 64 }

    private static func shape(_ subscribers: Int) -> RingShape {
        RingShape(kind: kind.stored, laneCount: 1, isTotallyOrdered: false, slotCount: subscribers)
    }

    // MARK: Making one

    /// Makes a new ring.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - subscribers: how many reliable subscribers there can be at a time, 1 to 256. Each costs 512 bytes of memory. Of lossy ones there may be
    ///     any number.
    ///   - options: see ``RingOptions``.
    /// - Throws: as ``SPSCRing/create(_:options:)``.
    public static func create(
        _ name: String, subscribers: Int = defaultSubscribers, options: RingOptions = RingOptions()
    ) throws(RingError) -> BroadcastRing {
        try create(named: FileName(name), subscribers: subscribers, options: options)
    }

    /// Finds the ring of that name, or makes it. How many subscribers it has room for is its creator's choice. See ``SPSCRing/openOrCreate(_:options:)``.
    public static func openOrCreate(
        _ name: String, subscribers: Int = defaultSubscribers, options: RingOptions = RingOptions()
    ) throws(RingError) -> BroadcastRing {
        try openOrCreate(named: FileName(name), subscribers: subscribers, options: options)
    }

    // MARK: Names that need not be text

    /// As ``create(_:subscribers:options:)``.
    public static func create(
        named name: FileName, subscribers: Int = defaultSubscribers, options: RingOptions = RingOptions()
    ) throws(RingError) -> BroadcastRing {
        BroadcastRing(handle: try .create(name, shape: shape(subscribers), options: options))
    }

    /// As ``openOrCreate(_:subscribers:options:)``.
    public static func openOrCreate(
        named name: FileName, subscribers: Int = defaultSubscribers, options: RingOptions = RingOptions()
    ) throws(RingError) -> BroadcastRing {
        BroadcastRing(handle: try .openOrCreate(name, shape: shape(subscribers), options: options))
    }

    // MARK: Rings without a name

    /// Makes a ring without a name. See ``SPSCRing/anonymous(options:)``.
    public static func anonymous(
        subscribers: Int = defaultSubscribers, options: RingOptions = RingOptions()
    ) throws(RingError) -> BroadcastRing {
        BroadcastRing(handle: try .anonymous(shape: shape(subscribers), options: options))
    }

    // MARK: Facts

    /// How many reliable subscribers there can be at a time.
    public var subscriberCount: Int { handle.header.slotCount }

    // MARK: Publishing

    /// Becomes the ring's publisher, behind everything that was sent before. The same as `makeProducer`.
    ///
    /// - Parameters:
    ///   - waiting: how to wait for room.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: `roleTaken`, naming the holder; otherwise as `makeProducer`.
    public func makePublisher(
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> Producer {
        try makeProducer(waiting: waiting, options: options)
    }

    // MARK: Subscribing

    /// Becomes a subscriber.
    ///
    /// - Parameters:
    ///   - delivery: what happens when the subscriber is slow.
    ///   - start: which message is the first.
    ///   - acknowledgement: when a message's space is given back. A lossy subscriber holds no space, and has no use for it.
    ///   - waiting: how to wait for a message.
    ///   - timeout: how long to try to join beside a publisher that sends without a pause; nil: as long as it takes 10,000 tries.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: `roleTaken`, naming the holders, if there is no room for a further reliable subscriber; `timedOut`; `poisoned` if the ring's words make no
    ///   sense; as ``MessageRing/open(_:options:)``, since the ring may have changed since then; `replaced`. O(subscribers) system calls.
    public func makeSubscriber(
        _ delivery: Subscriber.Delivery = .reliable, from start: Subscriber.Start = .now, acknowledgement: Acknowledgement = .automatic,
        waiting: WaitStrategy = .adaptive, timeout: Duration? = nil, options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> Subscriber {
        if case .last(let count) = start, count < 0 {
            throw RingError(.invalidOption, ring: handle.location.ring, "a subscriber can't begin with the last \(count) messages")
        }
        let attachment = try handle.attach(delivery == .reliable ? .anySlot : .observer, options)
        let subscription = try Subscription(
            attachment, from: start.subscriptionStart, until: Deadline(after: timeout), prefault: options.prefault)
        return Subscriber(
            try ConsumerCore(
                subscription, of: attachment, acknowledgement: acknowledgement, waiting: waiting, slice: options.checkInterval))
    }
}

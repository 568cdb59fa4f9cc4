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
/// - A *durable* one is reliable, and the publisher waits for it also while it is not there, until it comes back under its name.
/// - One with a *soft gate* is waited for as long as the publisher has patience, and misses what is written over then.
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
    /// Blocks beside a publisher that sends without a pause, until the subscriber has joined or the timeout has passed; in a task the asynchronous form
    /// is meant.
    ///
    /// With a name a reliable subscriber can come back: it goes on where it had acknowledged, so that what it had received and not acknowledged comes again, *at
    /// least once*. After a kill that works for as long as the publisher has not needed the room; see ``Subscriber/isResumed``. A durable one keeps its place
    /// in any case. If an untrusted peer has stored such a place that there is no going on, the call throws `poisoned`; see `removeSubscriber(named:)`.
    ///
    /// - Parameters:
    ///   - delivery: what happens when the subscriber is slow.
    ///   - name: the name under which it comes back, 1 to 64 bytes without a NUL; nil: it does not come back. One process at a time has a name.
    ///   - start: which message is the first, if it does not go on where it was.
    ///   - acknowledgement: when a message is acknowledged. A lossy subscriber holds no space, and has no use for it.
    ///   - waiting: how to wait for a message.
    ///   - timeout: how long to try to join beside a publisher that sends without a pause, and while a process flushes or removes the ring, or keeps its
    ///     names locked; nil: as long as it takes 10,000 tries.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: `roleTaken`, naming the holders, if there is no room for a further reliable subscriber, or another process has the name; `timedOut`;
    ///   `invalidName`; `invalidOption` for a durable one without a name, and a lossy one with one; `poisoned` if the ring's words make no
    ///   sense; as ``MessageRing/open(_:options:)``, since the ring may have changed since then; `replaced`. O(subscribers) system calls.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func makeSubscriber(
        _ delivery: Subscriber.Delivery = .reliable, as name: String? = nil, from start: Subscriber.Start = .now,
        acknowledgement: Acknowledgement = .automatic,
        waiting: WaitStrategy = .adaptive, timeout: Duration? = nil, options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> Subscriber {
        Subscriber(try subscribe(delivery, name, start, acknowledgement, waiting, timeout, options))
    }

    /// Becomes a subscriber, as the form that blocks, on a thread that is started for it.
    ///
    /// Cancelling the task does not end it: the timeout does.
    ///
    /// - Throws: as the form that blocks; `system` also if no thread can be started.
    public func makeSubscriber(
        _ delivery: Subscriber.Delivery = .reliable, as name: String? = nil, from start: Subscriber.Start = .now,
        acknowledgement: Acknowledgement = .automatic,
        waiting: WaitStrategy = .adaptive, timeout: Duration? = nil, options: EndpointOptions = EndpointOptions()
    ) async throws(RingError) -> Subscriber {
        Subscriber(
            try await OwnThread.run(for: handle.location.ring) { () throws(RingError) in
                try subscribe(delivery, name, start, acknowledgement, waiting, timeout, options)
            })
    }

    private func subscribe(
        _ delivery: Subscriber.Delivery, _ name: String?, _ start: Subscriber.Start, _ acknowledgement: Acknowledgement,
        _ waiting: WaitStrategy, _ timeout: Duration?, _ options: EndpointOptions
    ) throws(RingError) -> ConsumerCore {
        if case .last(let count) = start, count < 0 {
            throw RingError(.invalidOption, ring: handle.location.ring, "a subscriber can't begin with the last \(count) messages")
        }
        let bytes = try name.map { text throws(RingError) in try SlotClaim.name(text, ring: handle.location.ring) }
        let request: Attachment.Request
        switch delivery {
        case .reliable, .durable:
            if delivery == .durable, bytes == nil {
                throw RingError(.invalidOption, ring: handle.location.ring, "a durable subscriber needs a name to come back under")
            }
            request = .slot(bytes.map(SlotRequest.named) ?? .any)
        case .lossy, .softGated:
            if let name {
                throw RingError(
                    .invalidOption, ring: handle.location.ring,
                    "a subscriber that may miss messages, as a lossy one, does not come back under a name like '\(String(escaping: Array(name.utf8)))'"
                )
            }
            request = delivery == .lossy ? .observer : .slot(.any)
        }
        let deadline = timeout.map { Deadline(after: $0) }
        let attachment = try handle.attach(request, options, until: deadline)
        let subscription = try Subscription(
            attachment, as: bytes ?? [], isDurable: delivery == .durable, isSoft: delivery == .softGated,
            from: start.subscriptionStart, until: deadline ?? .never, prefault: options.prefault)
        return try ConsumerCore(
            subscription, of: attachment, acknowledgement: acknowledgement, waiting: waiting, checkInterval: options.checkInterval)
    }

    /// Removes the subscriber of a name, durable or not, while no process has the name: it holds nothing up any more, and its place is free. O(subscribers)
    /// system calls.
    ///
    /// Blocks only while another process takes or removes a name, for some system calls. If that process is stopped meanwhile, this call throws `inUse` after
    /// 10,000 tries, which take some 10 seconds. In a task the asynchronous form is meant.
    ///
    /// - Parameter name: under which it would come back.
    /// - Throws: `subscriberNotFound`; `roleTaken`, naming the holder, if it is attached; `invalidName`; otherwise as `makeSubscriber`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func removeSubscriber(named name: String) throws(RingError) {
        try remove(name)
    }

    /// Removes the subscriber of a name, as the form that blocks, on a thread that is started for it.
    ///
    /// - Throws: as the form that blocks; `system` also if no thread can be started.
    public func removeSubscriber(named name: String) async throws(RingError) {
        try await OwnThread.run(for: handle.location.ring) { () throws(RingError) in try remove(name) }
    }

    private func remove(_ name: String) throws(RingError) {
        let bytes = try SlotClaim.name(name, ring: handle.location.ring)
        let attachment = try handle.attach(.slot(.existing(bytes)), EndpointOptions())
        guard case .subscriber(let slot) = attachment.role else { return }
        SubscriberSlot(attachment, slot: slot).remove()
        attachment.unlock()
    }
}

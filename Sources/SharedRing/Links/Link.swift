/// Both directions between two processes: a producer of one ring and the consumer of another.
///
/// The rings are anonymous and sealed; they were handed over through a Unix socket at a path, which stays open as long as either
/// endpoint does. The other side's death ends its socket, and so every wait on this side at once, with `peerDied`.
///
/// ```swift
/// var link = try Link.connect(path: "/run/quotes.socket", timeout: .seconds(5))
/// try link.producer.send("EURUSD")
/// let answer = try link.consumer.receive()
/// ```
///
/// Its endpoints can be taken out of it, each once, for two tasks: `let producer = link.producer`, `let consumer = link.consumer`.
@frozen
public struct Link: ~Copyable, Sendable {
    /// To the other side.
    public var producer: Producer
    /// From the other side.
    public var consumer: Consumer
    /// The process at the other end.
    public let peer: LinkPeer

    init(producer: consuming Producer, consumer: consuming Consumer, peer: LinkPeer) {
        self.producer = producer
        self.consumer = consumer
        self.peer = peer
    }

    /// Connects to a listener.
    ///
    /// Blocks its thread until it has. In async code use the form that does not.
    ///
    /// - Parameters:
    ///   - path: of its socket, at most 107 bytes.
    ///   - options: see ``LinkOptions``.
    ///   - timeout: how long to wait for one that listens there: nil, for ever; zero, not at all. After it has answered,
    ///     ``LinkOptions/handshakeTimeout`` counts.
    /// - Throws: `notFound` if no process listens there in time; `wrongOwner` if the listener or this process is of a user that the
    ///   other does not allow; `incompatible`, `handshakeFailed`, `peerDied` if the listener ended meanwhile, `timedOut`, `system`,
    ///   and what opening a ring throws.
    @available(*, noasync, message: "blocks its thread: use 'try await Link.connect(…)'")
    public static func connect(
        path: String, options: LinkOptions = LinkOptions(), timeout: Duration? = .zero
    ) throws(RingError) -> Link {
        try connect(named: FileName(path), options: options, timeout: timeout)
    }

    /// Connects to a listener at a path that need not be text, and blocks its thread until it has. As `connect(path:)` otherwise.
    ///
    /// - Parameters: as of `connect(path:)`.
    /// - Throws: as `connect(path:)`.
    @available(*, noasync, message: "blocks its thread: use 'try await Link.connect(…)'")
    public static func connect(
        named path: FileName, options: LinkOptions = LinkOptions(), timeout: Duration? = .zero
    ) throws(RingError) -> Link {
        let socket = try LinkSocket.connect(path: path, until: Deadline(after: timeout))
        return try ClientHandshake(socket, options).finished()
    }

    /// Connects to a listener, and holds no thread while it waits. Otherwise as the form that blocks.
    ///
    /// It looks for the listener, and for its answer, at first after 0.1 ms and then every 5 ms at most.
    ///
    /// - Throws: as the form that blocks; `cancelled` if the task is cancelled.
    public static func connect(
        path: String, options: LinkOptions = LinkOptions(), timeout: Duration? = .zero
    ) async throws(RingError) -> Link {
        try await connect(named: FileName(path), options: options, timeout: timeout)
    }

    /// Connects to a listener at a path that need not be text, and holds no thread while it waits. Otherwise as the form that blocks.
    ///
    /// - Parameters: as of `connect(path:)`.
    /// - Throws: as the form that blocks; `cancelled` if the task is cancelled.
    public static func connect(
        named path: FileName, options: LinkOptions = LinkOptions(), timeout: Duration? = .zero
    ) async throws(RingError) -> Link {
        let socket = try await LinkSocket.connect(path: path, until: Deadline(after: timeout))
        return try await ClientHandshake(socket, options).finished()
    }

    /// Ends both directions in order.
    public consuming func close() throws(RingError) {
        let consumer = consumer
        try producer.close()
        try consumer.close()
    }

    /// Ends both directions as ``close()`` does, where the link can't be given away: in a stored property, an actor, a `defer`.
    ///
    /// Ending again does nothing; everything else throws `ended` from then on. Does not block.
    ///
    /// - Throws: as `end()` of the producer and of the consumer. One end that can't be ended keeps nothing from the other.
    public mutating func end() throws(RingError) {
        do throws(RingError) { try producer.end() } catch {
            try? consumer.end()
            throw error
        }
        try consumer.end()
    }
}

/// The process at the other end of a link, as the kernel noted it when the connection was made.
@frozen
public struct LinkPeer: Sendable, Hashable {
    /// In this process's pid namespace; 0 if it is not visible there.
    public let processID: UInt32
    /// Its effective user id.
    public let userID: UInt32

    init(processID: UInt32, userID: UInt32) {
        self.processID = processID
        self.userID = userID
    }
}

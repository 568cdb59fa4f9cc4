extension CallService {
    /// Connects to a listener that hands this kind of service out: see ``LinkListener/init(path:serving:options:)``.
    ///
    /// The service is the listener's, with an anonymous segment that all its clients share. The socket is not kept: a server's death is found by its lock.
    ///
    /// Blocks its thread until it has. In async code use the form that does not.
    ///
    /// - Parameters:
    ///   - path: of the listener's socket, at most 107 bytes.
    ///   - options: see ``LinkOptions``; those about endpoints mean nothing here.
    ///   - timeout: how long to wait for one that listens there: nil, for ever; zero, not at all. After it has answered,
    ///     ``LinkOptions/handshakeTimeout`` counts.
    /// - Throws: `notFound` if no process listens there in time; `wrongOwner` if the listener or this process is of a user that the other does not allow;
    ///   `incompatible` if it hands out links; `handshakeFailed`, `peerDied`, `timedOut`, `system`, and what opening a service throws.
    @available(*, noasync, message: "blocks its thread: use 'try await CallService.connect(…)'")
    public static func connect(
        path: String, options: LinkOptions = LinkOptions(), timeout: Duration? = .zero
    ) throws(RingError) -> CallService {
        let socket = try LinkSocket.connect(path: FileName(path), until: Deadline(after: timeout))
        return try ClientHandshake(socket, options).finishedService()
    }

    /// Connects to a listener, and holds no thread while it waits. Otherwise as the form that blocks.
    ///
    /// - Throws: as the form that blocks; `cancelled` if the task is cancelled.
    public static func connect(
        path: String, options: LinkOptions = LinkOptions(), timeout: Duration? = .zero
    ) async throws(RingError) -> CallService {
        let socket = try await LinkSocket.connect(path: FileName(path), until: Deadline(after: timeout))
        return try await ClientHandshake(socket, options).finishedService()
    }
}

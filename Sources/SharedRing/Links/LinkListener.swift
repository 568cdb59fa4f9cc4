import CSharedRing

/// Accepts clients at a path, and gives each its own ``Link``.
///
/// ```swift
/// let listener = try LinkListener(path: "/run/quotes.socket")
/// while true {
///     let link = try listener.accept()
///     serve(link)
/// }
/// ```
///
/// A path has one listener: it holds a lock on `PATH.lock`, which the kernel unlocks when the listener dies, whatever killed it. So the
/// socket that a dead listener left behind is replaced, and a live one's never is. A listener that is closed removes both files.
///
/// A thread of its own, named `sharedring-link`, receives the clients, and their handshakes go side by side: 64 at most are under way or wait to be
/// taken by `accept`. A client that says nothing holds up no other. While all places are occupied, the one that was silent for longest goes,
/// once that was an eighth of ``LinkOptions/handshakeTimeout``; clients that find no place wait.
///
/// Copies are the same listener: the reference can be used from any thread. It ends with ``close()`` or its last reference.
public final class LinkListener: Sendable {
    /// Where it listens, byte for byte.
    public let fileName: FileName
    /// The same as text, repaired if it is not UTF-8.
    public var path: String { fileName.repairedText }
    private let reception: Reception
    private let generation = sr_fork_generation()

    /// Begins to listen. Clients are received from now on.
    ///
    /// - Parameters:
    ///   - path: at most 107 bytes. Keep it in a directory that only trusted users can write to.
    ///   - options: see ``LinkOptions``.
    /// - Throws: `inUse` if a living process listens there; `wrongOwner` if the lock file is another user's, `alreadyExists` if the path names
    ///   something else than a socket; `invalidName`, `system`.
    public convenience init(path: String, options: LinkOptions = LinkOptions()) throws(RingError) {
        try self.init(named: FileName(path), options: options)
    }

    /// Begins to listen at a path that need not be text. Otherwise as ``init(path:options:)``.
    public init(named path: FileName, options: LinkOptions = LinkOptions()) throws(RingError) {
        fileName = path
        reception = try Reception(try ListeningSocket(path: path, permissions: options.permissions), options)
    }

    /// Begins to hand out a call service: every client that is allowed gets its segment, and makes a ``CallClient`` of it: with `CallService.connect(path:)`.
    ///
    /// The listener gives no links: `accept` waits, and reports clients that were refused. Clients share the service's memory; one that does not keep the protocol
    /// can disturb the others' calls, as <doc:Threats> says of every segment.
    ///
    /// - Parameters:
    ///   - path: at most 107 bytes. Keep it in a directory that only trusted users can write to.
    ///   - service: an anonymous one. For clients of other users, its ``RingOptions/permissions`` must let them read and write.
    ///   - options: see ``LinkOptions``; those about rings and endpoints mean nothing here.
    /// - Throws: `invalidOption` for a service with a name; as ``init(path:options:)``.
    public init(path: String, serving service: CallService, options: LinkOptions = LinkOptions()) throws(RingError) {
        fileName = FileName(path)
        guard let descriptor = service.handle.location.anonymousDescriptor else {
            throw RingError(
                .invalidOption, link: fileName,
                "it can hand out an anonymous call service only: '\(service.handle.ring)' is opened by its name")
        }
        reception = try Reception(try ListeningSocket(path: fileName, permissions: options.permissions), options, service: descriptor)
    }

    deinit { if sr_fork_generation() == generation { reception.close() } }

    /// Readable while `accept` need not wait: it has a link, a client to report as refused, or an error. For event loops, which
    /// call `accept(timeout: .zero)` then, and do not read it or close it. -1 in a forked child.
    public var descriptor: Int32 { reception.news.userNumber }

    /// The next client's link. Both of this side's roles and both of the client's are taken when it returns.
    ///
    /// Blocks its thread until there is one. In async code use the form that does not.
    ///
    /// - Parameters:
    ///   - timeout: how long to wait for a link: nil, for ever; zero, not at all.
    ///   - refused: called for every client that was turned away, or did not speak as one: `wrongOwner`, `incompatible`,
    ///     `handshakeFailed`, `peerDied`. Also of clients that could not be served, since the process or the system has no descriptor or memory to
    ///     spare: `system`, `outOfSpace`; the listener goes on, and those who wait are accepted when it has.
    /// - Throws: `timedOut`, `cancelled` once the listener is closed, `system`, `forked`, and what making rings throws.
    @available(*, noasync, message: "blocks its thread: use 'try await accept(…)'")
    public func accept(timeout: Duration? = nil, refused: (RingError) -> Void = { _ in }) throws(RingError) -> Link {
        try requireOwnProcess()
        let deadline = Deadline(after: timeout)
        while true {
            if let link = try next(refused) { return link.take() }
            try requireTime(deadline)
            reception.wait(until: deadline)
        }
    }

    /// The next client's link, waited for without holding a thread. Otherwise as the form that blocks.
    ///
    /// - Throws: as the form that blocks; `cancelled` also if the task is cancelled.
    public func accept(timeout: Duration? = nil, refused: (RingError) -> Void = { _ in }) async throws(RingError) -> Link {
        try requireOwnProcess()
        let deadline = Deadline(after: timeout)
        while true {
            if let link = try next(refused) { return link.take() }
            if Task.isCancelled { throw RingError(.cancelled, link: fileName, "the task that waited for clients was cancelled") }
            try requireTime(deadline)
            await reception.wait(until: deadline)
        }
    }

    private func requireOwnProcess() throws(RingError) {
        guard sr_fork_generation() == generation else {
            throw RingError(.forked, link: fileName, "this listener belongs to the parent of this forked process")
        }
    }

    private func requireTime(_ deadline: Deadline) throws(RingError) {
        if deadline.isPassed(at: sr_now_ns()) { throw RingError(.timedOut, link: fileName, "no client before the deadline") }
    }

    /// A link, if there is one now.
    private func next(_ refused: (RingError) -> Void) throws(RingError) -> OwnedLink? {
        while let outcome = reception.next() {
            switch outcome {
            case .link(let link): return link
            case .refused(let error): refused(error)
            case .failed(let error): throw error
            }
        }
        if reception.isClosed { throw RingError(.cancelled, link: fileName, "the listener was closed") }
        return nil
    }

    /// Stops listening, in whatever thread or task waits for clients, and removes its socket's file and the lock's, if these are still its own.
    /// Links that were accepted go on; clients that were not hang up. Does nothing the second time, or in a forked child.
    public func close() { if sr_fork_generation() == generation { reception.close() } }
}

import CSharedRing
import Synchronization

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
/// There is one listener a path: it holds a lock on `PATH.lock`, a file that stays, and which the kernel unlocks when the
/// listener dies, whatever killed it. So the socket that a dead listener left behind is replaced, and a live one's never is.
///
/// Copies are the same listener: the reference can be used from any thread. It ends with ``close()`` or its last reference.
public final class LinkListener: Sendable {
    /// Where it listens.
    public let path: String
    private let options: LinkOptions
    private let socket: Descriptor
    /// Readable once closed.
    private let stop: Descriptor
    private let lock: RoleLock
    private let isClosed = Atomic(false)
    private let generation = sr_fork_generation()

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - path: at most 107 bytes. Keep it in a directory that only trusted users can write to.
    ///   - options: see ``LinkOptions``.
    /// - Throws: `inUse` if a living process listens there; `alreadyExists` if the path names something else than a socket; `system`.
    public init(path: String, options: LinkOptions = LinkOptions()) throws(RingError) {
        self.path = path
        self.options = options
        func failure(_ result: Int32, _ what: String) -> RingError { RingError(.system, ring: path, errno: -result, what) }
        try LinkSocket.check(path)

        // SAFETY, for the whole class: the strings live for the length of their calls.
        let opened = unsafe sr_open_lock_file(path + ".lock")
        guard opened >= 0 else { throw failure(opened, "its lock file '\(path).lock' can't be opened") }
        let lockFile = Descriptor(opened)
        let isLocked: Bool
        do throws(SystemFailure) {
            lock = try RoleLock(directory: -1, name: nil, of: lockFile.number)
            isLocked = try lock.take(.consumer)
        } catch {
            throw RingError(.system, ring: path, errno: error.errno, "its lock file can't be locked")
        }
        guard isLocked else { throw RingError(.inUse, ring: path, "a living process listens there") }

        // Whoever left something under this name did not hold the lock, or is dead.
        let type = unsafe sr_path_type(path)
        if type >= 0 {
            guard type == 0o140000 else { throw RingError(.alreadyExists, ring: path, "something that is not a socket stands there") }
            // A program that knows nothing of our lock?
            let probe = unsafe sr_socket_connect(path, 0)
            if probe >= 0 { _ = sr_close(probe) }
            guard probe == -SystemFailure.connectionRefused || probe == -SystemFailure.notFound else {
                throw RingError(.inUse, ring: path, "another program listens there")
            }
            _ = unsafe sr_path_remove(path)
        }
        let listening = unsafe sr_socket_listen(path, options.permissions)
        guard listening >= 0 else { throw failure(listening, "it can't be listened at") }
        socket = Descriptor(listening)
        let event = sr_event()
        guard event >= 0 else { throw failure(event, "no event descriptor") }
        stop = Descriptor(event)
    }

    deinit { if sr_fork_generation() == generation { close() } }

    /// Readable while a client waits to be accepted, for event loops.
    public var descriptor: Int32 { socket.number }

    /// The next client's link. Both of this side's roles and both of the client's are taken when it returns.
    ///
    /// - Parameters:
    ///   - timeout: how long to wait for a client: nil, for ever; zero, not at all. A client that has connected may take
    ///     ``LinkOptions/handshakeTimeout`` besides.
    ///   - refused: told of every client that was turned away, or did not speak as one: `wrongOwner`, `incompatible`,
    ///     `handshakeFailed`, `peerDied`. Another is waited for then.
    /// - Throws: `timedOut`, `cancelled` once the listener is closed, `system`, `forked`, and what making rings throws.
    public func accept(timeout: Duration? = nil, refused: (RingError) -> Void = { _ in }) throws(RingError) -> Link {
        guard sr_fork_generation() == generation else {
            throw RingError(.forked, ring: path, "this listener belongs to the parent of this forked process")
        }
        let deadline = Deadline(after: timeout)
        while true {
            let accepted = sr_socket_accept(socket.number, stop.number, deadline.nanoseconds)
            switch accepted {
            case -SystemFailure.timedOut: throw RingError(.timedOut, ring: path, "no client before the deadline")
            case ..<0 where isClosed.load(ordering: .acquiring): throw RingError(.cancelled, ring: path, "the listener was closed")
            case ..<0: throw RingError(.system, ring: path, errno: -accepted, "no client can be accepted")
            default: break
            }
            do throws(RingError) {
                return try Handshake(LinkSocket(accepted, path: path), options).asListener()
            } catch {
                switch error.code {
                case .wrongOwner, .incompatible, .handshakeFailed, .peerDied: refused(error)
                default: throw error
                }
            }
        }
    }

    /// Stops listening, in whatever thread waits for clients, and removes the path. Links that were accepted go on.
    public func close() {
        isClosed.store(true, ordering: .releasing)
        _ = sr_event_set(stop.number)
        guard lock.descriptor >= 0, let isOurs = try? lock.take(.consumer), isOurs else { return }
        _ = unsafe sr_path_remove(path)
        _ = sr_socket_shut(socket.number)
        lock.giveBack()
    }
}

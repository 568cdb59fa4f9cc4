/// Request and reply between processes of one machine: clients that call, servers that answer.
///
/// A call goes through a slot of its client's: a request of up to 48 bytes and its reply take one cache line between the two processes.
/// A caller that waits gets the reply to its own call, or a clear word on whether the request was carried out: see ``CallError/Outcome``. A server's death is
/// found by its lock, within a check interval, and a new server answers what was not started.
///
/// ```swift
/// let service = try CallService.openOrCreate("store")
/// // One process:
/// var server = try service.makeServer()
/// try server.serve { request, answer in try answer.reply(request.bytes) }
/// // Another:
/// let client = try service.makeClient()
/// let reply = try client.call("ping", timeout: .seconds(1))
/// ```
///
/// The handle names a service and holds no role: copy it, send it to other threads, make servers and clients of it.
public struct CallService: Sendable {
    /// For how many clients and servers it has room, and for how large messages. A creator's choice, for good.
    public struct Shape: Sendable, Hashable {
        /// How many calls there can be at a time: slots, 1 to 1,024. A client takes a slot for each call that it has under way.
        public var clients: Int
        /// How many servers there can be at a time: 1 to 64.
        public var servers: Int
        /// The largest request, in bytes: up to 2^27. Requests of 48 bytes always fit.
        public var requestCapacity: Int
        /// The largest reply, in bytes: up to 2^27. Replies of 48 bytes always fit.
        public var replyCapacity: Int
        /// The bytes of each slot's lane for streams of replies: rounded up to a power of two, at least 256, at most 2^29. 0: no call has a stream, and the
        /// service takes no memory for it. A part has at most half of it, less 8 bytes. See ``CallClient`` and ``CallStream``.
        public var streamCapacity: Int

        /// A shape, each part of which has a default.
        ///
        /// - Parameters:
        ///   - clients: see ``clients``.
        ///   - servers: see ``servers``.
        ///   - requestCapacity: in bytes; see ``requestCapacity``.
        ///   - replyCapacity: in bytes; see ``replyCapacity``.
        ///   - streamCapacity: in bytes; see ``streamCapacity``.
        public init(
            clients: Int = 64, servers: Int = 8, requestCapacity: Int = 4096, replyCapacity: Int = 4096, streamCapacity: Int = 0
        ) {
            self.clients = clients
            self.servers = servers
            self.requestCapacity = requestCapacity
            self.replyCapacity = replyCapacity
            self.streamCapacity = streamCapacity
        }
    }

    let handle: CallHandle

    init(_ handle: CallHandle) { self.handle = handle }

    // MARK: Making and finding one

    /// Makes a new service.
    ///
    /// Its memory is reserved in full, and it appears under its name only when it is whole.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - shape: see ``Shape``.
    ///   - options: see ``RingOptions``; `capacity`, `recordAlignment`, `exactTraits` and `isPersistent` have no meaning here.
    /// - Throws: `alreadyExists`, `outOfSpace`, `invalidName`, `invalidOption`, `incompatible`, `system`.
    public static func create(_ name: String, shape: Shape = Shape(), options: RingOptions = RingOptions()) throws(RingError) -> CallService
    {
        try create(named: FileName(name), shape: shape, options: options)
    }

    /// As ``create(_:shape:options:)``, of a name that need not be text.
    public static func create(
        named name: FileName, shape: Shape = Shape(), options: RingOptions = RingOptions()
    ) throws(RingError) -> CallService {
        CallService(try onCalls { () throws(RingError) in try .create(name, shape, options: options) })
    }

    /// Finds an existing service.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - options: the directory and the allowed owners count, and ``RingOptions/acceptsUnflushed``.
    /// - Throws: `notFound`, `notARing`, `damaged`, `incompatible`, `wrongOwner`, `invalidName`, `system`.
    public static func open(_ name: String, options: RingOptions = RingOptions()) throws(RingError) -> CallService {
        try open(named: FileName(name), options: options)
    }

    /// As ``open(_:options:)``, of a name that need not be text.
    public static func open(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) -> CallService {
        CallService(try onCalls { () throws(RingError) in try .open(name, options: options) })
    }

    /// Finds the service of that name, as it is, or makes it as ``create(_:shape:options:)`` does. A client or server made of this handle later does the
    /// same again, should the service have been removed meanwhile.
    ///
    /// - Throws: as `open` and `create`, without `notFound` and `alreadyExists`; `differentShape` if ``RingOptions/exactTraits`` has `callShape`.
    public static func openOrCreate(
        _ name: String, shape: Shape = Shape(), options: RingOptions = RingOptions()
    ) throws(RingError) -> CallService {
        try openOrCreate(named: FileName(name), shape: shape, options: options)
    }

    /// As ``openOrCreate(_:shape:options:)``, of a name that need not be text.
    public static func openOrCreate(
        named name: FileName, shape: Shape = Shape(), options: RingOptions = RingOptions()
    ) throws(RingError) -> CallService {
        CallService(try onCalls { () throws(RingError) in try .openOrCreate(name, shape, options: options) })
    }

    /// Makes a service without a name: sealed memory, for parent and child or for peers that pass descriptors. It ends with its last user.
    ///
    /// - Throws: `invalidOption`, `incompatible`, `outOfSpace`, `system`.
    public static func anonymous(shape: Shape = Shape(), options: RingOptions = RingOptions()) throws(RingError) -> CallService {
        CallService(try onCalls { () throws(RingError) in try .anonymous(shape, options: options) })
    }

    /// Opens a service by a descriptor that was inherited or received. The descriptor stays the caller's, to be closed at will.
    ///
    /// - Throws: `notSealed` for a file that could be truncated; otherwise as ``open(_:options:)``.
    public static func open(descriptor: Int32, options: RingOptions = RingOptions()) throws(RingError) -> CallService {
        CallService(try onCalls { () throws(RingError) in try .open(descriptor: descriptor, options: options) })
    }

    /// Takes a service's name away. No client and no server may be attached.
    ///
    /// - Throws: `inUse`, naming them; `notFound`, `notARing`, `incompatible`, `wrongOwner`, `invalidName`, `system`.
    public static func remove(_ name: String, options: RingOptions = RingOptions()) throws(RingError) {
        try remove(named: FileName(name), options: options)
    }

    /// As ``remove(_:options:)``, of a name that need not be text.
    public static func remove(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) {
        try onCalls { () throws(RingError) in
            _ = try Segment.remove(try SegmentName(name, in: options.directoryName), owners: options.allowedOwners) {
                segment throws(RingError) in
                try CallHandle.requireCalls(segment.header, ring: name.description)
                return true
            }
        }
    }

    /// A new descriptor of an anonymous service, for handing over. The caller closes it; in a forked child it stays open.
    ///
    /// - Parameter inheritable: whether it survives `exec`.
    /// - Throws: `invalidOption` for a named service; `forked`, `system`.
    public func duplicateDescriptor(inheritable: Bool = false) throws(RingError) -> Int32 {
        try onCalls { () throws(RingError) in try handle.duplicateDescriptor(inheritable: inheritable) }
    }

    // MARK: Facts

    /// The shape that its creator chose. A capacity of less than 48 bytes is 48, and one for streams a power of two.
    public var shape: Shape {
        let shape = handle.shape
        return Shape(
            clients: shape.slotCount, servers: shape.serverCount, requestCapacity: shape.requestCapacity,
            replyCapacity: shape.replyCapacity,
            streamCapacity: shape.streamCapacity)
    }
    /// Its creator's free text.
    public var label: String { handle.header.label }

    // MARK: Servers and clients

    /// Becomes a server, until the server ends. Several servers share the work.
    ///
    /// - Parameters:
    ///   - waiting: how to wait for requests.
    ///   - options: see ``EndpointOptions``; `budget` has no meaning here.
    /// - Throws: `roleTaken` if all places for servers are taken, naming the holders; as ``open(_:options:)``, since the service may have changed since
    ///   then; `replaced`. Some twenty system calls, and one for each slot that was ever used.
    public func makeServer(waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions()) throws(RingError) -> CallServer
    {
        try onCalls { () throws(RingError) in
            let memory = try CallMemory(try handle.attach(.anyServer, options), prefault: options.prefault)
            return CallServer(ServerCore(memory, waiting: waiting, checkInterval: options.checkInterval))
        }
    }

    /// Makes a client, which many threads and tasks may share.
    ///
    /// - Parameters:
    ///   - slots: how many calls it may have under way at a time, at least 1. It takes one of the service's slots at once, and the others when it needs
    ///     them. It prefers quiet ones: a slot in which a predecessor has left a call open is passed over, and so is one whose words no process stores.
    ///   - waiting: how to wait for replies.
    ///   - options: see ``EndpointOptions``; `budget` has no meaning here. A waiting call checks once in a check interval whether its server lives.
    /// - Throws: `roleTaken` if all slots are taken, naming the holders; `invalidOption`; as ``makeServer(waiting:options:)``. Some twenty system calls.
    public func makeClient(
        slots: Int = 8, waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> CallClient {
        try onCalls { () throws(RingError) in
            guard slots >= 1 else {
                throw RingError(.invalidOption, ring: handle.ring, "a client has at least 1 slot, not \(slots)")
            }
            let memory = try CallMemory(try handle.attach(.anyCaller, options), prefault: options.prefault)
            return CallClient(
                try ClientPool(memory, limit: min(slots, memory.shape.slotCount), waiting: waiting, checkInterval: options.checkInterval))
        }
    }
}

/// Latest values in shared memory, each under a key, read at once by any number of processes.
///
/// What counts is the newest whole value: of a configuration, a price, a position, a state of health. One writer at a time holds an entry;
/// readers hold nothing, need no more than leave to read, and copy. A reader never sees a torn value, nor an older one after a newer one. A writer
/// that is killed, at whatever instruction, leaves the last whole value, and the next writer goes on at once.
///
/// ```swift
/// let board = try Board.openOrCreate("settings", entries: [Board.Entry("rate", capacity: 8)])
/// var writer = try board.makeWriter("rate")
/// try writer.set(value: 0.25)
/// var reader = try board.makeReader("rate")
/// let rate = try reader.value(as: Double.self)
/// ```
///
/// The handle names a board and holds no role: copy it, send it to other threads, make writers and readers of it. Take a ring where every message
/// counts and not only the last.
public struct Board: Sendable {
    /// An entry that a board is made with.
    public struct Entry: Sendable, Hashable {
        /// Its key: a text of 1 to 64 bytes of UTF-8 without NUL. Two keys are the same if their bytes are.
        public var key: String
        /// Its largest value, in bytes: 1 to 2^30. Four such values are kept in memory.
        public var capacity: Int

        /// An entry of that key and capacity.
        public init(_ key: String, capacity: Int) {
            self.key = key
            self.capacity = capacity
        }
    }

    /// Room for entries that are added later.
    public struct Room: Sendable, Hashable {
        /// For how many entries.
        public var entries: Int
        /// The bytes of their capacities together.
        public var byteCount: Int

        /// Room for so many entries with so many bytes together.
        public init(entries: Int, byteCount: Int) {
            self.entries = entries
            self.byteCount = byteCount
        }

        /// For no more entries than the board is made with.
        public static let none = Room(entries: 0, byteCount: 0)
    }

    let handle: BoardHandle

    private init(_ handle: BoardHandle) { self.handle = handle }

    // MARK: Making and finding one

    /// Makes a new board.
    ///
    /// Its memory is reserved in full, and it appears under its name only when it is whole.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - entries: what it is made with: at most 4,096, together with the room for later ones.
    ///   - room: for entries that are added later with `addEntry`.
    ///   - keepsTime: whether each value has the time of its writing. A writer then looks at the clock with each value.
    ///   - options: see ``RingOptions``; `capacity`, `recordAlignment` and `isPersistent` have no meaning for a board.
    /// - Throws: `alreadyExists`, `outOfSpace`, `invalidName`, `invalidOption`, `incompatible`, `system`.
    public static func create(
        _ name: String, entries: [Entry], room: Room = .none, keepsTime: Bool = false, options: RingOptions = RingOptions()
    ) throws(RingError) -> Board {
        try create(named: FileName(name), entries: entries, room: room, keepsTime: keepsTime, options: options)
    }

    /// As ``create(_:entries:room:keepsTime:options:)``, of a name that need not be text.
    public static func create(
        named name: FileName, entries: [Entry], room: Room = .none, keepsTime: Bool = false, options: RingOptions = RingOptions()
    ) throws(RingError) -> Board {
        let plan = BoardPlan(entries: entries, room: room, keepsTime: keepsTime)
        return Board(try onBoard { () throws(RingError) in try .create(name, plan, options: options) })
    }

    /// Finds an existing board. Leave to read it is enough.
    ///
    /// - Parameters:
    ///   - name: a file name, at most 200 bytes without a slash.
    ///   - options: the directory and the allowed owners count, and ``RingOptions/acceptsUnflushed``.
    /// - Throws: `notFound`, `notARing`, `damaged`, `incompatible`, `wrongOwner`, `invalidName`, `system`.
    public static func open(_ name: String, options: RingOptions = RingOptions()) throws(RingError) -> Board {
        try open(named: FileName(name), options: options)
    }

    /// As ``open(_:options:)``, of a name that need not be text.
    public static func open(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) -> Board {
        Board(try onBoard { () throws(RingError) in try .open(name, options: options) })
    }

    /// Finds the board of that name, as it is, or makes it as ``create(_:entries:room:keepsTime:options:)`` does. A board that is found need not have
    /// the entries asked for: add what is missing. A writer or reader made of this handle later does the same again, should the board
    /// have been removed meanwhile.
    ///
    /// - Throws: as `open` and `create`, without `notFound` and `alreadyExists`; `differentShape` if ``RingOptions/exactTraits`` has `boardShape`.
    public static func openOrCreate(
        _ name: String, entries: [Entry], room: Room = .none, keepsTime: Bool = false, options: RingOptions = RingOptions()
    ) throws(RingError) -> Board {
        try openOrCreate(named: FileName(name), entries: entries, room: room, keepsTime: keepsTime, options: options)
    }

    /// As ``openOrCreate(_:entries:room:keepsTime:options:)``, of a name that need not be text.
    public static func openOrCreate(
        named name: FileName, entries: [Entry], room: Room = .none, keepsTime: Bool = false, options: RingOptions = RingOptions()
    ) throws(RingError) -> Board {
        let plan = BoardPlan(entries: entries, room: room, keepsTime: keepsTime)
        return Board(try onBoard { () throws(RingError) in try .openOrCreate(name, plan, options: options) })
    }

    /// Makes a board without a name: sealed memory, for parent and child or for peers that pass descriptors. It ends with its last user.
    ///
    /// - Throws: `invalidOption`, `invalidName` of a key, `incompatible`, `outOfSpace`, `system`.
    public static func anonymous(
        entries: [Entry], room: Room = .none, keepsTime: Bool = false, options: RingOptions = RingOptions()
    ) throws(RingError) -> Board {
        let plan = BoardPlan(entries: entries, room: room, keepsTime: keepsTime)
        return Board(try onBoard { () throws(RingError) in try .anonymous(plan, options: options) })
    }

    /// Opens a board by a descriptor that was inherited or received. The descriptor stays the caller's, to be closed at will. Leave to read the file is enough.
    ///
    /// - Throws: `notSealed` for a file that could be truncated; otherwise as ``open(_:options:)``.
    public static func open(descriptor: Int32, options: RingOptions = RingOptions()) throws(RingError) -> Board {
        Board(try onBoard { () throws(RingError) in try .open(descriptor: descriptor, options: options) })
    }

    /// Takes a board's name away. No writer may be attached. Readers hold no role, so they keep no board: they go on with the values that were there,
    /// and a wait for changes throws `notFound` within a check interval.
    ///
    /// - Throws: `inUse`, naming the writers; `notFound`, `notARing`, `incompatible`, `wrongOwner`, `invalidName`, `system`.
    public static func remove(_ name: String, options: RingOptions = RingOptions()) throws(RingError) {
        try remove(named: FileName(name), options: options)
    }

    /// As ``remove(_:options:)``, of a name that need not be text.
    public static func remove(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) {
        try onBoard { () throws(RingError) in
            _ = try Segment.remove(try SegmentName(name, in: options.directoryName), owners: options.allowedOwners) {
                segment throws(RingError) in
                try BoardHandle.requireBoard(segment.header, ring: name.description)
                return true
            }
        }
    }

    /// Brings a board that was made to outlive restarts (``RingOptions/isDurable``) to the disk. No writer may be attached. Blocks until the disk has
    /// everything; in a task the asynchronous form is meant.
    ///
    /// - Throws: as `flush` of a ``MessageRing``.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func flush() throws(RingError) { try onBoard { () throws(RingError) in try handle.flush() } }

    /// Brings the board to the disk, as the form that blocks, on a thread that is started for it.
    ///
    /// - Throws: as the form that blocks; `system` also if no thread can be started.
    public func flush() async throws(RingError) {
        try await onBoard { () async throws(RingError) in
            try await OwnThread.run(for: handle.ring) { [handle] () throws(RingError) in try handle.flush() }
        }
    }

    /// A new descriptor of an anonymous board, for handing over. The caller closes it; in a forked child it stays open.
    ///
    /// - Parameter inheritable: whether it survives `exec`.
    /// - Throws: `invalidOption` for a named board; `forked`, `system`.
    public func duplicateDescriptor(inheritable: Bool = false) throws(RingError) -> Int32 {
        try onBoard { () throws(RingError) in try handle.duplicateDescriptor(inheritable: inheritable) }
    }

    // MARK: Facts

    /// How many entries there can be.
    public var entryCapacity: Int { handle.shape.entryCount }
    /// Whether each value has the time of its writing.
    public var keepsTime: Bool { handle.shape.keepsTime }
    /// Its creator's free text.
    public var label: String { handle.header.label }

    // MARK: Writers and readers

    /// Becomes an entry's writer, until the writer ends.
    ///
    /// - Parameters:
    ///   - key: of an entry that is there.
    ///   - options: see ``EndpointOptions``; `checkInterval` and `budget` have no meaning for a writer.
    /// - Throws: `entryNotFound`; `roleTaken`, naming the holder; `poisoned` if the entry makes no sense; as ``open(_:options:)``, since the board may have
    ///   changed since then; `replaced`. Some twenty system calls, and one for each entry in front of it.
    public func makeWriter(_ key: String, options: EndpointOptions = EndpointOptions()) throws(RingError) -> BoardWriter {
        try onBoard { () throws(RingError) in BoardWriter(try BoardWriterCore(Array(key.utf8), of: handle, options)) }
    }

    /// Makes a reader of one entry. It takes no role, and leave to read the board is enough.
    ///
    /// - Parameters:
    ///   - key: of an entry that is there.
    ///   - waiting: how to wait for a change.
    ///   - polling: how often it looks while it waits, where this process may not write the board and so can't say that it sleeps. Each look
    ///     is a short wake of the thread.
    ///   - options: see ``EndpointOptions``. After a check interval a wait looks whether the board was removed.
    /// - Throws: `entryNotFound`, `poisoned`, `replaced`, `notFlushed`; as ``open(_:options:)``.
    public func makeReader(
        _ key: String, waiting: WaitStrategy = .adaptive, polling: Duration = .milliseconds(10),
        options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> BoardReader {
        try onBoard { () throws(RingError) in
            BoardReader(try BoardReaderCore([Array(key.utf8)], of: handle, waiting: waiting, polling: polling, options))
        }
    }

    /// Makes a reader of several entries, or of all. It takes no role, and leave to read the board is enough.
    ///
    /// - Parameters:
    ///   - keys: of entries that are there; nil: all entries, also those that are added later.
    ///   - waiting: how to wait for a change.
    ///   - polling: as of ``makeReader(_:waiting:polling:options:)``.
    ///   - options: see ``EndpointOptions``.
    /// - Throws: as ``makeReader(_:waiting:polling:options:)``.
    public func makeView(
        of keys: [String]? = nil, waiting: WaitStrategy = .adaptive, polling: Duration = .milliseconds(10),
        options: EndpointOptions = EndpointOptions()
    ) throws(RingError) -> BoardView {
        try onBoard { () throws(RingError) in
            BoardView(
                try BoardReaderCore(keys.map { $0.map { Array($0.utf8) } }, of: handle, waiting: waiting, polling: polling, options))
        }
    }
}

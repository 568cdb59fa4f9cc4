/// Reads several entries of a ``Board``, or all. Make one with ``Board/makeView(of:waiting:polling:options:)``.
///
/// What holds of a ``BoardReader`` holds of each entry here.
public struct BoardView: ~Copyable, Sendable {
    /// A newer value of an entry.
    public struct Change: Sendable, Hashable {
        /// The entry's key, repaired if it is not UTF-8.
        public let key: String
        /// The value's version.
        public let version: UInt64
    }

    let core: BoardReaderCore

    init(_ core: BoardReaderCore) { self.core = core }

    /// The keys of its entries, in the order in which they were asked for, or in which they were made. O(entries).
    public var keys: [String] { core.facts.map { String(decoding: $0.key, as: UTF8.self) } }

    /// Whether this process may write the board and so is woken by a change: see ``BoardReader/isWoken``.
    public var isWoken: Bool { core.board.canWait }

    /// A copy of an entry's newest value; nil: there is none yet. Allocates. O(entries + bytes).
    ///
    /// - Parameter key: of one of its entries.
    /// - Throws: `entryNotFound`; as ``BoardReader/get()``.
    public mutating func get(_ key: String) throws(RingError) -> BoardValue? {
        try onBoard { () throws(RingError) in try core.value(try core.index(of: key)) }
    }

    /// Copies of the newest values of all its entries, as all of them stood at one moment: each was the newest of its entry at that moment. An entry
    /// without a value is left out. Allocates. O(entries + bytes).
    ///
    /// The moment is one for processes that write what follows from what they read. Values that must change together are one entry.
    ///
    /// - Returns: by key.
    /// - Throws: `writerTooFast` if one of the entries was written anew each time, a thousand times; `poisoned`, `alreadyWaiting`, `forked`.
    public mutating func snapshot() throws(RingError) -> [String: BoardValue] {
        let values = try onBoard { () throws(RingError) in try core.snapshot() }
        var byKey: [String: BoardValue] = [:]
        for (key, value) in zip(keys, values) { byKey[key] = value }
        return byKey
    }

    /// Waits until one of its entries has a newer value than this view knows: than the one that it read last, or of which it was told last. Blocks the
    /// thread; in a task the asynchronous form is meant.
    ///
    /// - Parameter timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: the entries that changed, with their newest versions.
    /// - Throws: `timedOut`, `cancelled`; `notFound` if the board was removed; `poisoned`, `alreadyWaiting`, `forked`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func nextChanges(timeout: Duration? = nil) throws(RingError) -> [Change] {
        try onBoard { () throws(RingError) in core.changes(try core.waitForChanges(until: Deadline(after: timeout))) }
    }

    /// Waits for newer values without holding a thread; otherwise as the form that blocks.
    ///
    /// - Throws: as the form that blocks; `cancelled` also if the task is cancelled; `system` if there is no thread that could wait for it.
    public mutating func nextChanges(timeout: Duration? = nil) async throws(RingError) -> [Change] {
        let core = core
        return try await onBoard { () async throws(RingError) in
            core.changes(try await core.waitForChangesWithoutThread(until: Deadline(after: timeout)))
        }
    }

    /// Ends waits from another thread.
    public var canceller: Canceller { Canceller(core.cancelFlag) }
}

extension BoardReaderCore {
    func index(of key: String) throws(RingError) -> Int {
        let bytes = Array(key.utf8)
        try requireUsable()
        if let index = facts.firstIndex(where: { $0.key == bytes }) { return index }
        try findNewEntries()
        if let index = facts.firstIndex(where: { $0.key == bytes }) { return index }
        throw RingError(.entryNotFound, ring: board.ring, "this view has no entry '\(String(escaping: bytes))'")
    }

    func changes(_ changes: [(index: Int, version: UInt64)]) -> [BoardView.Change] {
        changes.map { BoardView.Change(key: String(decoding: facts[$0.index].key, as: UTF8.self), version: $0.version) }
    }

    /// Of an entry that has a value.
    func valueThatIsThere(_ index: Int) throws(RingError) -> BoardValue {
        guard let value = try value(index) else {
            throw RingError(.poisoned, ring: board.ring, "entry '\(facts[index].name)' lost its value, which no writer takes away")
        }
        return value
    }
}

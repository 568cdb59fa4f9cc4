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

    /// The keys of its entries, in the order in which they were asked for, or in which they were made. An entry that was added later is among them from the
    /// view's next look on. O(entries).
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
    /// - Returns: the values, by key and in the order of ``keys``.
    /// - Throws: `writerTooFast` if one of the entries was written anew each time, a thousand times; `poisoned`, `alreadyWaiting`, `forked`.
    public mutating func snapshot() throws(RingError) -> BoardValues {
        try onBoard { () throws(RingError) in
            let values = try core.snapshot()
            return BoardValues(zip(core.facts, values).compactMap { facts, value in value.map { (facts.key, $0) } })
        }
    }

    /// Waits until one of its entries has a newer value than this view knows: than the one that it read last, or whose change was reported last. Blocks the
    /// thread; in a task the asynchronous form is meant.
    ///
    /// A view of several entries sleeps on a word of the board's own, so that one sleep is enough for all of them. Each value that is set in the board ends
    /// that sleep, also one of an entry that is not among the view's; see <doc:ChoosingARing#Board-or-ring>.
    ///
    /// - Parameters:
    ///   - versions: which versions the caller knows, as another call has returned them; of an entry that is not among them: as above.
    ///   - timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: the entries that changed, with their newest versions.
    /// - Throws: `entryNotFound` for one of `versions`; `timedOut`, `cancelled`; `notFound` if the board was removed; `poisoned`, `alreadyWaiting`, `forked`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func nextChanges(after versions: [Change] = [], timeout: Duration? = nil) throws(RingError) -> [Change] {
        try onBoard { () throws(RingError) in
            try core.setKnown(versions)
            return core.changes(try core.waitForChanges(until: Deadline(after: timeout)))
        }
    }

    /// Waits for newer values without holding a thread; otherwise as the form that blocks.
    ///
    /// - Throws: as the form that blocks; `cancelled` also if the task is cancelled; `system` if there is no thread that could wait for it.
    public mutating func nextChanges(after versions: [Change] = [], timeout: Duration? = nil) async throws(RingError) -> [Change] {
        let core = core
        return try await onBoard { () async throws(RingError) in
            try core.setKnown(versions)
            return core.changes(try await core.waitForChangesWithoutThread(until: Deadline(after: timeout)))
        }
    }

    /// Waits for newer values and reads them: `nextChanges` and then ``get(_:)`` of each entry that changed. Allocates. Each value is whole; they need not be
    /// of one moment.
    ///
    /// - Parameter timeout: how long to wait: nil, for ever; zero, not at all.
    /// - Returns: the values of the entries that changed.
    /// - Throws: as `nextChanges` and ``get(_:)``. If it throws, no change counts as reported.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func next(timeout: Duration? = nil) throws(RingError) -> BoardValues {
        try onBoard { () throws(RingError) in try core.keyedValues(try core.waitForChanges(until: Deadline(after: timeout))) }
    }

    /// Waits for newer values without holding a thread, and reads them; otherwise as the form that blocks.
    ///
    /// - Throws: as the form that blocks; `cancelled` also if the task is cancelled; `system` if there is no thread that could wait for it.
    public mutating func next(timeout: Duration? = nil) async throws(RingError) -> BoardValues {
        let core = core
        return try await onBoard { () async throws(RingError) in
            try core.keyedValues(try await core.waitForChangesWithoutThread(until: Deadline(after: timeout)))
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

    /// Sets which versions the user knows. Throws `entryNotFound`.
    func setKnown(_ versions: [BoardView.Change]) throws(RingError) {
        try requireUsable()
        for change in versions { setKnown(change.version, try index(of: change.key)) }
    }

    /// The values of the entries that changed. If one of them can't be read, none of the changes counts as reported: the next wait finds them again, and
    /// so the last one is not missed.
    func values(_ changes: [(index: Int, version: UInt64)]) throws(RingError) -> [BoardValue] {
        do throws(RingError) {
            var found: [BoardValue] = []
            for change in changes { found.append(try valueThatIsThere(change.index)) }
            return found
        } catch {
            for change in changes { setKnown(change.version &- 1, change.index) }
            throw error
        }
    }

    func keyedValues(_ changes: [(index: Int, version: UInt64)]) throws(RingError) -> BoardValues {
        BoardValues(zip(changes, try values(changes)).map { (facts[$0.index].key, $1) })
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

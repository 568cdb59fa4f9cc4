public import CSharedRing

/// Reads one entry's values: the protocol. It stores nothing in the board.
///
/// Invariants:
/// - `seen` is the newest version of which a value was read whole or a change was reported; no older one is given or reported afterwards.
/// - `known` is the version that the user knows: of the value read last, or of the change reported last.
@safe
@usableFromInline
struct EntryReader {
    /// How often a read begins anew before it gives up.
    static let mostTries = 1000
    /// No writer comes so far: an entry that has that turn or a later one is damaged.
    static let firstImpossibleTurn: UInt64 = 1 << 63

    /// The largest value, in bytes.
    @usableFromInline let capacity: Int
    @usableFromInline let turn: UnsafeMutablePointer<UInt64>
    @usableFromInline let slots: UnsafeRawPointer
    @usableFromInline let stride: Int
    /// The bytes in front of a value in its slot.
    @usableFromInline let prefix: Int
    /// Whether the time of writing stands behind a slot's header.
    @usableFromInline let hasTime: Bool
    @usableFromInline var seen: UInt64 = 0
    @usableFromInline var known: UInt64 = 0

    // SAFETY, for all of these: the block and the slots lie in the mappings, which the owner of this value keeps; the facts were checked against
    // their sizes. A slot's number is below SR_BOARD_SLOTS, whatever the turn is.

    init(_ facts: EntryFacts, _ blocks: BoardBlocks, values: UnsafeRawPointer) {
        capacity = facts.capacity
        unsafe turn = sr_entry_turn(blocks.block(facts.number))
        unsafe slots = values + facts.dataOffset
        stride = blocks.shape.stride(facts.capacity)
        prefix = blocks.shape.prefix(facts.capacity)
        hasTime = blocks.shape.keepsTime
    }

    /// What one look at the slot of a turn found.
    @safe
    @usableFromInline
    struct Found {
        @usableFromInline let turn: UInt64
        @usableFromInline let word: UInt64
        @usableFromInline let time: Int64?
        /// Where the value begins.
        @usableFromInline let value: UnsafeRawPointer

        @inlinable
        init(turn: UInt64, word: UInt64, time: Int64?, value: UnsafeRawPointer) {
            self.turn = turn
            self.word = word
            self.time = time
            unsafe self.value = value
        }

        @inlinable
        var byteCount: Int { Int(sr_slot_byte_count(word)) }
        @inlinable
        var stamp: BoardStamp { BoardStamp(version: turn, word: word, writtenNanoseconds: time) }
    }

    /// The newest version. 0: there is no value yet. One load.
    @inlinable
    var version: UInt64 {
        // SYNC: board-value (pairs with EntryWriter.commit)
        unsafe sr_load_acquire_u64(turn)
    }

    /// Whether the user is to hear of the newest version: it is newer than the one that the user knows, or one that no writer stores. One load.
    var hasChanged: Bool {
        let now = version
        return now > known || isBack(now)
    }

    /// Whether a version is older than one that was seen, or 2^63 or more, which is the same.
    @inlinable
    func isBack(_ version: UInt64) -> Bool { Int64(bitPattern: version &- seen) < 0 }

    /// Reports the newest version, if the user does not know it; the user knows it from now on. Nil: the user does. With `isBack`, no writer stores
    /// that version, and nothing was reported.
    mutating func takeChange() -> (version: UInt64, isBack: Bool)? {
        let now = version
        if isBack(now) { return (now, true) }
        guard now > known else { return nil }
        seen = now
        known = now
        return (now, false)
    }

    /// The slot of the newest turn. Nil: there is no value yet. Nothing that was read of the slot counts before `isWhole`.
    @inlinable
    @inline(__always)
    func look() -> Found? {
        let now = version
        if now == 0 { return nil }
        let slot = unsafe slots + Int(now & UInt64(SR_BOARD_SLOTS - 1)) * stride
        // Relaxed: `isWhole` orders what is read here before its look at the turn.
        let word = unsafe sr_load_relaxed_u64(slot)
        let time = unsafe hasTime ? Int64(bitPattern: sr_load_relaxed_u64(slot + 8)) : nil
        return unsafe Found(turn: now, word: word, time: time, value: slot + prefix)
    }

    /// Whether what was read since that look is one value. False: the writer may have begun to write that slot anew.
    @inlinable
    @inline(__always)
    func isWhole(_ found: Found) -> Bool {
        // SYNC: board-slot (pairs with EntryWriter.begin): the copy before, the turn after. Relaxed: the fence orders it.
        sr_fence_acquire()
        return unsafe sr_turn_is_whole(sr_load_relaxed_u64(turn), found.turn) != 0
    }

    /// Whether the value fits the entry, as every writer's does.
    @inlinable
    func fits(_ found: Found) -> Bool { found.byteCount <= capacity }

    /// What no writer writes.
    @usableFromInline
    enum Fault {
        /// A value larger than the entry.
        case tooLarge
        /// An older value than one that was seen before, or none.
        case wentBack
    }

    /// The copy of a value is whole: from now on it is the newest that was seen. Nil: a writer may have written it.
    @inlinable
    @inline(__always)
    mutating func accept(_ found: Found) -> Fault? {
        if !fits(found) { return .tooLarge }
        if isBack(found.turn) { return .wentBack }
        seen = found.turn
        known = found.turn
        return nil
    }

    /// The fast path of a read: one look, one copy, one check, and no call. Nil: anything else than a whole value that fits was found, and
    /// `BoardReaderCore.read` is to find out what.
    ///
    /// - Parameters:
    ///   - target: room for so many bytes as `room` says.
    ///   - room: in bytes.
    @inlinable
    @inline(__always)
    mutating func readAtOnce(into target: UnsafeMutableRawPointer, room: Int) -> BoardStamp? {
        guard let found = look(), fits(found), found.byteCount <= room else { return nil }
        // SAFETY: the count is that of the copy that was checked; the slot has room for the entry's capacity, and the target for this.
        unsafe sr_copy(target, found.value, Int64(found.byteCount))
        guard isWhole(found), accept(found) == nil else { return nil }
        return found.stamp
    }
}

extension EntryReader.Fault {
    @inline(never)
    func error(_ found: EntryReader.Found?, _ reader: EntryReader, _ facts: EntryFacts, ring: String) -> RingError {
        switch self {
        case .tooLarge:
            return RingError(
                .poisoned, ring: ring,
                "entry '\(facts.name)' has a value of \(counted(found?.byteCount ?? 0, "byte")) in version \(found?.turn ?? 0), and a capacity of \(facts.capacity)"
            )
        case .wentBack:
            return Self.wentBack(to: found?.turn ?? 0, reader, facts, ring: ring)
        }
    }

    @inline(never)
    static func wentBack(to version: UInt64, _ reader: EntryReader, _ facts: EntryFacts, ring: String) -> RingError {
        guard version < EntryReader.firstImpossibleTurn else {
            return RingError(.poisoned, ring: ring, "entry '\(facts.name)' is in version \(version), and no writer comes to 2^63")
        }
        let now = version == 0 ? "to none" : "to version \(version)"
        return RingError(.poisoned, ring: ring, "entry '\(facts.name)' went back from version \(reader.seen) \(now), which no writer does")
    }
}

import CSharedRing

/// Reads one entry's values: the protocol. It stores nothing in the board.
///
/// Invariants:
/// - `seen` is the version of the newest value that was read whole; no older one is given afterwards.
/// - `known` is the version that the user knows: of the value read last, or of the change reported last.
@safe
struct EntryReader {
    /// How often a read begins anew before it gives up.
    static let mostTries = 1000

    /// The largest value, in bytes.
    let capacity: Int
    private let turn: UnsafeMutablePointer<UInt64>
    private let slots: UnsafeRawPointer
    private let stride: Int
    private let prefix: Int
    private(set) var seen: UInt64 = 0
    var known: UInt64 = 0

    // SAFETY, for all of these: the block and the slots lie in the mappings, which the owner of this value keeps; the facts were checked against
    // their sizes. A slot's number is below SR_BOARD_SLOTS, whatever the turn is.

    init(_ facts: EntryFacts, of board: MappedBoard) {
        capacity = facts.capacity
        unsafe turn = sr_entry_turn(board.blocks.block(facts.number))
        unsafe slots = board.values + facts.dataOffset
        stride = board.shape.stride(facts.capacity)
        prefix = board.shape.prefix
    }

    /// What one look at the slot of a turn found.
    @safe
    struct Found {
        let turn: UInt64
        private let word: UInt64
        let time: Int64?
        /// Where the value begins.
        let value: UnsafeRawPointer

        init(turn: UInt64, word: UInt64, time: Int64?, value: UnsafeRawPointer) {
            self.turn = turn
            self.word = word
            self.time = time
            unsafe self.value = value
        }

        var byteCount: Int { Int(sr_slot_byte_count(word)) }
        var stamp: BoardStamp { BoardStamp(version: turn, word: word, writtenNanoseconds: time) }
    }

    /// The newest version. 0: there is no value yet. One load.
    var version: UInt64 {
        // SYNC: board-value (pairs with EntryWriter.commit)
        unsafe sr_load_acquire_u64(turn)
    }

    /// Whether there is a newer value than the user knows. One load.
    var hasChanged: Bool { version != known }

    /// The slot of the newest turn. Nil: there is no value yet. Nothing that was read of the slot counts before `isWhole`.
    func look() -> Found? {
        let now = version
        if now == 0 { return nil }
        let slot = unsafe slots + Int(now & UInt64(SR_BOARD_SLOTS - 1)) * stride
        // Relaxed: `isWhole` orders what is read here before its look at the turn.
        let word = unsafe sr_load_relaxed_u64(slot)
        let time = unsafe prefix == 8 ? nil : Int64(bitPattern: sr_load_relaxed_u64(slot + 8))
        return unsafe Found(turn: now, word: word, time: time, value: slot + prefix)
    }

    /// Whether what was read since that look is one value. False: the writer may have begun to write that slot anew.
    func isWhole(_ found: Found) -> Bool {
        // SYNC: board-slot (pairs with EntryWriter.begin): the copy before, the turn after. Relaxed: the fence orders it.
        sr_fence_acquire()
        return unsafe sr_turn_is_whole(sr_load_relaxed_u64(turn), found.turn) != 0
    }

    /// Whether the value fits the entry, as every writer's does.
    func fits(_ found: Found) -> Bool { found.byteCount <= capacity }

    /// What no writer writes.
    enum Fault {
        /// A value larger than the entry.
        case tooLarge
        /// An older value than one that was seen before, or none.
        case wentBack
    }

    /// The copy of a value is whole: from now on it is the newest that was seen. Nil: a writer may have written it.
    mutating func accept(_ found: Found) -> Fault? {
        if !fits(found) { return .tooLarge }
        if Int64(bitPattern: found.turn &- seen) < 0 { return .wentBack }
        seen = found.turn
        known = found.turn
        return nil
    }
}

extension EntryReader.Fault {
    @inline(never)
    func error(_ found: EntryReader.Found?, _ reader: EntryReader, _ facts: EntryFacts, ring: String) -> RingError {
        let version = found?.turn ?? 0
        switch self {
        case .tooLarge:
            return RingError(
                .poisoned, ring: ring,
                "entry '\(facts.name)' has a value of \(found?.byteCount ?? 0) bytes in version \(version), and a capacity of \(facts.capacity)"
            )
        case .wentBack:
            let now = version == 0 ? "to none" : "to version \(version)"
            return RingError(
                .poisoned, ring: ring, "entry '\(facts.name)' went back from version \(reader.seen) \(now), which no writer does")
        }
    }
}

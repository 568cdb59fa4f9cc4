public import CSharedRing

/// Writes one entry's values: the protocol. Its owner holds the entry's byte.
///
/// Invariants:
/// - `turn` is the turn that the entry's block has, unless an untrusted peer stored another: this copy counts.
/// - Nothing is written but the slot of `turn + 1`, which no reader takes a value from before the turn is stored.
@safe
@usableFromInline
struct EntryWriter {
    @usableFromInline var turn: UInt64
    @usableFromInline let turnWord: UnsafeMutablePointer<UInt64>
    @usableFromInline let eventWord: UnsafeMutablePointer<UInt32>
    @usableFromInline let boardEventWord: UnsafeMutablePointer<UInt32>
    private let wakes: UnsafeMutablePointer<UInt64>
    @usableFromInline let slots: UnsafeMutableRawPointer
    @usableFromInline let stride: Int
    /// The bytes in front of a value in its slot.
    @usableFromInline let prefix: Int
    /// Whether the time of writing stands behind a slot's header.
    @usableFromInline let hasTime: Bool
    @usableFromInline let isAsymmetric: Bool

    // SAFETY, for all of these: the words and the slots lie in the mappings, which the owner of this value keeps; the facts were checked against
    // their sizes. A slot's number is below SR_BOARD_SLOTS.

    init(_ facts: EntryFacts, _ blocks: BoardBlocks, values: UnsafeMutableRawPointer, isAsymmetric: Bool) {
        let block = unsafe blocks.block(facts.number)
        unsafe turnWord = sr_entry_turn(block)
        unsafe eventWord = sr_entry_event_word(block)
        unsafe boardEventWord = sr_board_event_word(blocks.control)
        unsafe wakes = sr_entry_wakes(block)
        unsafe slots = values + facts.dataOffset
        stride = blocks.shape.stride(facts.capacity)
        prefix = blocks.shape.prefix(facts.capacity)
        hasTime = blocks.shape.keepsTime
        self.isAsymmetric = isAsymmetric
        // Relaxed: the byte orders this writer behind its predecessor. Wherever that one was killed, the turn names a whole value, and this writer
        // goes on behind it. (It must not write the slot that the turn names: readers take values from there.)
        turn = unsafe sr_load_relaxed_u64(turnWord)
    }

    /// The slot of the next turn, 0 left out: a turn of 0 says that there is no value.
    @inlinable
    var next: UInt64 { turn == .max ? 1 << 2 : turn + 1 }

    @inlinable
    var nextSlot: UnsafeMutableRawPointer { unsafe slots + Int(next & UInt64(SR_BOARD_SLOTS - 1)) * stride }

    /// Begins a value: from now on the next slot may be written.
    ///
    /// - Returns: where the value goes, with room for the entry's capacity.
    @inlinable
    @inline(__always)
    func begin() -> UnsafeMutableRawPointer {
        // SYNC: board-slot (pairs with EntryReader.isWhole): the last turn before, what is written into the slot after. A release store of that
        // turn does not hold back the stores behind it, so a reader that sees one of them sees that turn by this fence.
        sr_fence_release()
        return unsafe nextSlot + prefix
    }

    /// The value that was begun exists from now on. Wakes the readers that sleep.
    @inlinable
    @inline(__always)
    mutating func commit(byteCount: Int, tag: UInt32) {
        let slot = unsafe nextSlot
        // Relaxed: the turn's store brings them.
        unsafe sr_store_relaxed_u64(slot, sr_slot_word(UInt32(truncatingIfNeeded: byteCount), tag))
        if hasTime { unsafe sr_store_relaxed_u64(slot + 8, UInt64(bitPattern: sr_realtime_ns())) }
        turn = next
        // SYNC: board-value (pairs with EntryReader.version)
        unsafe sr_store_release_u64(turnWord, turn)
        wakeReaders()
    }

    /// SYNC: event-count (pairs with EventCount.declareAsleep): the turn before, the looks at the event words after.
    @inlinable
    @inline(__always)
    func wakeReaders() {
        if isAsymmetric { sr_fence_compiler() } else { sr_fence_full() }
        if unsafe EventCount.isAnyoneAsleep(eventWord) { unsafe wake(eventWord) }
        if unsafe EventCount.isAnyoneAsleep(boardEventWord) { unsafe wake(boardEventWord) }
    }

    @usableFromInline
    @inline(never)
    func wake(_ word: UnsafeMutablePointer<UInt32>) {
        unsafe sr_count(wakes, 1)
        unsafe EventCount.wake(word)
    }
}

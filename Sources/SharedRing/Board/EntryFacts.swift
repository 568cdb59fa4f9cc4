import CSharedRing

/// What an entry is for good: a checked, private copy of its immutable fields.
struct EntryFacts: Sendable, Equatable {
    let number: Int
    let key: [UInt8]
    /// The largest value, in bytes.
    let capacity: Int
    /// Where slot 0 stands in the data area.
    let dataOffset: Int

    /// The key for people.
    var name: String { String(escaping: key) }

    /// Checks an entry's block. Nil: the entry is free. Throws `poisoned`, with what was found.
    init?(checking entry: sr_entry_control, _ number: Int, of shape: BoardShape, ring: String) throws(RingError) {
        func refuse(_ detail: String) -> RingError { RingError(.poisoned, ring: ring, "entry \(number) \(detail)") }
        if entry.state == 0 { return nil }
        guard entry.state == 1 else { throw refuse("has state \(entry.state), not 0 or 1") }
        guard entry.key_length >= 1, entry.key_length <= UInt32(BoardShape.longestKey) else {
            throw refuse("has a key of \(entry.key_length) bytes, not 1 to \(BoardShape.longestKey)")
        }
        guard entry.capacity >= 1, entry.capacity <= UInt64(BoardShape.largestValue) else {
            throw refuse("has a capacity of \(entry.capacity) bytes, not 1 to \(BoardShape.largestValue)")
        }
        // No overflow: the size of an entry is some 2^32 at most, that of the data 2^40.
        let size = UInt64(shape.entrySize(Int(entry.capacity)))
        guard entry.data_offset % UInt64(SR_ENTRY_ALIGNMENT) == 0, size <= UInt64(shape.dataSize),
            entry.data_offset <= UInt64(shape.dataSize) - size
        else {
            throw refuse("has its \(size) bytes of values at \(entry.data_offset), which do not fit the board's \(shape.dataSize)")
        }
        self.number = number
        // SAFETY: a fixed array of 64 bytes, of a copy.
        key = unsafe withUnsafeBytes(of: entry.key) { unsafe Array($0.prefix(Int(entry.key_length))) }
        capacity = Int(entry.capacity)
        dataOffset = Int(entry.data_offset)
    }
}

/// The control blocks of a board, mapped: its entries, found and checked.
@safe
struct BoardBlocks {
    /// The start of the control area, in a mapping that the owner of this value keeps.
    let control: UnsafeMutablePointer<sr_board_control>
    let shape: BoardShape
    let ring: String

    // SAFETY, for all of these: the header was checked to have room for the blocks of `entryCount` entries.

    init(_ control: UnsafeMutableRawPointer, _ shape: BoardShape, ring: String) {
        unsafe self.control = control.assumingMemoryBound(to: sr_board_control.self)
        self.shape = shape
        self.ring = ring
    }

    /// The block of an entry, which may be free. The number must be one of the board's.
    func block(_ number: Int) -> UnsafeMutablePointer<sr_entry_control> {
        precondition((0..<shape.entryCount).contains(number))
        return unsafe sr_entry(control, UInt32(number))
    }

    /// An entry. Nil: it is free. Throws `poisoned`.
    func entry(_ number: Int) throws(RingError) -> EntryFacts? {
        let block = unsafe block(number)
        // SYNC: entry-made (pairs with BoardKeeper.add): the state before, the fields after.
        guard unsafe sr_load_acquire_u32(sr_entry_state(block)) != 0 else { return nil }
        // One copy, which is checked and used. An untrusted peer may write the block while it is copied.
        return try EntryFacts(checking: unsafe block.pointee, number, of: shape, ring: ring)
    }

    /// The entry with that key. Nil: there is none yet. O(entries).
    func find(_ key: [UInt8]) throws(RingError) -> EntryFacts? {
        for number in 0..<shape.entryCount {
            // Entries are made in order: behind a free one there is none.
            guard let found = try entry(number) else { return nil }
            if found.key == key { return found }
        }
        return nil
    }

    /// All entries, in the order in which they were made. O(entries).
    func all() throws(RingError) -> [EntryFacts] {
        var entries: [EntryFacts] = []
        while entries.count < shape.entryCount, let next = try entry(entries.count) { entries.append(next) }
        return entries
    }
}

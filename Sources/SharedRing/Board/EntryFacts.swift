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

    /// Where the values of the next entry may begin, in the data area.
    func end(in shape: BoardShape) -> Int { dataOffset + shape.entrySize(capacity) }

    /// Checks an entry's block. Nil: the entry is free. Throws `poisoned`, with what was found.
    ///
    /// - Parameter end: where the values of the entry before end. Entries that lie over each other could say that their values together have thousands
    ///   of times the board's bytes.
    init?(
        checking entry: sr_entry_control, _ number: Int, of shape: BoardShape, behind end: Int = 0, ring: String
    ) throws(RingError) {
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
        guard entry.data_offset >= UInt64(end) else {
            throw refuse("has its values at \(entry.data_offset), among those of the entry before, which end at \(end)")
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

    /// An entry. Nil: it is free, or there can be none of that number. Throws `poisoned`.
    ///
    /// - Parameter end: where the values of the entry before end.
    func entry(_ number: Int, behind end: Int = 0) throws(RingError) -> EntryFacts? {
        guard number < shape.entryCount else { return nil }
        let block = unsafe block(number)
        // SYNC: entry-made (pairs with BoardKeeper.add): the state before, the fields after.
        guard unsafe sr_load_acquire_u32(sr_entry_state(block)) != 0 else { return nil }
        // One copy, which is checked and used. An untrusted peer may write the block while it is copied.
        return try EntryFacts(checking: unsafe block.pointee, number, of: shape, behind: end, ring: ring)
    }

    /// The version of the newest value of an entry, whatever its other fields say. 0: it is free, or there is no value yet.
    func version(_ number: Int) -> UInt64 {
        let block = unsafe block(number)
        // SYNC: entry-made (pairs with BoardKeeper.add): the state before, the turn after.
        guard unsafe sr_load_acquire_u32(sr_entry_state(block)) != 0 else { return 0 }
        // SYNC: board-value (pairs with EntryWriter.commit)
        return unsafe sr_load_acquire_u64(sr_entry_turn(block))
    }

    /// The entries with those keys. Nil: there is none yet. Of one walk, so none of them lies over another. O(entries + keys).
    func find(_ keys: [[UInt8]]) throws(RingError) -> [EntryFacts?] {
        var missing = Set(keys)
        var found: [[UInt8]: EntryFacts] = [:]
        var number = 0
        var end = 0
        // Entries are made in order: behind a free one there is none.
        while !missing.isEmpty, let next = try entry(number, behind: end) {
            if missing.remove(next.key) != nil { found[next.key] = next }
            number += 1
            end = next.end(in: shape)
        }
        return keys.map { found[$0] }
    }

    /// All entries, in the order in which they were made. O(entries).
    func all() throws(RingError) -> [EntryFacts] {
        var entries: [EntryFacts] = []
        while let next = try entry(entries.count, behind: entries.last?.end(in: shape) ?? 0) { entries.append(next) }
        return entries
    }
}

extension Segment {
    /// An entry's control block, read from the file. Where the entry is free its fields mean nothing.
    func entryBlock(_ number: Int, ring: String) throws(RingError) -> sr_entry_control {
        let place = header.entryOffset(number)
        // SYNC: entry-made (pairs with BoardKeeper.add): the state by a call of its own before, the fields after. The fence orders the loads of the two
        // calls, which this thread makes.
        let state = try read(UInt32.self, at: place + MemoryLayout<sr_entry_control>.offset(of: \.state)!, ring: ring)
        sr_fence_acquire()
        var block = try read(sr_entry_control.self, at: place, ring: ring)
        // Made in between: some fields may be older than its state.
        if state == 0 { block.state = 0 }
        return block
    }
}

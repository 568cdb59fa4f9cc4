extension LaneReader {
    /// Has a reader read a copy of records in this process's memory, a header of 0 behind them, which stood at a position of its lane.
    ///
    /// Nothing is out. The cursor of such a reader never comes back to a first mapping: the copy is in one piece, and has no second one.
    mutating func feed(_ copy: UnsafeRawPointer, at position: UInt64) {
        unsafe cursor = copy
        unsafe knownCursor = copy
        knownHead = position
        published = position
        unsafe cursorLimit = Self.endOfAddresses
    }

    /// The end of the address space: behind every cursor. In `cursorLimit`: the reader has no second mapping to come back from.
    static var endOfAddresses: UnsafeRawPointer {
        // SAFETY: it is compared, and never read from.
        unsafe UnsafeRawPointer(bitPattern: UInt.max)!
    }
}

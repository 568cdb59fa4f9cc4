import CSharedRing

extension Attachment {
    /// For a ring that outlives restarts: refuses what was in use when the machine went down, and marks it as in use.
    ///
    /// Two may attach at the same time: the boot is stored before the mark is changed, and looked at again after the mark was
    /// found changed. The mark is 2 until the disk knows that it is no longer 1. A process that finds 2 syncs as well: the process that stored it
    /// may have been killed before its sync, or may still be in it.
    func requireFlushed(options: RingOptions) throws(RingError) {
        guard header.isFileBacked else { return }
        // Without a byte in hand a store to the mark could undo a flush.
        if role == .observer { return try segment.requireFlushed(options: options, ring: ring) }
        let current = try Boot.current(ring: ring)
        // SAFETY, for all of these: the words lie in the control mapping. Relaxed or not, the disk sees them at `sync`.
        let words = unsafe sr_boot_words(segmentControl)
        let mark = unsafe sr_clean(segmentControl)
        func isOfThisBoot() -> Bool {
            unsafe Boot(words: (sr_load_acquire_u64(words), sr_load_acquire_u64(words + 1))) == current
        }
        // SYNC: boot-seen (pairs with the stores below): 0 is stored behind a sync, and the mark behind the boot.
        let state = unsafe sr_load_acquire_u32(mark)
        let isClean = state == 1
        if !isOfThisBoot() {
            guard isClean || options.acceptsUnflushed || isOfThisBoot() else { throw Segment.notFlushed(ring: ring) }
            unsafe sr_store_release_u64(words, current.words.0)
            unsafe sr_store_release_u64(words + 1, current.words.1)
        } else if state == 0 {
            return
        }
        unsafe sr_store_release_u32(mark, 2)
        // Before anything is sent: a mark that outlives what it vouched for would be worse than none.
        try segment.sync(ring: ring)
        unsafe sr_store_release_u32(mark, 0)
    }
}

extension Segment {
    /// For a reader, which stores nothing: throws `notFlushed` for a segment that was in use at the last restart, unless a writer has accepted it
    /// since.
    func requireFlushed(options: RingOptions, ring: String) throws(RingError) {
        guard header.isFileBacked, !options.acceptsUnflushed else { return }
        let current = try Boot.current(ring: ring)
        // In this order: a writer stores the boot before it clears the clean word.
        let isClean = try read(UInt32.self, at: header.segmentWord(\.clean), ring: ring) == 1
        let boot = try read(Boot.self, at: header.segmentWord(\.boot_id), ring: ring)
        guard isClean || boot == current else { throw Self.notFlushed(ring: ring) }
    }

    fileprivate static func notFlushed(ring: String) -> RingError {
        RingError(.notFlushed, ring: ring, "the machine was restarted while it was in use, so what it holds may be incomplete")
    }
}

import CSharedRing

extension Attachment {
    /// For a ring that outlives restarts: refuses what was in use when the machine went down, and marks it as in use.
    ///
    /// Two may attach at the same time: the boot is stored before the mark is changed, and looked at again after the mark was
    /// found changed. The mark is 2 until the disk knows that it is no longer 1. A process that finds 2 syncs as well: the process that stored it
    /// may have been killed before its sync, or may still be in it.
    func requireFlushed(options: RingOptions) throws(RingError) {
        guard header.isFileBacked else { return }
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
            guard isClean || options.acceptsUnflushed || isOfThisBoot() else {
                throw error(.notFlushed, "the machine was restarted while it was in use, so what it holds may be incomplete")
            }
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

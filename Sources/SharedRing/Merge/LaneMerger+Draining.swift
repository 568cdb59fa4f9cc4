import CSharedRing

/// A drain: each lane is taken from for a lap at most.
extension LaneMerger {
    /// From now on, until `endDrain`, each lane is taken from for a lap at most.
    @usableFromInline
    @inline(never)
    func beginDrain() {
        unsafe table.pointee.drain &+= 1
        unsafe table.pointee.isDraining = true
        guard let index = unsafe table.pointee.current else { return }
        unsafe cursor.pointee.drainStart = table.pointee.drainStart(of: index)
    }

    @usableFromInline
    @inline(never)
    func endDrain() { unsafe table.pointee.isDraining = false }

    /// Total order: every message that was sent before now has a smaller ticket than this.
    @usableFromInline
    @inline(never)
    func ticketsDrawn() -> UInt64 {
        if attachment.isInherited { return 0 }  // the control mapping is not there
        // SYNC: ticket (pairs with LaneWriter.publishInTotalOrder): whose message is there has drawn its ticket before.
        return unsafe sr_load_acquire_u64(sr_tickets(attachment.control))
    }
}

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
    func endDrain() {
        unsafe table.pointee.isDraining = false
        unsafe table.pointee.drainEnd = .max
    }

    /// A drain of a total order begins. Every message that was sent before now has a smaller ticket than this. No run that is found from now on, until
    /// `endDrain`, goes over it; one that was found before ends below it.
    @usableFromInline
    @inline(never)
    func beginDrainInTotalOrder() -> UInt64 {
        if attachment.isInherited { return 0 }  // the control mapping is not there
        // SYNC: ticket (pairs with LaneWriter.publishInTotalOrder): a message that is visible has drawn its ticket before this load.
        let end = unsafe sr_load_acquire_u64(sr_tickets(attachment.control))
        unsafe table.pointee.drainEnd = end
        return end
    }
}

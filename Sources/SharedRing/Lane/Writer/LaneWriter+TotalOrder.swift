import CSharedRing

/// Commits in one order across all lanes, which respects real time: a send that returned before another began gets the
/// smaller ticket, and is delivered first.
///
/// The consumer may hand out a ticket only when no smaller one can still turn up. So each producer stores its ticket
/// floor before it draws a ticket: a lower bound of that ticket. It clears the floor when the record is visible. Each order of two
/// steps below was tried the other way round in a model checker (`Tests/Models`), and failed.
extension LaneWriter {
    /// `publish` for a ring with tickets. The records from `start` to the tail are written, but for their tickets.
    mutating func publishInTotalOrder(_ header: RecordHeader, at start: UInt64, count: Int) {
        guard let tickets = unsafe tickets else { return }
        // SAFETY: the counter and the floor lie in the control mapping; each ticket is stored inside a record of this lane.

        // A lower bound: the counter only grows. Relaxed, since any old value is one too.
        let floor = unsafe sr_load_relaxed_u64(tickets)
        // SYNC: ticket-floor (pairs with LaneMerger.sweep): stored before the ticket is drawn, and visible to a consumer that
        // loads the counter after it.
        unsafe sr_store_release_u64(sr_ticket_floor(control), floor)
        // SYNC: ticket (pairs with LaneMerger.sweep and .makeReady): carries the floor with it.
        let ticket = unsafe sr_fetch_add_acq_rel_u64(tickets, UInt64(truncatingIfNeeded: count))

        var position = start
        var current = header
        for index in 0..<UInt64(truncatingIfNeeded: count) {
            // Relaxed: the first header's release store makes it visible.
            unsafe sr_store_relaxed_u64(place(at: position) + Int(SR_RECORD_HEADER_SIZE), ticket &+ index)
            position &+= shape.spacing(shape.messageSize(current))
            // The others' headers are read back from the segment. An untrusted peer may have changed them: keep inside the batch.
            guard position &- start < tail &- start else { break }
            current = unsafe RecordHeader(bits: sr_load_relaxed_u64(place(at: position)))
            guard shape.admits(current) else { break }
        }

        unsafe Self.storeHeader(header, at: place(at: start))
        // SYNC: ticket-floor (pairs with LaneMerger.sweep): a consumer that sees the floor cleared sees the record, too.
        unsafe sr_store_release_u64(sr_ticket_floor(control), UInt64.max)  // SR_NO_TICKET_FLOOR
        // Only now: a consumer that is woken while the floor stands finds nothing it may take, and sleeps again.
        ringDoorbell()
    }
}

import CSharedRing

// SAFETY, for all of these: the header at the head was admitted, so the ticket behind it lies inside the mapping.

/// The tickets of a lane's records; see `LaneWriter+TotalOrder`.
extension LaneReader {
    /// The ticket of the record at the head.
    var ticketInPlace: UInt64 {
        // Relaxed: the header, which was loaded before, brought it along.
        unsafe sr_load_relaxed_u64(place + Int(SR_RECORD_HEADER_SIZE))
    }

    /// Whether this can be the ticket of the record at the head: the one that was seen there before (the message was put back,
    /// or not due), or a larger one than the record before had.
    func isInTurn(_ found: UInt64) -> Bool {
        head == ticketPosition ? found == ticket : found > ticket || ticketPosition == Self.noTicket
    }

    mutating func note(_ found: UInt64) {
        ticket = found
        ticketPosition = head
    }

    /// Notes the ticket of the record at the head, if there is one, it is in turn and below the limit.
    mutating func takeTicket(below limit: UInt64) -> Bool {
        guard shape.admits(poll()) else { return false }
        let found = ticketInPlace
        guard found < limit, isInTurn(found) else { return false }
        note(found)
        return true
    }
}

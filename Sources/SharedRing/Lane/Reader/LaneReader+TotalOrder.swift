import CSharedRing

// SAFETY, for all of these: the header at the head was admitted, so the ticket behind it lies inside the mapping.

/// The tickets of a lane's records; see `LaneWriter+TotalOrder`.
extension LaneReader {
    /// The ticket of the record at the head.
    var ticketInPlace: UInt64 {
        // Relaxed: the header, which was loaded before, brought it along.
        unsafe sr_load_relaxed_u64(cursor + Int(SR_RECORD_HEADER_SIZE))
    }

    /// Whether this can be the ticket of the record at the head: the one that was seen there before (the message was put back, or not due), one of a run
    /// that is being handed out, or a larger one than the records before had.
    func isInTurn(_ found: UInt64) -> Bool {
        if ticketPosition == Self.noTicket { return true }
        if ticketPosition == head { return found == ticket }
        return isInRun ? found < ticket : found > ticket
    }

    /// Whether the head stands in a run that was found, before its last record.
    private var isInRun: Bool { ticketPosition != Self.noTicket && ticketPosition &- head &- 1 < shape.capacity }

    /// In a run its last record stays the one that is noted: so tickets grow again from there on at the latest, however a peer rewrites them meanwhile.
    mutating func note(_ found: UInt64) {
        if isInRun { return }
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

    /// A run: how many records from the head on may be handed out one after the other, without a look at other lanes. The one at the head is, and its
    /// ticket was just noted; the last one's is noted now. In what is left of a run that was broken off: one.
    ///
    /// Each ticket is loaded once. A header is loaded anew when its message goes out, and checked again.
    ///
    /// - Parameters:
    ///   - limit: tickets below it may be; and any that follows the one before, as no ticket lies between.
    ///   - drawn: tickets from here on are not believed.
    mutating func takeRun(below limit: UInt64, drawn: UInt64) -> Int {
        guard ticketPosition == head else { return 1 }
        let begin = unsafe cursor
        var (next, count) = unsafe (begin, 1)
        var header = poll()
        while count < Self.longestRun, shape.admits(header) {
            // SAFETY: a record that begins before `cursorLimit` begins in the first mapping, and ends in the second.
            unsafe next += Int(truncatingIfNeeded: shape.spacing(shape.messageSize(header)))
            guard unsafe next < cursorLimit else { break }
            header = unsafe Self.header(at: next)
            guard shape.admits(header) else { break }
            // Relaxed, as above.
            let found = unsafe sr_load_relaxed_u64(next + Int(SR_RECORD_HEADER_SIZE))
            guard found > ticket, found < limit || found == ticket &+ 1, found < drawn else { break }
            ticket = found
            ticketPosition = unsafe head &+ UInt64(next - begin)
            count &+= 1
        }
        return count
    }

    /// Long enough that what it costs to begin one vanishes, and so short that the lines are still at hand when their messages go out.
    private static var longestRun: Int { 64 }
}

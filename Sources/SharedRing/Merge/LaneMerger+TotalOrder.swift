import CSharedRing

/// One order across all lanes. See `LaneWriter+TotalOrder` for the other half.
extension LaneMerger {
    /// `poll` in a total order.
    func pollInTotalOrder() throws(RingError) -> Arrival? {
        // The lane in hand first: its next message may be due before the others'.
        if let index = unsafe table.pointee.current {
            leaveCurrent()
            try makeReady(index, wasInHand: true)
        }
        if unsafe table.pointee.ready.count == 0 {
            if try takeNextTicket() { return .message }
            try sweepIfAnythingIsThere()
        }
        guard let next = unsafe table.pointee.ready.pop() else {
            // A consumer that only polls never checks its peers; the floor of a dead producer must not hold it up for ever.
            unsafe table.pointee.fruitlessLooks &+= 1
            if unsafe table.pointee.fruitlessLooks & 1023 == 0 { clearDeadFloors() }
            return try endIfDone()
        }
        // All tickets below the bound are visible. So until the next one of another lane is due, whatever this lane holds is. At
        // least its own: an untrusted peer's lane may show the same ticket, and the two must not wait for each other.
        let limit = unsafe min(table.pointee.bound, table.pointee.ready.smallestTicket ?? .max)
        take(next.lane, ticket: next.ticket, limit: limit)
        return .message
    }

    /// Takes one message of a lane. Behind it the next ticket of all may follow in this lane without a look at the others: no ticket lies between.
    private func take(_ index: Int, ticket: UInt64, limit: UInt64) {
        unsafe table.pointee.lastTicket = ticket
        take(index, budget: 1, limit: max(limit, ticket &+ 2))
    }

    /// Takes the message whose ticket follows the last one, from whichever lane. False: it is not there.
    ///
    /// It needs no sweep. All smaller tickets were handed out or never will be: so it was when the last one was found, and no ticket lies between. (That one
    /// itself may stand in its lane still, if it was put back. Then that lane is in hand, and comes first.)
    /// The sweep reads words that every send writes; this reads the lanes' headers alone.
    private func takeNextTicket() throws(RingError) -> Bool {
        guard let next = unsafe table.pointee.lastTicket.map({ $0 &+ 1 }) else { return false }
        let count = unsafe table.pointee.count
        for index in 0..<count where unsafe table.pointee.isAnything(at: index) {
            guard try header(of: index) != nil else { continue }
            let reader = unsafe table.pointee.rows[index].reader
            // SAFETY: `header(of:)` admitted the record, so its ticket lies inside the mapping.
            guard unsafe reader.pointee.ticketInPlace == next, isDrawn(next), unsafe reader.pointee.takeTicket(below: next &+ 1) else {
                continue
            }
            take(index, ticket: next, limit: 0)
            return true
        }
        return false
    }

    /// `stay` in a total order: the lane in hand gets a run of messages more, if they are due before those of the other lanes. The fast path, which is
    /// that of other rings too, knows nothing of tickets.
    func stayInTotalOrder(_ timeout: Duration?) -> Bool {
        let reader = unsafe cursor.pointee.reader
        guard unsafe reader.pointee.finishWhatIsOut(), unsafe reader.pointee.takeTicket(below: cursor.pointee.limit) else { return false }
        let ticket = unsafe reader.pointee.ticket
        if unsafe ticket >= table.pointee.drawn { unsafe paceAtHeels(reader, timeout) }
        // One that was not drawn is `makeReady`'s to reject.
        guard isDrawn(ticket) else { return false }
        unsafe cursor.pointee.budget = reader.pointee.takeRun(
            below: cursor.pointee.limit, drawn: min(table.pointee.drawn, table.pointee.drainEnd))
        let last = unsafe reader.pointee.ticket
        unsafe table.pointee.lastTicket = last
        unsafe cursor.pointee.limit = max(cursor.pointee.limit, last &+ 2)
        return true
    }

    /// At the producers' heels each run would be short, and cost them the counter's line.
    private func paceAtHeels(_ reader: UnsafeMutablePointer<LaneReader>, _ timeout: Duration?) {
        guard role.sleeper.strategy != .sleep, timeout.map({ $0 > .milliseconds(1) }) ?? true else { return }
        // What was used up must not wait for the pause: a producer may need the room.
        if unsafe reader.pointee.pacing.isPausing { unsafe reader.pointee.acknowledgeFinished() }
        unsafe reader.pointee.pace()
    }

    /// The sweep reads words that every send writes. Where no record is, none can be due, and the senders are left alone.
    private func sweepIfAnythingIsThere() throws(RingError) {
        if unsafe !table.pointee.isAnythingThere() {
            let count = lanes.count
            try findNewLanes()
            if lanes.count == count { return }
        }
        try sweep()
    }

    /// Finds out which messages may be handed out.
    private func sweep() throws(RingError) {
        let control = unsafe attachment.control
        // SYNC: ticket (pairs with LaneWriter.publishInTotalOrder): the counter, then the floors, then the headers. In
        // any other order a smaller ticket could turn up behind a larger one.
        var bound = unsafe sr_load_acquire_u64(sr_tickets(control))
        unsafe table.pointee.drawn = bound
        try findNewLanes()
        let count = unsafe table.pointee.count
        for index in 0..<count where unsafe !table.pointee.rows[index].isAbandoned {
            // SYNC: ticket-floor (pairs with LaneWriter.publishInTotalOrder, ProducerCore.init and `clearDeadFloors`)
            bound = min(bound, unsafe sr_load_acquire_u64(table.pointee.rows[index].floor))
        }
        unsafe table.pointee.bound = bound
        do throws(RingError) {
            for index in 0..<count { try makeReady(index) }
        } catch {
            // Some lanes were not looked at, and may have smaller tickets.
            unsafe table.pointee.ready.removeAll()
            unsafe table.pointee.bound = 0
            throw error
        }
    }

    /// Puts the lane's next message among the ready ones, if its ticket is below the bound.
    ///
    /// - Parameter wasInHand: then it may have been found before and not used: it was put back, a task only asked whether it is there, or its run was broken
    ///   off.
    private func makeReady(_ index: Int, wasInHand: Bool = false) throws(RingError) {
        guard let header = try header(of: index) else { return }
        let reader = unsafe table.pointee.rows[index].reader
        // SAFETY: `header(of:)` admitted the record, so its ticket lies inside the mapping.
        let ticket = unsafe reader.pointee.ticketInPlace
        guard unsafe reader.pointee.isInTurn(ticket), isDrawn(ticket) else {
            unsafe table.pointee.rows[index].isAbandoned = true
            throw unsafe reader.pointee.reject(header, ticket: ticket)
        }
        unsafe reader.pointee.note(ticket)
        if unsafe ticket < table.pointee.bound || wasInHand && table.pointee.lastTicket.map({ ticket <= $0 }) ?? false {
            unsafe table.pointee.ready.push(TicketHeap.Entry(ticket: ticket, lane: index))
        }
    }

    /// Whether the counter is past the ticket. It is loaded again only if it was not when it was loaded last: it only grows.
    private func isDrawn(_ ticket: UInt64) -> Bool {
        if unsafe ticket < table.pointee.drawn { return true }
        // SYNC: ticket (pairs with LaneWriter.publishInTotalOrder): drawn before its header was stored.
        unsafe table.pointee.drawn = sr_load_acquire_u64(sr_tickets(attachment.control))
        return unsafe ticket < table.pointee.drawn
    }

    /// Clears the ticket floors of dead producers. Their byte in hand proves that they are dead.
    func clearDeadFloors() {
        for lane in lanes {
            // SAFETY: the floor lies in the control mapping; the holder of the lane's byte may write it.
            let place = unsafe sr_ticket_floor(lane.control)
            // Relaxed: it only says where to look; the byte is the proof.
            guard unsafe sr_load_relaxed_u64(place) != .max else { continue }
            guard (try? attachment.lock.take(.lane(lane.number))) == true else { continue }
            // SYNC: ticket-floor (pairs with `sweep`, this side's next and those of later consumers): nothing is ever privately ignored.
            unsafe sr_store_release_u64(place, .max)  // SR_NO_TICKET_FLOOR
            attachment.lock.unlock(.lane(lane.number))
        }
    }
}

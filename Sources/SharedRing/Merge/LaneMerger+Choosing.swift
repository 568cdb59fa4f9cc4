import CSharedRing

/// Which message comes next.
extension LaneMerger {
    /// Chooses the lane of the next message and gives it to the cursor. Nil: there is none.
    @usableFromInline
    @inline(never)
    func poll() throws(RingError) -> Arrival? {
        try role.requireUsable()
        finishWhatIsOut()
        return try handOut { () throws(RingError) in try pollAnyLane() }
    }

    private func pollAnyLane() throws(RingError) -> Arrival? {
        if let found = pending {
            pending = nil
            return try found.get()
        }
        if isTotallyOrdered { return try pollInTotalOrder() }

        // Round robin, beginning behind the lane that was in hand, so that a flooding lane gets no second turn first.
        var index = unsafe table.pointee.current.map { $0 + 1 } ?? 0
        leaveCurrent()
        try findNewLanes()
        let count = unsafe table.pointee.count
        for _ in 0..<count {
            if index >= count { index = 0 }
            if unsafe table.pointee.isAnything(at: index), unsafe !table.pointee.isDrained(index), try header(of: index) != nil {
                take(index, budget: budget)
                return .message
            }
            index += 1
        }
        return try endIfDone()
    }

    /// `poll`, but whatever is not a message is left for it.
    @usableFromInline
    @inline(never)
    func pollForMessage() -> Bool {
        if pending != nil || (try? role.requireUsable()) == nil { return false }
        finishWhatIsOut()
        return findMessage()
    }

    func findMessage() -> Bool {
        do throws(RingError) {
            guard let found = try pollAnyLane() else { return false }
            if found == .message { return true }
            pending = .success(found)
        } catch {
            pending = .failure(error)
        }
        return false
    }

    /// The header of the lane's next message, past any end records. Nil: there is none. Throws `poisoned`, once a lane.
    func header(of index: Int) throws(RingError) -> RecordHeader? {
        if unsafe table.pointee.rows[index].isAbandoned { return nil }
        let reader = unsafe table.pointee.rows[index].reader
        let begin = unsafe reader.pointee.head
        while true {
            // What was stepped over may have shown that the lane has no end.
            if let poison = unsafe reader.pointee.poison {
                unsafe table.pointee.rows[index].isAbandoned = true
                throw poison
            }
            let header = unsafe reader.pointee.poll()
            if header.isAbsent { return nil }
            if unsafe reader.pointee.shape.admits(header) { return header }
            guard unsafe reader.pointee.isEndRecord(header, since: begin) else {
                unsafe table.pointee.rows[index].isAbandoned = true
                throw unsafe reader.pointee.reject(header)
            }
            // Noted before it is acknowledged: a death that is only reported at the end must not be forgotten with this consumer.
            let isFirst = unsafe reader.pointee.head == reader.pointee.start
            note(lanes[index].watch.noteEndRecord(header.tag, isFirst: isFirst), of: lanes[index])
            unsafe reader.pointee.finish(spacing: Int(reader.pointee.shape.spacingOfEnd))
            unsafe table.pointee.cursors[index] = reader.pointee.cursor
        }
    }

    /// Stays with the lane in hand if nothing stands at the others' heads: cheaper than `poll`, and it leaves alone the line that
    /// the lane's producer is writing. With its budget spent, the lane gets a new one; dry, it is watched for a moment. False:
    /// only `poll` can say what comes next.
    @usableFromInline
    @inline(never)
    func stay(_ timeout: Duration?) -> Bool {
        guard phase.isOwned, pending == nil, let index = unsafe table.pointee.current else { return false }
        if unsafe table.pointee.isDrained(index) { return false }
        if isTotallyOrdered { return stayInTotalOrder(timeout) }
        guard unsafe cursor.pointee.reader.pointee.isOfThisProcess, unsafe !table.pointee.isAnythingThere(besides: index), !isAnyLaneNew
        else { return false }
        if unsafe cursor.pointee.budget == 0 {
            unsafe cursor.pointee.budget = budget
            return true
        }
        unsafe table.pointee.cursors[index] = cursor.pointee.reader.pointee.cursor
        return pollForAMoment(timeout)
    }
}

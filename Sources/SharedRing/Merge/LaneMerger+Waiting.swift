import CSharedRing

/// Waiting: for a message, and for a producer.
extension LaneMerger {
    /// Waits until a message is there, or every producer has ended.
    func wait(_ timeout: Duration?, until deadline: Deadline) throws(RingError) -> Arrival {
        try role.sleeper.requireNotCancelled("message")
        if let found = try poll() { return found }
        if isTotallyOrdered, pollForAMoment(timeout), let found = try poll() { return found }
        // In a total order a message may be there and not be due: its lane's space must not wait for that.
        settle()
        let (start, paced) = unsafe (sr_now_ns(), lastLane)
        defer { unsafe paced?.pointee.noteWait(since: start) }
        return try role.sleeper.wait(until: deadline, for: "message") { () throws(RingError) in
            try poll()
        } checkPeers: { () throws(RingError) in
            try handOut { () throws(RingError) in try checkPeers() }
        }
    }

    /// Which producers have gone.
    func checkPeers() throws(RingError) -> Arrival? {
        if isTotallyOrdered { clearDeadFloors() }
        for (index, lane) in lanes.enumerated() {
            let end = try lane.watch.end(lock: attachment.lock) { () throws(RingError) in !lane.isQuiet && !isAbandoned(index) }
            note(end, of: lane)
        }
        return try endIfDone()
    }

    /// A message from another core comes sooner than the general way of waiting is ready for it. True: something is there.
    func pollForAMoment(_ timeout: Duration?) -> Bool {
        guard role.sleeper.strategy != .sleep, timeout != .zero, !lanes.isEmpty else { return false }
        // The lane that was in hand last stands for all. There is none yet if nothing was ever taken.
        unsafe lastLane?.pointee.pace()
        for _ in 0..<64 {
            sr_pause()
            if unsafe table.pointee.isAnythingThere() { return true }
        }
        return false
    }

    func waitForProducer(until deadline: Deadline) throws(RingError) {
        try role.requireUsable()
        try role.sleeper.wait(until: deadline, for: "producer") { () throws(RingError) in
            isAnyProducerAttached ? () : nil
        } checkPeers: {
            nil
        }
    }

    var isProducerThere: Bool { isAnyProducerAttached }

    var isAnyProducerAttached: Bool { !attachment.isInherited && attachment.isAnyLaneHeld }
}

// MARK: Waiting without a thread

extension LaneMerger: ProducerAwaited {
    /// Before this side is handed over. Throws if it can't be used.
    func prepareToWait() throws(RingError) {
        try role.requireUsable()
        finishWhatIsOut()
        settle()
    }

    /// What is found and is no message is reported by the owner's next look, and the end of a producer by `takeEnd`.
    func isReady() -> Bool {
        if isProducerWanted { return isProducerThere }
        return pending != nil || findMessage() || pending != nil || isEndNew
    }

    func isReadyOnCheckingPeers() -> Bool {
        if isProducerWanted { return isReady() }
        do throws(RingError) {
            if let found = try checkPeers() { pending = .success(found) }
        } catch {
            pending = .failure(error)
        }
        return isReady()
    }

    func handOver(saying error: RingError) {
        // With no budget the fast path comes to `poll`, which throws.
        if unsafe phase.handOver(cursor.pointee) { unsafe cursor.pointee.budget = 0 }
        role.refusal = error
    }

    func takeBack() {
        noteWaitEnded()
        role.refusal = nil
        if let kept = phase.takeBack() { unsafe cursor.pointee = kept }
        unsafe lastLane?.pointee.pacing.reset()
    }
}

import CSharedRing

// The client's half of a stream, between the slot's call and what its caller has read.

extension ClientSlot {
    @safe enum StreamLook {
        case part(UnsafeRawPointer, byteCount: Int)
        /// The reply's word: the stream has ended, and every part was handed out.
        case ended(UInt64)
        /// What no server writes.
        case damaged(String)
    }

    /// The next part, or the end. Nil: neither is there. What was handed out before is over. No system call, unless the server waits for room.
    @inline(__always)
    func nextPart() -> StreamLook? {
        if let found = step() { return found }
        guard let word = reply() else { return nil }
        // SYNC: call-reply (pairs with ServerCore.answer): the last tail comes before the reply, so the lane is looked at once more.
        return step() ?? .ended(word)
    }

    @inline(__always)
    private func step() -> StreamLook? {
        guard stream != nil else { return nil }
        return switch stream!.step(isAsymmetric: memory.isAsymmetric) {
        case .part(let place, let byteCount): unsafe .part(place, byteCount: byteCount)
        case .damaged(let detail): .damaged(detail)
        case .nothing: nil
        }
    }

    /// A server that is always ahead leaves nothing to wait for: the deadline ends such a stream as well. The clock is read only for a caller that has one.
    private func requireTime(_ deadline: Deadline) throws(RingError) {
        if deadline.nanoseconds != .max, deadline.isPassed(at: sr_now_ns()), reply() == nil {
            throw RingError(.timedOut, ring: memory.ring, "the stream went on at its deadline")
        }
    }

    /// Blocks until there is a part, or the end. Throws `timedOut`, `cancelled`.
    func waitForPart(until deadline: Deadline) throws(RingError) -> StreamLook {
        try requireTime(deadline)
        return try sleeper.wait(until: deadline, for: "part") { () throws(RingError) in
            nextPart()
        } checkPeers: { () throws(RingError) in
            // Settles the call of a server that is gone: then its last parts follow, and the end.
            _ = checkPeers()
            return nextPart()
        }
    }

    /// The same without holding a thread.
    func waitForPartWithoutThread(until deadline: Deadline) async throws(RingError) -> StreamLook {
        try sleeper.requireNotCancelled("part")
        try requireTask()
        try requireTime(deadline)
        if let found = nextPart() { return found }
        for _ in 0..<256 {
            sr_pause()
            if let found = nextPart() { return found }
        }
        var emptyRounds = 0
        while true {
            try watch.occupy(self)
            try await watch.ready(self, until: deadline, "part")
            if let found = nextPart() { return found }
            // An untrusted server stored a tail and took it back: that must end as well, and not be a busy loop.
            emptyRounds += 1
            try requireTask()
            if deadline.isPassed(at: sr_now_ns()) { throw RingError(.timedOut, ring: memory.ring, "no part before the deadline") }
            if emptyRounds > 16 { try? await Task.sleep(for: .milliseconds(1)) }
        }
    }

    private func requireTask() throws(RingError) {
        if Task.isCancelled { throw RingError(.cancelled, ring: memory.ring, "the task that waited for a part was cancelled") }
    }

    /// The call's end was seen, and every part that was wanted.
    func endStream() { stream = nil }
}

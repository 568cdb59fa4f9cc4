import CSharedRing

// One call with a stream, from a free slot to its outcome.

extension ClientPool {
    /// The next part of a stream, or its end: then the slot is the reply's.
    @safe enum NextPart: ~Copyable {
        case part(UnsafeRawPointer, byteCount: Int)
        case ended(CallReply)
    }

    private func requireStreams() throws(CallError) {
        guard memory.shape.hasStreams else {
            throw CallError(.notExecuted, memory.attachment.error(.noStream, "the service was made without streams"), token: nil)
        }
    }

    /// Makes a call with a stream. It waits for a slot at most.
    func openStream(_ bytes: RawSpan, retrying token: CallToken?, timeout: Duration?) throws(CallError) -> CallStream {
        try requireStreams()
        var moment = CallMoment(timeout)
        let slot = try takeSlot(bytes.byteCount, &moment)
        copy(bytes, into: slot)
        slot.postStream(bytes.byteCount, retrying: token)
        return CallStream(self, slot, until: moment.deadline)
    }

    /// The same without holding a thread.
    func openStreamWithoutThread(_ bytes: RawSpan, retrying token: CallToken?, timeout: Duration?) async throws(CallError) -> CallStream {
        try requireStreams()
        let deadline = Deadline(after: timeout)
        let slot = try await takeSlotWithoutThread(bytes.byteCount, until: deadline)
        copy(bytes, into: slot)
        slot.postStream(bytes.byteCount, retrying: token)
        return CallStream(self, slot, until: deadline)
    }

    private func requireOwnProcess(_ slot: ClientSlot) throws(CallError) {
        do throws(RingError) { try memory.attachment.requireOwnProcess() } catch { throw CallError(.stillOpen, error, token: slot.token) }
    }

    /// Waits for the next part, or for the end. If it throws, the slot was given back.
    func nextPart(_ slot: ClientSlot, until deadline: Deadline) throws(CallError) -> NextPart {
        try requireOwnProcess(slot)
        let found: ClientSlot.StreamLook
        do throws(RingError) { found = try slot.waitForPart(until: deadline) } catch { return try giveUp(slot, error) }
        return try judge(slot, found)
    }

    /// The same without holding a thread.
    func nextPartWithoutThread(_ slot: ClientSlot, until deadline: Deadline) async throws(CallError) -> NextPart {
        try requireOwnProcess(slot)
        let found: ClientSlot.StreamLook
        do throws(RingError) { found = try await slot.waitForPartWithoutThread(until: deadline) } catch { return try giveUp(slot, error) }
        return try judge(slot, found)
    }

    /// The next part, or the end, if it is there. Nil: neither is.
    ///
    /// - Parameter nextCheck: when to ask whether the server lives, on the clock: no other side wakes a client that only polls.
    func nextPartNow(_ slot: ClientSlot, _ nextCheck: inout Int64) throws(CallError) -> NextPart? {
        try requireOwnProcess(slot)
        if let found = slot.nextPart() { return try judge(slot, found) }
        let now = sr_now_ns()
        guard now >= nextCheck else { return nil }
        nextCheck = now &+ slot.sleeper.checkInterval
        _ = slot.checkPeers()
        guard let found = slot.nextPart() else { return nil }
        return try judge(slot, found)
    }

    /// The caller wants no more.
    func abandon(_ slot: ClientSlot) {
        guard !memory.attachment.isInherited else { return }
        if case .settled = slot.look(withdrawing: true) {
            slot.endStream()
            slot.finish()
        } else {
            slot.giveUp()
        }
        unsafe give(.passRetained(slot))
    }

    /// The wait ended for that reason. If the call can be settled, what is left of its stream follows.
    private func giveUp(_ slot: ClientSlot, _ reason: RingError) throws(CallError) -> NextPart {
        let token = slot.token
        switch slot.look(withdrawing: true) {
        case .settled:
            // The reply is there, so there is a part, or the end.
            if let found = slot.nextPart() { return try judge(slot, found, withdrawnFor: reason) }
            fallthrough
        case .started, .pending:
            slot.giveUp()
            unsafe give(.passRetained(slot))
            throw CallError(.stillOpen, reason, token: token)
        case .impossible(let claim):
            // Made before the slot is given back: the next caller's number is another.
            let error = reason.code == .timedOut ? slot.impossible(claim) : reason
            slot.giveUp()
            unsafe give(.passRetained(slot))
            throw CallError(.unknown, error, token: token)
        }
    }

    private func judge(_ slot: ClientSlot, _ found: ClientSlot.StreamLook, withdrawnFor reason: RingError? = nil) throws(CallError)
        -> NextPart
    {
        switch found {
        case .part(let place, let byteCount): return unsafe .part(place, byteCount: byteCount)
        case .ended(let word):
            slot.endStream()
            return .ended(try judge(slot, word, withdrawnFor: reason))
        case .damaged(let detail): throw damage(slot, detail)
        }
    }

    /// The error of a lane that holds what no server writes. Gives the slot back.
    private func damage(_ slot: ClientSlot, _ detail: String) -> CallError {
        let token = slot.token
        let error = memory.attachment.error(.poisoned, detail)
        defer { unsafe give(.passRetained(slot)) }
        guard case .settled(let word) = slot.look(withdrawing: true) else {
            slot.giveUp()
            return CallError(.stillOpen, error, token: token)
        }
        slot.endStream()
        slot.finish()
        guard sr_call_how(word) == UInt32(SR_CALL_UNKNOWN) else { return CallError(.unknown, error, token: token) }
        return CallError(
            .unknown,
            memory.attachment.error(.peerDied, "the server that started the request has gone without an answer; before, \(detail)"),
            token: token)
    }
}

import CSharedRing

// One call, from a free slot to its outcome.

extension ClientPool {
    /// A slot for a request of so many bytes.
    private func requireFitting(_ byteCount: Int) throws(CallError) {
        guard byteCount <= memory.shape.requestCapacity, byteCount >= 0 else {
            let error = memory.attachment.error(
                .messageTooLarge, "a request of \(counted(byteCount, "byte")) does not fit the capacity of \(memory.shape.requestCapacity)")
            throw CallError(.notExecuted, error, token: nil)
        }
    }

    func takeSlot(_ byteCount: Int, _ moment: inout CallMoment) throws(CallError) -> ClientSlot {
        try requireFitting(byteCount)
        do throws(RingError) {
            if let slot = try takeNow() { return slot }
            return try take(until: moment.deadline)
        } catch {
            throw CallError(.notExecuted, error, token: nil)
        }
    }

    /// Makes a call and blocks until it has an outcome.
    func call(_ bytes: RawSpan, retrying token: CallToken?, timeout: Duration?) throws(CallError) -> CallReply {
        var moment = CallMoment(timeout)
        let slot = try takeSlot(bytes.byteCount, &moment)
        copy(bytes, into: slot)
        slot.post(bytes.byteCount, retrying: token)
        return try outcome(slot, &moment)
    }

    /// The same with a request that is written in place.
    func call(
        _ byteCount: Int, retrying token: CallToken?, timeout: Duration?, _ body: (inout MutableRawSpan) throws -> Void
    ) throws -> CallReply {
        var moment = CallMoment(timeout)
        let slot = try takeSlot(byteCount, &moment)
        try write(byteCount, into: slot, body)
        slot.post(byteCount, retrying: token)
        return try outcome(slot, &moment)
    }

    /// Makes a call and waits without holding a thread until it has an outcome.
    func callWithoutThread(_ bytes: RawSpan, retrying token: CallToken?, timeout: Duration?) async throws(CallError) -> CallReply {
        let deadline = Deadline(after: timeout)
        let slot = try await takeSlotWithoutThread(bytes.byteCount, until: deadline)
        copy(bytes, into: slot)
        slot.post(bytes.byteCount, retrying: token)
        return try await outcomeWithoutThread(slot, until: deadline)
    }

    /// The same with a request that is written in place.
    func callWithoutThread(
        _ byteCount: Int, retrying token: CallToken?, timeout: Duration?, _ body: (inout MutableRawSpan) throws -> Void
    ) async throws -> CallReply {
        let deadline = Deadline(after: timeout)
        let slot = try await takeSlotWithoutThread(byteCount, until: deadline)
        try write(byteCount, into: slot, body)
        slot.post(byteCount, retrying: token)
        return try await outcomeWithoutThread(slot, until: deadline)
    }

    func takeSlotWithoutThread(_ byteCount: Int, until deadline: Deadline) async throws(CallError) -> ClientSlot {
        try requireFitting(byteCount)
        do throws(RingError) { return try await takeWithoutThread(until: deadline) } catch {
            throw CallError(.notExecuted, error, token: nil)
        }
    }

    private func outcomeWithoutThread(_ slot: ClientSlot, until deadline: Deadline) async throws(CallError) -> CallReply {
        let word: UInt64
        do throws(RingError) { word = try await slot.waitWithoutThread(until: deadline) } catch { return try giveUp(slot, error) }
        return try judge(slot, word)
    }

    /// Lets the body write a request. Gives the slot back if it throws.
    func write(_ byteCount: Int, into slot: ClientSlot, _ body: (inout MutableRawSpan) throws -> Void) throws {
        do {
            // SAFETY: the slot is quiet, and has room for so many bytes. The span does not outlive the body.
            var span = unsafe MutableRawSpan(_unsafeStart: slot.begin(byteCount), byteCount: byteCount)
            try body(&span)
        } catch {
            unsafe give(.passRetained(slot))
            throw error
        }
    }

    func copy(_ bytes: RawSpan, into slot: ClientSlot) {
        let count = bytes.byteCount
        let target = unsafe slot.begin(count)
        // SAFETY: the slot is quiet, and has room for so many bytes.
        unsafe bytes.withUnsafeBytes { if let source = $0.baseAddress { unsafe sr_copy(target, source, Int64(count)) } }
    }

    // MARK: Outcomes

    private func outcome(_ slot: ClientSlot, _ moment: inout CallMoment) throws(CallError) -> CallReply {
        if let word = slot.replyAtOnce() { return try judge(slot, word) }
        let word: UInt64
        do throws(RingError) { word = try slot.wait(until: moment.deadline) } catch { return try giveUp(slot, error) }
        return try judge(slot, word)
    }

    /// The wait ended for that reason before there was a reply.
    private func giveUp(_ slot: ClientSlot, _ reason: RingError) throws(CallError) -> CallReply {
        guard !memory.attachment.isInherited else { throw CallError(.stillOpen, reason, token: slot.token) }
        let token = slot.token
        switch slot.look(withdrawing: true) {
        case .settled(let word): return try judge(slot, word, withdrawnFor: reason)
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

    /// The call is settled: what its reply's word means.
    func judge(_ slot: ClientSlot, _ word: UInt64, withdrawnFor reason: RingError? = nil) throws(CallError) -> CallReply {
        slot.finish()
        let count = Int(sr_call_byte_count(word))
        let how = sr_call_how(word)
        guard how <= UInt32(SR_CALL_UNKNOWN), count <= memory.shape.replyCapacity else {
            let error = memory.attachment.error(
                .poisoned,
                "the reply in slot \(slot.number) has \(counted(count, "byte")) and the mark \(how), with a capacity of \(memory.shape.replyCapacity)"
            )
            let token = slot.token
            unsafe give(.passRetained(slot))
            throw CallError(.unknown, error, token: token)
        }
        if how == UInt32(SR_CALL_REPLIED) { return unsafe CallReply(self, .passRetained(slot), slot.reply(count), byteCount: count) }
        throw failure(slot, how, count, reason)
    }

    /// The error of a call that was settled without a reply. Gives the slot back.
    private func failure(_ slot: ClientSlot, _ how: UInt32, _ count: Int, _ reason: RingError?) -> CallError {
        let token = slot.token
        defer { unsafe give(.passRetained(slot)) }
        func error(_ code: RingError.Code, _ detail: String) -> RingError { memory.attachment.error(code, detail) }
        func failed(_ failure: CallError.Failure, _ detail: String, _ refusal: [UInt8] = []) -> CallError {
            CallError(.failed(failure), error(.callFailed, detail), token: token, refusal: refusal)
        }
        switch how {
        case UInt32(SR_CALL_REFUSED):
            // SAFETY: the count was checked; the bytes lie in the line or the area.
            let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: slot.memory.reply(slot.number, count), count: count))
            return failed(.refused, "the service refused the request", bytes)
        case UInt32(SR_CALL_DROPPED): return failed(.dropped, "the server let go of the request without an answer")
        case UInt32(SR_CALL_CLOSED): return failed(.closed, "the server closed before it answered")
        case UInt32(SR_CALL_MALFORMED): return failed(.malformed, "the server found the request impossible")
        case UInt32(SR_CALL_NOT_EXECUTED):
            return CallError(.notExecuted, reason ?? error(.callFailed, "the request was withdrawn"), token: token)
        default:
            return CallError(.unknown, error(.peerDied, "the server that started the request has gone without an answer"), token: token)
        }
    }
}

/// When a call ends at the latest. The clock is read only by a call that has to wait, and once: for its slot and for its reply.
struct CallMoment {
    private let timeout: Duration?
    private var fixed: Deadline?

    init(_ timeout: Duration?) { self.timeout = timeout }

    var deadline: Deadline {
        mutating get {
            if let fixed { return fixed }
            let deadline = Deadline(after: timeout)
            fixed = deadline
            return deadline
        }
    }
}

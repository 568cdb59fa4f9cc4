import CSharedRing

// What a handler may do with a call that was started.

extension ServerCore {
    /// Answers as failed (dropped), unless it was answered.
    func drop(_ call: Started, from stage: UInt64 = Stage.held) { if take(call, from: stage) { finish(call, UInt32(SR_CALL_DROPPED), 0) } }

    private func takeToAnswer(_ call: Started, _ byteCount: Int, from stage: UInt64 = Stage.held) throws(RingError) {
        guard byteCount >= 0, byteCount <= memory.shape.replyCapacity else {
            throw memory.attachment.error(
                .messageTooLarge, "a reply of \(counted(byteCount, "byte")) does not fit the capacity of \(memory.shape.replyCapacity)"
            ).aboutCalls
        }
        guard take(call, from: stage) else {
            try onCalls { () throws(RingError) in try memory.attachment.requireOwnProcess() }
            throw memory.attachment.error(.ended, "the call was answered already, perhaps when its server closed").aboutCalls
        }
    }

    /// Answers with a copy of these bytes.
    func answer(_ call: Started, _ how: UInt32, _ bytes: RawSpan, from stage: UInt64 = Stage.held) throws(RingError) {
        let count = bytes.byteCount
        try takeToAnswer(call, count, from: stage)
        let target = unsafe memory.reply(call.slot, count)
        // SAFETY: the place has room for so many bytes, and is this server's until the reply is stored. The bytes may be the request's, in place.
        unsafe bytes.withUnsafeBytes { if let source = $0.baseAddress { unsafe sr_copy(target, source, Int64(count)) } }
        finish(call, how, count)
    }

    /// Answers in place. If the body throws, the call is as before.
    func answer(_ call: Started, _ how: UInt32, _ byteCount: Int, _ body: (inout MutableRawSpan) throws -> Void) throws {
        try takeToAnswer(call, byteCount)
        do {
            // SAFETY: as above. The span does not outlive the body.
            var span = unsafe MutableRawSpan(_unsafeStart: memory.reply(call.slot, byteCount), byteCount: byteCount)
            try body(&span)
        } catch {
            putBack(call)
            throw error
        }
        finish(call, how, byteCount)
    }

    /// A copy of the request's bytes; empty if they are gone.
    func array(_ call: Started) -> [UInt8] {
        // SAFETY: the count was checked against the capacity.
        let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: requestBytes(call), count: call.byteCount))
        return isStillThere(call) ? bytes : []
    }
}

import CSharedRing

extension RingCheck {
    /// What no process writes into a segment of calls that keeps the protocol. O(slots) system calls.
    static func damage(in shape: CallShape, of segment: Segment, ring: String) throws(RingError) -> [Damage] {
        var damage: [Damage] = []
        for slot in 0..<shape.slotCount {
            let call = try RingReport.CallWords(slot, of: segment, shape, ring: ring)
            guard !call.isMoving else { continue }
            let line = segment.header.controlOffset + shape.lineOffset(slot)
            let caller = segment.header.controlOffset + shape.callerOffset(slot)
            func note(_ offset: Int, _ detail: String) {
                damage.append(Damage(lane: nil, position: nil, fileOffset: offset, detail: detail))
            }
            let (n, claimed, settled) = (sr_call_number(call.request), sr_call_number(call.claim), sr_call_number(call.reply))
            if claimed != n, claimed != n &- 1 { note(caller, "slot \(slot) has call \(n), and its claim is of call \(claimed)") }
            if settled != n, settled != n &- 1 { note(line + 8, "slot \(slot) has call \(n), and its reply is of call \(settled)") }
            if settled == n, claimed != n { note(line + 8, "slot \(slot) has a reply to call \(n), which was never claimed") }
            let (request, reply) = (Int(sr_call_byte_count(call.request)), Int(sr_call_byte_count(call.reply)))
            if settled != n, request > shape.requestCapacity {
                note(line, "slot \(slot) has a request of \(counted(request, "byte")), and a capacity of \(shape.requestCapacity)")
            }
            if settled == n, reply > shape.replyCapacity || sr_call_how(call.reply) > UInt32(SR_CALL_UNKNOWN) {
                note(
                    line + 8,
                    "slot \(slot) has a reply of \(counted(reply, "byte")) with the mark \(sr_call_how(call.reply)), and a capacity of \(shape.replyCapacity)"
                )
            }
            // Of a call that is open: behind its reply the client may set the lane back.
            if shape.hasStreams, call.isStream, call.state != .quiet, let words = try StreamWords(slot, of: segment, shape, ring: ring),
                !words.isSound(shape), try RingReport.CallWords(slot, of: segment, shape, ring: ring).isSameCall(as: call)
            {
                note(
                    words.offset,
                    "slot \(slot) has sent \(words.tail) bytes of a stream, of which \(words.head) are acknowledged, and room for \(shape.streamCapacity)"
                )
            }
        }
        return damage
    }

    /// The words of a slot's lane, read from the file.
    private struct StreamWords {
        let offset: Int
        let tail: UInt64
        let head: UInt64

        /// Nil: the head moved whenever it was looked at, so the two say nothing of each other.
        init?(_ slot: Int, of segment: Segment, _ shape: CallShape, ring: String) throws(RingError) {
            offset = segment.header.controlOffset + shape.streamOffset(slot)
            let headOffset = offset + MemoryLayout<sr_stream_control>.offset(of: \.head)!
            for _ in 0..<8 {
                let first = try segment.read(UInt64.self, at: headOffset, ring: ring)
                let tail = try segment.read(UInt64.self, at: offset, ring: ring)
                let head = try segment.read(UInt64.self, at: headOffset, ring: ring)
                guard first == head else { continue }
                (self.tail, self.head) = (tail, head)
                return
            }
            return nil
        }

        func isSound(_ shape: CallShape) -> Bool { tail % 8 == 0 && head % 8 == 0 && tail &- head <= UInt64(shape.streamCapacity) }
    }
}

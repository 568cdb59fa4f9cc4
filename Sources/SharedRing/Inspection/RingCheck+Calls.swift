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
        }
        return damage
    }
}

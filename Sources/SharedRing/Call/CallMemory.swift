import CSharedRing

/// A segment of calls as one of its clients or servers has it: a role, the control blocks, the areas.
@safe
final class CallMemory: @unchecked Sendable {
    let attachment: Attachment
    let shape: CallShape
    let isAsymmetric: Bool
    let control: UnsafeMutablePointer<sr_call_control>
    /// The lines of all slots.
    let lines: UnsafeMutablePointer<sr_call_line>
    private let areas: UnsafeMutableRawPointer
    private let data: Mapping

    // SAFETY, for all of these: the blocks lie in the control mapping, which the attachment keeps, and the areas in `data`; the header was checked to
    // have room for those of `shape`. A number of a slot or of a server is below the shape's count.

    init(_ attachment: Attachment, prefault: Bool) throws(RingError) {
        guard let shape = attachment.header.call else { throw attachment.error(.incompatible, "it is not a call service") }
        self.attachment = attachment
        self.shape = shape
        isAsymmetric = attachment.header.usesAsymmetricBarrier
        data = try Mapping.data(of: attachment.segment, writable: true, prefault: prefault, ring: attachment.ring)
        unsafe control = attachment.call
        unsafe lines = sr_call_line_of(attachment.call, UInt32(shape.serverCount), UInt32(shape.slotCount), 0)
        unsafe areas = data.base
    }

    var ring: String { attachment.ring }

    func server(_ number: Int) -> UnsafeMutablePointer<sr_server_control> {
        precondition((0..<shape.serverCount).contains(number))
        return unsafe sr_server(control, UInt32(number))
    }

    func caller(_ slot: Int) -> UnsafeMutablePointer<sr_caller_control> {
        precondition((0..<shape.slotCount).contains(slot))
        return unsafe sr_caller(control, UInt32(shape.serverCount), UInt32(slot))
    }

    func line(_ slot: Int) -> UnsafeMutablePointer<sr_call_line> {
        precondition((0..<shape.slotCount).contains(slot))
        return unsafe lines + slot
    }

    /// Where a request of so many bytes stands, which are at most the capacity.
    func request(_ slot: Int, _ byteCount: Int) -> UnsafeMutableRawPointer {
        unsafe byteCount <= CallShape.inline ? UnsafeMutableRawPointer(sr_call_message(line(slot))) : areas + shape.requestArea(slot)
    }

    /// Where a reply of so many bytes stands, which are at most the capacity.
    func reply(_ slot: Int, _ byteCount: Int) -> UnsafeMutableRawPointer {
        unsafe byteCount <= CallShape.inline ? UnsafeMutableRawPointer(sr_call_message(line(slot))) : areas + shape.replyArea(slot)
    }

    /// The slot's lane for streams, where the service has them.
    func stream(_ slot: Int) -> StreamLane {
        precondition((0..<shape.slotCount).contains(slot) && shape.hasStreams)
        return unsafe StreamLane(
            control: sr_stream(control, UInt32(shape.serverCount), UInt32(shape.slotCount), UInt32(slot)),
            data: areas + shape.streamData(slot),
            capacity: shape.streamCapacity)
    }

    /// Whether no client has the slot's byte. A system call.
    func isClientGone(_ slot: Int) -> Bool {
        // A failing query is no proof of death.
        (try? attachment.lock.holder(of: .caller(slot))) == .free
    }

    /// Whether the server that a claim names has gone for good. A system call if its epoch does not say so. The claim was loaded before.
    ///
    /// No server can have a number that there is no place for: only an untrusted peer names it.
    func isGone(_ who: UInt32) -> Bool {
        let number = Int(sr_call_starter_server(who))
        guard number < shape.serverCount else { return true }
        // SYNC: call-server (pairs with ServerCore.init and .close): the claim before, the epoch and the byte after.
        guard unsafe sr_call_is_epoch_of(who, sr_load_acquire_u32(sr_server_epoch(server(number)))) != 0 else { return true }
        // A failing query is no proof of death.
        return (try? attachment.lock.holder(of: .server(number))) == .free
    }

    /// What the words of a slot say of its last call.
    enum SlotState {
        /// It is settled, or there was none.
        case quiet
        /// No server has started it, or it was withdrawn: the slot's client can settle it.
        case pending
        case started(by: UInt32)
        /// The claim is of another call: none through this slot can come to an end.
        case damaged
    }

    /// The state of a slot. While another client may have its byte, it only says where to try.
    func state(of slot: Int) -> SlotState {
        let (line, caller) = unsafe (line(slot), caller(slot))
        // Relaxed: the byte, and the slot's look at its call, decide. A server moves the claim forward only, so it is loaded before the reply.
        let claim = unsafe sr_load_relaxed_u64(sr_caller_claim(caller))
        let n = unsafe sr_call_number(sr_load_relaxed_u64(sr_call_request(line)))
        let settled = unsafe sr_call_number(sr_load_relaxed_u64(sr_call_reply(line)))
        let who = UInt32(truncatingIfNeeded: claim)
        switch sr_call_number(claim) {
        case n: return settled == n ? .quiet : who == 0 ? .pending : .started(by: who)
        case n &- 1: return settled == n ? .damaged : .pending
        default: return .damaged
        }
    }

    /// Wakes the servers if one may be asleep, and says whether. Behind a request's store.
    func wakeServers() -> Bool {
        // SYNC: event-count (pairs with EventCount.declareAsleep): the request before, the look at the event word after.
        if isAsymmetric { sr_fence_compiler() } else { sr_fence_full() }
        let word = unsafe sr_call_event_word(control)
        guard unsafe EventCount.isAnyoneAsleep(word) else { return false }
        unsafe EventCount.wake(word)
        return true
    }

    /// Which segment it is, for tokens.
    var instance: SegmentHeader.Instance { attachment.header.instance }
}

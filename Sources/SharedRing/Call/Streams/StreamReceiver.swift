import CSharedRing

/// The client's half of a stream: what its caller has read of the call's parts.
///
/// Invariants:
/// - `head <= position <= tail`, and `tail - head` is at most the capacity. All three are this side's copies; the shared tail is checked when it is loaded.
/// - Everything before `position` was handed out. What the caller has now ends there; it is acknowledged only when the caller has come back.
@safe
struct StreamReceiver {
    let lane: StreamLane
    private var position: UInt64 = 0
    private var tail: UInt64 = 0
    /// As stored last.
    private var head: UInt64 = 0

    // SAFETY, for the whole struct: the lane lies in mappings that the slot's owner keeps. Records are read only before `tail`, and from masked places.

    /// Sets the lane back for call `n`, whose request is stored behind this. The slot is quiet.
    init(settingBack lane: StreamLane, before n: UInt32) {
        self.lane = lane
        // SYNC: call-request (pairs with ServerCore.claim), call-reply (the last call's server wrote before). Relaxed: these two order them.
        unsafe sr_store_relaxed_u64(sr_stream_tail(lane.control), 0)
        unsafe sr_store_relaxed_u64(sr_stream_head(lane.control), 0)
        unsafe sr_store_relaxed_u32(sr_stream_stop(lane.control), n &- 1)
    }

    /// Whether there may be something that was not handed out. One load. It changes nothing.
    var hasMore: Bool {
        // Relaxed: `step` loads it again.
        unsafe position != tail || sr_load_relaxed_u64(sr_stream_tail(lane.control)) != tail
    }

    @safe enum Step {
        case part(UnsafeRawPointer, byteCount: Int)
        /// All that is there was handed out.
        case nothing
        /// What no server writes.
        case damaged(String)
    }

    /// The next part. What was handed out before is over.
    @inline(__always)
    mutating func step(isAsymmetric: Bool) -> Step {
        if position == tail {
            acknowledge(isAsymmetric: isAsymmetric)
            // SYNC: stream-tail (pairs with StreamSender.commit): the records after. One copy, which is checked and used.
            let found = unsafe sr_load_acquire_u64(sr_stream_tail(lane.control))
            guard found != tail else { return .nothing }
            guard found &- position <= lane.capacity, found & 7 == 0 else {
                return .damaged(
                    "\(found) bytes of a stream were sent, of which \(position) were read, and it has room for \(lane.capacity)")
            }
            tail = found
        } else if position &- head >= lane.capacity / 8 {
            acknowledge(isAsymmetric: isAsymmetric)
        }
        return record()
    }

    private mutating func record() -> Step {
        // Relaxed: the tail's load has brought it. One copy, which is checked and used.
        var header = unsafe sr_load_relaxed_u64(lane.place(position))
        if sr_stream_header_what(header) == UInt32(SR_STREAM_LAP) {
            let rest = lane.rest(position)
            // A record follows the lap's rest, and one at the lane's start needs none.
            guard rest < lane.capacity, rest < tail &- position else { return damage(header) }
            position &+= rest
            header = unsafe sr_load_relaxed_u64(lane.place(position))
        }
        let count = Int(sr_stream_header_byte_count(header))
        guard sr_stream_header_what(header) == UInt32(SR_STREAM_PART), count <= lane.largestPart else { return damage(header) }
        let size = StreamLane.recordSize(count)
        guard size <= tail &- position, size <= lane.rest(position) else { return damage(header) }
        let place = unsafe lane.place(position) + Int(SR_STREAM_HEADER_SIZE)
        position &+= size
        return unsafe .part(place, byteCount: count)
    }

    private func damage(_ header: UInt64) -> Step {
        .damaged("the record at \(position) of a stream, of which \(tail) bytes were sent, has the header 0x\(String(header, radix: 16))")
    }

    /// Gives back the room of all that was handed out. Wakes a server that waits for it.
    private mutating func acknowledge(isAsymmetric: Bool) {
        guard head != position else { return }
        head = position
        // SYNC: stream-head (pairs with StreamSender.look): the reads before.
        unsafe sr_store_release_u64(sr_stream_head(lane.control), position)
        _ = lane.wakeServer(isAsymmetric: isAsymmetric)
    }
}

import CSharedRing

/// A slot's lane for streams of replies: where its words and its records are.
///
/// A lane belongs to the slot's call: the server that has started it writes records and the tail, the client reads them and stores the head. Between two calls it
/// is the client's, which sets it back.
@safe
struct StreamLane {
    let control: UnsafeMutablePointer<sr_stream_control>
    let data: UnsafeMutableRawPointer
    /// In bytes, a power of two.
    let capacity: UInt64

    // SAFETY, for all of these: the block and the data lie in mappings that the owner of this value keeps; the header was checked to have room for them.
    // A place is masked, and `fits` says that the record ends before the lane does.

    init(control: UnsafeMutablePointer<sr_stream_control>, data: UnsafeMutableRawPointer, capacity: Int) {
        unsafe self.control = control
        unsafe self.data = data
        self.capacity = UInt64(capacity)
    }

    var roomWord: UnsafeMutablePointer<UInt32> { unsafe sr_stream_room_word(control) }

    /// From there to the lane's end, in bytes.
    @inline(__always)
    func rest(_ position: UInt64) -> UInt64 { capacity - position & (capacity - 1) }

    @inline(__always)
    func place(_ position: UInt64) -> UnsafeMutableRawPointer { unsafe data + Int(position & (capacity - 1)) }

    var largestPart: Int { Int(sr_stream_largest_part(UInt32(capacity))) }

    /// The bytes of a record with a part of so many bytes, which are at most `largestPart`.
    @inline(__always)
    static func recordSize(_ byteCount: Int) -> UInt64 { sr_stream_record_size(UInt32(truncatingIfNeeded: byteCount)) }

    /// Whether the client of call `n` wants no more.
    @inline(__always)
    func isStopped(_ n: UInt32) -> Bool {
        // Relaxed: the word is compared, and orders nothing.
        unsafe sr_load_relaxed_u32(sr_stream_stop(control)) == n
    }

    /// Wakes the server if one may be asleep for room, and says whether. Behind the store of a head, or of a stop.
    func wakeServer(isAsymmetric: Bool) -> Bool {
        // SYNC: event-count (pairs with EventCount.declareAsleep): that store before, the look at the word after.
        if isAsymmetric { sr_fence_compiler() } else { sr_fence_full() }
        guard unsafe EventCount.isAnyoneAsleep(roomWord) else { return false }
        unsafe EventCount.wake(roomWord)
        return true
    }

    /// Stores that the client of call `n`, or its successor, wants no more, and wakes the server.
    func stop(_ n: UInt32, isAsymmetric: Bool) -> Bool {
        // SYNC: stream-stop (pairs with StreamSender.look): the barrier of `wakeServer` follows. Relaxed: nothing goes with it.
        unsafe sr_store_relaxed_u32(sr_stream_stop(control), n)
        return wakeServer(isAsymmetric: isAsymmetric)
    }
}

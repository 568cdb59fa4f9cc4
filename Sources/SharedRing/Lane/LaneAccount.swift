import CSharedRing

/// What was sent in a lane since it was made, as its producer told observers when it last opened room, closed, or was dropped.
///
/// It is told now and then, and not with each message: a store for observers would wait, like every store, for the lines before it to
/// arrive, and make each send slower. Nothing is lost by that. The records behind the account's tail stay where they are until a newer
/// one is told, whoever acknowledges them and whoever is killed: so whoever wants to know walks over them.
struct LaneAccount: Equatable {
    /// The position behind the records that are counted.
    var tail: UInt64
    var messages: UInt64
    /// Of their payloads.
    var byteCount: UInt64
    /// No record and no terminator begins at or beyond this position before a newer account is told.
    var bound: UInt64

    init(_ told: sr_checkpoint) {
        tail = told.tail
        messages = told.messages
        byteCount = told.bytes
        bound = told.write_limit
    }

    init(tail: UInt64, messages: UInt64, byteCount: UInt64, bound: UInt64) {
        self.tail = tail
        self.messages = messages
        self.byteCount = byteCount
        self.bound = bound
    }

    /// The newest that is told in a lane.
    @unsafe
    init(_ control: UnsafeMutablePointer<sr_lane_control>) {
        // SYNC: account (pairs with `tell` of the producer)
        self.init(unsafe sr_load_checkpoint(control))
    }

    /// By the producer, before it writes at or beyond the bound that it told last.
    @unsafe
    func tell(in control: UnsafeMutablePointer<sr_lane_control>) {
        // SYNC: account (pairs with `init` and LossyReader.step)
        unsafe sr_publish_checkpoint(control, sr_checkpoint(tail: tail, messages: messages, bytes: byteCount, write_limit: bound))
    }

    /// Whether what stands at a position, or behind it, may be written over before a newer account is told.
    func allowsWriting(over position: UInt64, _ shape: LaneShape) -> Bool {
        Int64(bitPattern: bound &- position) > Int64(shape.capacity)
    }

    /// What was sent until now, by the newest account and the records behind it. `told` gives the account, and whatever `header` gives
    /// after that must have been loaded after it.
    ///
    /// Of a lane that overtakes whoever counts, three times, the newest account.
    static func now<Failure: Error>(
        _ shape: LaneShape, told: () throws(Failure) -> LaneAccount, header: (UInt64) throws(Failure) -> RecordHeader
    ) throws(Failure) -> LaneAccount {
        var newest = try told()
        for _ in 0..<3 {
            var now = newest
            try now.countOn(shape, header: header)
            // None of it was overwritten if the producer was not to go that far meanwhile.
            let later = try told()
            if !later.allowsWriting(over: newest.tail, shape) { return now }
            newest = later
        }
        return newest
    }

    /// Counts the records behind the tail, to the first absent one, and moves the tail behind them. Whether they were overwritten
    /// meanwhile is for the caller to find out. What no producer writes ends it, too, and is not told apart.
    ///
    /// - Parameter header: gives what stands at a position.
    mutating func countOn<Failure: Error>(_ shape: LaneShape, header: (UInt64) throws(Failure) -> RecordHeader) throws(Failure) {
        guard shape.isAligned(tail) else { return }
        // No terminator begins at or beyond the bound, so every record ends before it.
        var walk = RecordWalk(shape, from: tail, limit: tail &+ min(bound &- tail, shape.capacity))
        while true {
            switch try walk.next(header) {
            case .message(let record):
                messages &+= 1
                byteCount &+= UInt64(record.byteCount)
            case .end: break
            case .absent, .malformed, .beyondCapacity: return
            }
            tail = walk.position
        }
    }
}

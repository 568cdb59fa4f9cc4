import CSharedRing

/// What was sent in a lane since it was made: the totals that its producer published for observers when it last opened room, closed, or was
/// dropped.
///
/// A checkpoint is published now and then, and not with each message: a store for observers would wait, like every store, for the lines before
/// it to arrive, and make each send slower. Nothing is lost by that. The records behind the checkpoint's tail stay where they are until a newer
/// one is published, whether they are acknowledged and whether their producer is killed: so a reader that wants the newest totals walks over them.
struct Checkpoint: Equatable {
    /// The position behind the records that are counted.
    var tail: UInt64
    var messages: UInt64
    /// Of their payloads.
    var byteCount: UInt64
    /// No record and no terminator begins at or beyond this position before a newer checkpoint is published.
    var writeLimit: UInt64

    init(_ published: sr_checkpoint) {
        tail = published.tail
        messages = published.messages
        byteCount = published.bytes
        writeLimit = published.write_limit
    }

    init(tail: UInt64, messages: UInt64, byteCount: UInt64, writeLimit: UInt64) {
        self.tail = tail
        self.messages = messages
        self.byteCount = byteCount
        self.writeLimit = writeLimit
    }

    /// The newest that is published in a lane.
    @unsafe
    init(_ control: UnsafeMutablePointer<sr_lane_control>) {
        // SYNC: checkpoint (pairs with `publish` of the producer)
        self.init(unsafe sr_load_checkpoint(control))
    }

    /// By the producer, before it writes at or beyond the write limit that it published last.
    @unsafe
    func publish(in control: UnsafeMutablePointer<sr_lane_control>) {
        // SYNC: checkpoint (pairs with `init` and LossyReader.step)
        unsafe sr_publish_checkpoint(control, sr_checkpoint(tail: tail, messages: messages, bytes: byteCount, write_limit: writeLimit))
    }

    /// Whether what stands at a position, or behind it, may be written over before a newer checkpoint is published.
    func allowsWriting(over position: UInt64, _ shape: LaneShape) -> Bool {
        Int64(bitPattern: writeLimit &- position) > Int64(shape.capacity)
    }

    /// What was sent until now, by the newest checkpoint and the records behind it. `load` gives the checkpoint, and whatever `header` gives
    /// after that must have been loaded after it.
    ///
    /// Of a lane that overtakes its reader three times, the newest checkpoint.
    static func now<Failure: Error>(
        _ shape: LaneShape, load: () throws(Failure) -> Checkpoint, header: (UInt64) throws(Failure) -> RecordHeader
    ) throws(Failure) -> Checkpoint {
        var newest = try load()
        for _ in 0..<3 {
            var now = newest
            try now.countOn(shape, header: header)
            // None of it was overwritten if the producer was not to go that far meanwhile.
            let later = try load()
            if !later.allowsWriting(over: newest.tail, shape) { return now }
            newest = later
        }
        return newest
    }

    /// Counts the records behind the tail, to the first absent one, and moves the tail behind them. Whether they were overwritten
    /// meanwhile is for the caller to find out. Bytes that no producer writes end it, too; the caller does not learn which it was.
    ///
    /// - Parameter header: gives what stands at a position.
    mutating func countOn<Failure: Error>(_ shape: LaneShape, header: (UInt64) throws(Failure) -> RecordHeader) throws(Failure) {
        guard shape.isAligned(tail) else { return }
        // No terminator begins at or beyond the write limit, so every record ends before it.
        var walk = RecordWalk(shape, from: tail, limit: tail &+ min(writeLimit &- tail, shape.capacity))
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

import CSharedRing

/// What keeps a producer from writing over what is still needed. Chosen when the writer is made; asked in its slow path alone.
///
/// A lane has one consumer, whose head the gate is. A broadcast has many subscribers, of which the slowest counts.
@safe
enum SpaceGate {
    /// The head of the lane's one consumer: the producer writes up to one capacity behind it.
    case consumer(head: UnsafeMutablePointer<UInt64>)
    /// The heads of a broadcast's subscribers. What they allow is opened in steps: see `LaneWriter.extend`.
    case subscribers(SubscriberHeads)

    /// What the gate says now.
    enum State: Equatable {
        /// Everything before this position is needed no more.
        case head(UInt64)
        /// A head that no consumer stores. No word of the process that stored it is believed any more.
        case impossible(UInt64)
    }

    /// Loads the gate. Changes nothing.
    ///
    /// - Parameters:
    ///   - last: the head that was seen before.
    ///   - tail: the position behind the last committed record.
    func state(since last: UInt64, tail: UInt64, _ shape: LaneShape) -> State {
        switch self {
        case .consumer(let word):
            // SAFETY: the word lies in the control mapping, which the attachment keeps.
            // SYNC: space-given (pairs with LaneReader.storeHead): what the consumer read there, it has finished reading.
            let head = unsafe sr_load_acquire_u64(word)
            return shape.isAligned(head) && head &- last <= tail &- last ? .head(head) : .impossible(head)
        case .subscribers(let heads): return .head(heads.slowest(open: last, tail: tail) ?? tail)
        }
    }
}

import CSharedRing

/// Where the checkpoints of a lane stand: two in a lane's own block, or a ring of 16 in a broadcast's.
@safe
enum CheckpointPlace {
    case lane(UnsafeMutablePointer<sr_lane_control>)
    case broadcast(UnsafeMutablePointer<sr_broadcast_control>)

    // SAFETY, for all of these: the words lie in a control mapping that the owner of this value keeps.

    /// The newest that is published. While one is published again and again, it may be a mixture of two.
    var newest: Checkpoint {
        switch self {
        // SYNC: checkpoint (pairs with `publish`)
        case .lane(let control): return unsafe Checkpoint(control)
        case .broadcast: return newestWhole?.checkpoint ?? Checkpoint(tail: 0, messages: 0, byteCount: 0, writeLimit: 0)
        }
    }

    /// A broadcast's newest checkpoint, and whether the record that ends at its tail is an end record. Nil: each of 64 that were tried was written
    /// over meanwhile, which takes an untrusted publisher.
    var newestWhole: (checkpoint: Checkpoint, endsWithEnd: Bool)? {
        for _ in 0..<64 {
            if let found = published(back: 0) { return found }
        }
        return nil
    }

    /// A broadcast's checkpoint that was published so many turns before the newest. Nil: there is none, or it was written over meanwhile.
    func published(back: Int) -> (checkpoint: Checkpoint, endsWithEnd: Bool)? {
        guard case .broadcast(let control) = self else { return nil }
        var stored = sr_checkpoint()
        // SYNC: checkpoint (pairs with `publish`)
        guard unsafe sr_load_broadcast_checkpoint(control, UInt64(back), &stored) == 1 else { return nil }
        let endsWithEnd = stored.tail & SR_BROADCAST_BEHIND_END != 0
        stored.tail &= ~SR_BROADCAST_BEHIND_END
        return (Checkpoint(stored), endsWithEnd)
    }

    /// By the producer, before it writes at or beyond the write limit that it published last.
    ///
    /// - Parameter endsWithEnd: whether the record that ends at the tail is an end record. A lane's block does not keep it.
    func publish(_ checkpoint: Checkpoint, endsWithEnd: Bool) {
        switch self {
        case .lane(let control): unsafe checkpoint.publish(in: control)
        case .broadcast(let control):
            // SYNC: checkpoint (pairs with `published` and LossyReader.step)
            unsafe sr_publish_broadcast_checkpoint(
                control,
                sr_checkpoint(
                    tail: checkpoint.tail | (endsWithEnd ? SR_BROADCAST_BEHIND_END : 0), messages: checkpoint.messages,
                    bytes: checkpoint.byteCount, write_limit: checkpoint.writeLimit))
        }
    }

    /// Whether a checkpoint was ever published. Always of a broadcast, whose creator published the first.
    var isAnyPublished: Bool {
        switch self {
        // SYNC: checkpoint (pairs with `publish`)
        case .lane(let control): unsafe sr_load_acquire_u64(sr_checkpoint_turn(control)) != 0
        case .broadcast: true
        }
    }
}

extension CheckpointPlace {
    /// How far beyond a head the write limit may lie, in bytes.
    func largestReach(_ shape: LaneShape) -> UInt64 {
        switch self {
        case .lane: shape.capacity
        // No further than the capacity beyond the tail, which lies no further than that beyond a head that was joined at.
        case .broadcast: 2 * shape.capacity
        }
    }
}

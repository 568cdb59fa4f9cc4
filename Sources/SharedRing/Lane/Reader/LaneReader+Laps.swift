import CSharedRing

/// A lane without an end: whether what was read can have been written.
extension LaneReader {
    /// Once a lap: whether a producer can have written all that was read. If not, the lane is poisoned.
    ///
    /// The consumer never writes into a lane, so it would go round for ever in one that is full of records: a peer's doing that has gone
    /// since, or that of a producer with a fault.
    mutating func proveWritten() {
        let head = head
        guard poison == nil, Int64(bitPattern: head &- nextProof) >= 0 else { return }
        nextProof = head &+ shape.capacity
        // SAFETY: `control` lies in the control mapping.
        // SYNC: checkpoint (pairs with Checkpoint.publish). The record before the head was loaded before. So was the checkpoint that
        // allowed it stored, or a newer one. A mixture of two is as good: write limits only grow.
        let isAnyPublished = checkpoints.isAnyPublished
        let limit = checkpoints.newest.writeLimit
        let isPossible =
            if isAnyPublished {
                // The terminator at the head was stored below the write limit, which lay no further than the capacity beyond a head that was seen. A
                // publisher's may lie as far beyond its tail.
                limit &- published <= checkpoints.largestReach(shape) && head &- published < limit &- published
            } else {
                !isLapIdle()
            }
        if !isPossible { poison(with: "its records reach to position \(head), where its producer can't have written") }
    }

    /// Whether no process could write since the last call, of a lane whose producers publish no checkpoints. At most one system call.
    ///
    /// Such a producer keeps to the head alone. A consumer that finds the byte free has seen all that the last holder could write:
    /// up to a capacity beyond the head. The next one stores a new epoch before it commits a message.
    private mutating func isLapIdle() -> Bool {
        // SYNC: epoch (pairs with ProducerCore.init and .close): the producer of each record that was read stored its epoch before.
        let epoch = unsafe sr_load_acquire_u32(sr_producer_epoch(control))
        let wasIdle = idleEpoch == epoch
        // The epoch before the byte. A failing query is no proof.
        let isFree = epoch & 1 == 0 || (try? lock.holder(of: .lane(lane))) == .free
        // An odd epoch that was only loaded, as at the start, says nothing of the byte; one that was kept does.
        let isProof = wasIdle && isFree && (epoch & 1 == 0 || isIdleEpochProven)
        idleEpoch = epoch
        isIdleEpochProven = isFree
        return isProof
    }

    /// Whether the head is a lap or more behind a position.
    func isLap(from start: UInt64) -> Bool { head &- start >= shape.capacity }
}

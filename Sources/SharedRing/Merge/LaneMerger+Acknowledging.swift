import CSharedRing

/// Giving space back, in all lanes at once.
extension LaneMerger {
    /// See `MergingConsumer.acknowledge`.
    func acknowledge() {
        finishWhatIsOut()
        publishAll()
        for lane in lanes { keepEnds(of: lane) }
        if endOfStreams.expected != nil && endOfStreams.death == nil {
            unsafe sr_store_relaxed_u32(sr_unreported_death(attachment.consumer), 0)
        }
    }

    /// See `MergingConsumer.acknowledge(before:)`. Noted deaths stay noted: the next consumer reports them.
    func acknowledge(before kept: [Int: UInt64]) {
        finishWhatIsOut()
        for lane in lanes {
            if let position = kept[lane.number] {
                unsafe lane.reader.pointee.storeHead(before: position)
            } else if lane.isDue {
                unsafe lane.reader.pointee.storeHead()
                keepEnds(of: lane)
            }
        }
        LaneReader.barrier(isAsymmetric: attachment.header.usesAsymmetricBarrier)
        for lane in lanes { lane.wakeProducer() }
    }

    /// Keeps the lane's ends that were reported for the next consumer. While an end of all streams is to come, none is: should this consumer be
    /// killed, its successor waits for the same producers.
    private func keepEnds(of lane: MergedLane) {
        lane.watch.acknowledge()
        if endOfStreams.expected == nil { lane.watch.finish() }
        lane.watch.keepFinished()
    }

    func finishWhatIsOut() { unsafe lastLane?.pointee.finishWhatIsOut() }

    /// Stores every head that is due, then passes one barrier, then wakes the producers that wait for that space.
    private func publishAll() {
        var isAnyDue = false
        for lane in lanes where lane.isDue {
            unsafe lane.reader.pointee.storeHead()
            isAnyDue = true
        }
        guard isAnyDue else { return }
        LaneReader.barrier(isAsymmetric: attachment.header.usesAsymmetricBarrier)
        for lane in lanes { lane.wakeProducer() }
    }

    /// Before this side waits or ends. With manual acknowledgement all that waits for the call.
    func settle() { if !isManual { acknowledge() } }
}

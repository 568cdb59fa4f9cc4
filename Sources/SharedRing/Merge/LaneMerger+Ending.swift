import CSharedRing
import Synchronization

/// The ends of producers, of the merged streams, and of this side.
extension LaneMerger {
    func isAbandoned(_ index: Int) -> Bool { unsafe table.pointee.rows[index].isAbandoned }

    func note(_ end: PeerWatch.End?, of lane: MergedLane) {
        guard let end else { return }
        let holder = attachment.segment.holder(of: .lane(lane.number))
        // A successor may have stored its holder information since. The epoch is loaded after it, and shows that.
        let isDeath = end == .died
        remember(ProducerEnd(lane: lane.number, isDeath: isDeath, holder: lane.watch.isLastEndNewest ? holder : nil))
        switch end {
        case .closed: closed.add(1, ordering: .relaxed)
        case .died:
            let died = died.add(1, ordering: .relaxed).newValue
            let holder = holder.map { "\($0)" } ?? "unknown"
            endOfStreams.note(
                attachment.error(
                    .peerDied,
                    "\(died) of its producers went away without closing; the last was that of lane \(lane.number), whose last known holder was \(holder)"
                ))
            // SAFETY, here and below: the word lies in the control mapping, and only the consumer touches it. Relaxed: the
            // next consumer reads it, and the role byte orders the two.
            if endOfStreams.expected != nil { unsafe sr_store_relaxed_u32(sr_unreported_death(attachment.consumer), 1) }
        }
    }

    private func remember(_ end: ProducerEnd) {
        newEnds.withLock { ends in
            if ends.list.count == Self.mostEnds { ends.list.removeFirst() }
            ends.list.append(end)
            ends.hasEndedWait = false
        }
    }

    /// Most ends that are kept until `nextEnd()` takes them. The oldest is dropped then.
    private static let mostEnds = 1024

    /// See `MergingConsumer.nextEnd`. In a forked child a thread that is not there may hold the lock.
    func takeEnd() -> ProducerEnd? {
        attachment.isInherited ? nil : newEnds.withLock { $0.list.isEmpty ? nil : $0.list.removeFirst() }
    }

    /// Whether an end is there for which no wait has ended yet.
    var isEndNew: Bool { newEnds.withLock { !$0.list.isEmpty && !$0.hasEndedWait } }

    /// The owner comes back from a wait, and may take the ends.
    func noteWaitEnded() { newEnds.withLock { $0.hasEndedWait = true } }

    /// Nothing is there: is everything over?
    func endIfDone() throws(RingError) -> Arrival? {
        guard let expected = endOfStreams.expected else { return nil }
        let attachments = attachmentsIfOver(sinceMade: expected.includingEarlier)
        let verdict = endOfStreams.step(attachments: attachments, isReadable: brokenLanes.isEmpty)
        switch verdict {
        case .open: return nil
        case .ended: return .ended
        case .died(let death): throw death
        case .unreadable: throw attachment.error(.poisoned, "all producers have ended, but not all of their lanes could be read")
        }
    }

    /// Gives the caller what was found. From here on an end of all streams is reported.
    func handOut(_ find: () throws(RingError) -> Arrival?) throws(RingError) -> Arrival? {
        defer { if endOfStreams.isUnreported { reportEnd() } }
        return try find()
    }

    @inline(never)
    private func reportEnd() {
        endOfStreams.report()
        for lane in lanes { lane.watch.finish() }
    }

    /// How many have attached, if every one is over and nothing stands in any lane; else nil.
    private func attachmentsIfOver(sinceMade: Bool) -> UInt64? {
        var attachments: UInt64 = 0
        for (index, lane) in lanes.enumerated() {
            // A close that left no end record is noted before it counts: `finish` keeps only what was noted.
            note(lane.watch.unrecordedClose { lane.isQuiet || isAbandoned(index) }, of: lane)
            guard let count = lane.watch.attachmentsIfOver(sinceMade: sinceMade), lane.isQuiet || isAbandoned(index),
                lane.watch.attachmentsIfOver(sinceMade: sinceMade) == count
            else { return nil }
            attachments += UInt64(count)
        }
        return attachmentsToBrokenLanes(sinceMade: sinceMade).map { attachments + $0 }
    }

    /// How many have attached to lanes that could not be set up. Nil: one of them is still there.
    private func attachmentsToBrokenLanes(sinceMade: Bool) -> UInt64? {
        var count: UInt64 = 0
        for number in brokenLanes {
            // SYNC: epoch (pairs with ProducerCore.init and .close, ConsumerRole.init and .close)
            let epoch = unsafe sr_load_acquire_u32(sr_producer_epoch(attachment.lane(number)))
            if epoch & 1 == 1, attachment.isHeld(.lane(number)) { return nil }
            // Relaxed: only consumers store it, and nothing is kept of a lane that can't be read.
            let reported = unsafe sr_load_relaxed_u32(sr_reported_end(attachment.lane(number)))
            count += UInt64(sinceMade ? sr_epoch_attachments(epoch) : sr_epoch_attachments_since(epoch, reported))
        }
        return count
    }

    /// See `MergingConsumer.end`.
    func end() throws(RingError) {
        if phase.isEnded { return try attachment.requireOwnProcess() }
        if !phase.isOwned { try role.requireUsable() }
        try close()
        unsafe cursor.pointee.budget = 0  // with no budget the fast path comes to `poll`, which throws
        role.refusal = attachment.error(.ended, "this consumer was ended")
    }

    func close() throws(RingError) {
        try attachment.requireOwnProcess()
        if phase.isEnded { return }
        settle()
        for lane in lanes {
            lane.watch.finishAcknowledged()
            lane.watch.keepFinished()
        }
        // Before the role is free: from then on the words that `deinit` would store are a successor's.
        phase.end()
        role.close()
        for lane in lanes { lane.wakeProducer() }
    }

    func removeIfUnused() throws(RingError) -> Bool {
        try role.requireUsable()
        settle()
        return try role.removeRing {
            guard (try? findNewLanes()) != nil, brokenLanes.isEmpty else { return false }
            // A lane that was reported as poisoned holds nothing that could be received.
            return lanes.enumerated().allSatisfy { index, lane in
                isAbandoned(index) || lane.isQuiet && !lane.isDue && !lane.watch.hasUnreportedEnd
            }
        }
    }
}

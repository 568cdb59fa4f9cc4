import CSharedRing

// The control blocks as they stand in the file, whatever the kind.

extension Segment {
    /// A lane's block. Of a broadcast: its publisher's, whose head is that of the slowest subscriber, or the newest checkpoint's tail.
    func laneControl(_ lane: Int, ring: String) throws(RingError) -> sr_lane_control {
        var control = try read(sr_lane_control.self, at: header.laneOffset(lane), ring: ring)
        switch header.shape {
        case .lanes, .board, .call: break
        case .broadcast:
            let tail = try Checkpoint.published(lane, of: self, ring: ring).tail
            control.head = try slowestHead(ring: ring) ?? tail
        }
        return control
    }

    /// The consumer's block. A broadcast, a board and a segment of calls have none: as if no consumer had ever come.
    func consumerControl(ring: String) throws(RingError) -> sr_consumer_control {
        switch header.shape {
        case .lanes: try read(sr_consumer_control.self, at: header.consumerOffset, ring: ring)
        case .broadcast, .board, .call: sr_consumer_control()
        }
    }

    /// The slots of a broadcast that were ever used.
    func subscriberControls(ring: String) throws(RingError) -> [(slot: Int, control: sr_subscriber_control)] {
        var found: [(slot: Int, control: sr_subscriber_control)] = []
        for slot in 0..<header.slotCount {
            let control = try read(sr_subscriber_control.self, at: header.slotOffset(slot), ring: ring)
            if control.epoch != 0 || control.head != sr_no_head() { found.append((slot, control)) }
        }
        return found
    }

    /// Where the subscriber stands that is attached or durable, and furthest behind. Nil: none holds anything. (What another dead one left holds the publisher
    /// up for a check interval at most.)
    func slowestHead(ring: String) throws(RingError) -> UInt64? {
        let shape = LaneShape(header)
        let heads = try subscriberControls(ring: ring).filter { slot, control in
            SlotClaim(control).isDurable || control.epoch & 1 == 1 && RoleLock.holder(of: .subscriber(slot), in: descriptor) != .free
        }.map(\.control.head)
        // Behind the heads, so no older than they are.
        let tail = try Checkpoint.published(0, of: self, ring: ring).tail
        var slowest: UInt64?
        // A head may lie among the records behind the checkpoint: less than a capacity ahead of it.
        for head in heads where shape.isAligned(head) && tail &+ shape.capacity &- head <= 2 * shape.capacity {
            if let known = slowest, Int64(bitPattern: head &- known) >= 0 { continue }
            slowest = head
        }
        return slowest
    }
}

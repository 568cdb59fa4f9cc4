import CSharedRing

extension Checkpoint {
    /// What was sent in a lane until now: its newest checkpoint, and the records behind that. Read from the file: a few system calls, and one
    /// for every 4 KiB of these records.
    ///
    /// Of a lane that was overwritten three times while it was counted, it is what was published last.
    init(_ lane: Int, of segment: Segment, ring: String) throws(RingError) {
        let header = segment.header
        let shape = LaneShape(header)
        let noWords = WordWindow(segment, start: header.dataOffset + lane * header.laneCapacity, count: header.laneCapacity, ring: ring)
        var words = noWords
        self = try Self.now(shape) { () throws(RingError) in
            words = noWords
            return try Self.published(lane, of: segment, ring: ring)
        } header: { position throws(RingError) in
            RecordHeader(bits: try words.word(at: position & shape.mask))
        }
    }

    /// The newest. If another was published during each of eight tries, which no producer does that sends as well, it may be a mixture.
    static func published(_ lane: Int, of segment: Segment, ring: String) throws(RingError) -> Checkpoint {
        switch segment.header.shape {
        case .lanes: try publishedByProducer(lane, of: segment, ring: ring)
        case .broadcast: try publishedByPublisher(of: segment, ring: ring)
        case .board, .call: preconditionFailure("it has no lane")
        }
    }

    /// Of a lane, which keeps two.
    private static func publishedByProducer(_ lane: Int, of segment: Segment, ring: String) throws(RingError) -> Checkpoint {
        let place = segment.header.laneOffset(lane) + MemoryLayout<sr_lane_control>.offset(of: \.checkpoint_turn)!
        var turn = try segment.read(UInt64.self, at: place, ring: ring)
        var checkpoint = sr_checkpoint()
        for _ in 0..<8 {
            let offset = MemoryLayout<UInt64>.size + Int(turn & 1) * MemoryLayout<sr_checkpoint>.size
            checkpoint = try segment.read(sr_checkpoint.self, at: place + offset, ring: ring)
            let before = turn
            turn = try segment.read(UInt64.self, at: place, ring: ring)
            if turn == before { break }
        }
        return Checkpoint(checkpoint)
    }

    /// Of a broadcast, which keeps 16.
    private static func publishedByPublisher(of segment: Segment, ring: String) throws(RingError) -> Checkpoint {
        let place = segment.header.controlOffset + MemoryLayout<sr_broadcast_control>.offset(of: \.checkpoint_turn)!
        let first = segment.header.controlOffset + MemoryLayout<sr_broadcast_control>.offset(of: \.checkpoints)!
        let count = UInt64(SR_BROADCAST_CHECKPOINTS)
        var checkpoint = sr_checkpoint()
        for _ in 0..<8 {
            let turn = try segment.read(UInt64.self, at: place, ring: ring)
            checkpoint = try segment.read(
                sr_checkpoint.self, at: first + Int(turn % count) * MemoryLayout<sr_checkpoint>.size, ring: ring)
            if try segment.read(UInt64.self, at: place, ring: ring) &- turn < count - 1 { break }
        }
        checkpoint.tail &= ~UInt64(SR_BROADCAST_BEHIND_END)
        return Checkpoint(checkpoint)
    }

    /// The newest in a copy of the lane's block, which may be a mixture.
    init(published control: sr_lane_control) {
        self.init(control.checkpoint_turn & 1 == 0 ? control.checkpoints.0 : control.checkpoints.1)
    }
}

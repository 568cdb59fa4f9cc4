import CSharedRing

/// The shape of a broadcast ring: one lane, whose producer is the publisher, and slots for subscribers.
struct BroadcastShape: Sendable, Equatable {
    var slotCount: Int
    /// The one lane.
    var lane: LanesShape

    // MARK: Making one

    /// Throws `invalidOption`.
    static func check(_ wanted: RingShape, _ options: RingOptions, ring: String) throws(RingError) {
        guard (1...Int(SR_LARGEST_SUBSCRIBER_COUNT)).contains(wanted.slotCount) else {
            throw RingError(
                .invalidOption, ring: ring, "the number of subscribers must be 1 to \(SR_LARGEST_SUBSCRIBER_COUNT), not \(wanted.slotCount)"
            )
        }
    }

    /// What was checked. `unit`: what the data is a multiple of, in bytes.
    init(_ wanted: RingShape, _ options: RingOptions, unit: Int) {
        slotCount = wanted.slotCount
        lane = LanesShape(wanted, options, unit: unit)
    }

    func store(in header: inout sr_header) {
        header.broadcast.subscriber_count = UInt32(slotCount)
        header.broadcast.record_alignment = UInt32(lane.recordAlignment)
        header.broadcast.capacity = UInt64(lane.laneCapacity)
    }

    func initialWords(_ options: RingOptions) -> [(offset: Int, word: UInt64)] {
        let checkpoints = MemoryLayout<sr_broadcast_control>.offset(of: \.checkpoints)!
        // A first end record and its terminator have room before any checkpoint was published.
        let limit = options.firstPosition &+ 2 * UInt64(lane.recordAlignment)
        var words = [
            (offset: checkpoints + MemoryLayout<sr_checkpoint>.offset(of: \.tail)!, word: options.firstPosition),
            (offset: checkpoints + MemoryLayout<sr_checkpoint>.offset(of: \.write_limit)!, word: limit),
            (
                offset: Int(sr_publisher_offset()) + MemoryLayout<sr_lane_control>.offset(of: \.ticket_floor)!,
                word: UInt64.max  // SR_NO_TICKET_FLOOR
            ),
        ]
        for slot in 0..<slotCount {
            words.append((Int(sr_subscriber_offset(UInt32(slot))) + MemoryLayout<sr_subscriber_control>.offset(of: \.head)!, sr_no_head()))
        }
        return words
    }

    // MARK: Checking an untrusted one

    init(checking header: sr_header, ring: String) throws(RingError) {
        func refuse(_ detail: String) -> RingError { RingError(.damaged, ring: ring, detail) }
        guard header.required_features & UInt64(SR_FEATURE_TOTAL_ORDER) == 0 else {
            throw refuse("it has one publisher and says it puts several in a total order")
        }
        let slots = header.broadcast.subscriber_count
        guard slots >= 1, slots <= SR_LARGEST_SUBSCRIBER_COUNT else { throw refuse("it says it has room for \(slots) subscribers") }
        slotCount = Int(slots)
        lane = try LanesShape(
            checkingLanes: 1, alignment: header.broadcast.record_alignment, capacity: header.broadcast.capacity, pageSize: header.page_size,
            ring: ring)
    }

    // MARK: What follows from it

    var controlSize: Int { Int(sr_subscriber_offset(UInt32(slotCount))) }
    var subscribers: [Role] { (0..<slotCount).map(Role.subscriber) }
    var description: String { "\(counted(slotCount, "subscriber")) and \(lane.laneCapacity) bytes" }

    func holderOffset(of role: Role) -> Int {
        switch role {
        case .subscriber(let slot):
            Int(sr_subscriber_offset(UInt32(slot))) + MemoryLayout<sr_subscriber_control>.offset(of: \.holder)!
        case .lane, .consumer, .observer:
            Int(sr_publisher_offset()) + MemoryLayout<sr_lane_control>.offset(of: \.producer_holder)!
        case .board, .entry, .server, .caller: preconditionFailure("no role of a broadcast")
        }
    }
}

extension SegmentHeader {
    /// How many reliable subscribers there can be at a time; 0 of other kinds.
    var slotCount: Int {
        switch shape {
        case .lanes, .board, .call: 0
        case .broadcast(let shape): shape.slotCount
        }
    }

    /// Where a subscriber's control block stands in the file.
    func slotOffset(_ slot: Int) -> Int { controlOffset + Int(sr_subscriber_offset(UInt32(slot))) }
}

import CSharedRing

/// The shape of SPSC and MPSC rings: lanes, each with a producer, and one consumer.
struct LanesShape: Sendable, Equatable {
    var laneCount: Int
    var laneCapacity: Int
    var recordAlignment: Int

    private static let largestCapacity = 1 << 40

    /// Of a segment of another kind, which has no lane.
    static let none = LanesShape(laneCount: 0, laneCapacity: SegmentHeader.pageSize, recordAlignment: 8)

    private init(laneCount: Int, laneCapacity: Int, recordAlignment: Int) {
        self.laneCount = laneCount
        self.laneCapacity = laneCapacity
        self.recordAlignment = recordAlignment
    }

    // MARK: Making one

    /// Throws `invalidOption`.
    static func check(_ wanted: RingShape, _ options: RingOptions, ring: String) throws(RingError) {
        func refuse(_ detail: String) -> RingError { RingError(.invalidOption, ring: ring, detail) }
        let alignment = options.recordAlignment
        guard (8...128).contains(alignment), alignment & (alignment - 1) == 0 else {
            throw refuse("the record alignment must be 8, 16, 32, 64 or 128, not \(alignment)")
        }
        guard (1...Int(SR_LARGEST_LANE_COUNT)).contains(wanted.laneCount) else {
            throw refuse("the lane count must be 1 to \(SR_LARGEST_LANE_COUNT), not \(wanted.laneCount)")
        }
        guard options.capacity > 0, options.capacity <= largestCapacity else {
            throw refuse("the capacity must be 1 to \(largestCapacity) bytes, not \(options.capacity)")
        }
    }

    /// What was checked. `unit`: what each lane's data is a multiple of, in bytes.
    init(_ wanted: RingShape, _ options: RingOptions, unit: Int) {
        laneCount = wanted.laneCount
        laneCapacity = Self.capacity(atLeast: max(options.capacity, unit))
        recordAlignment = options.recordAlignment
    }

    private static func capacity(atLeast wanted: Int) -> Int {
        let floor = 1 << (Int.bitWidth - 1 - wanted.leadingZeroBitCount)
        return floor == wanted ? floor : floor << 1
    }

    func store(in header: inout sr_header) {
        header.lanes.lane_count = UInt32(laneCount)
        header.lanes.record_alignment = UInt32(recordAlignment)
        header.lanes.lane_capacity = UInt64(laneCapacity)
    }

    func initialWords(_ options: RingOptions) -> [(offset: Int, word: UInt64)] {
        (0..<laneCount).flatMap { lane in
            let block = Int(sr_lane_offset(UInt32(lane)))
            let floor = (block + MemoryLayout<sr_lane_control>.offset(of: \.ticket_floor)!, UInt64.max)  // SR_NO_TICKET_FLOOR
            if options.firstPosition == 0 { return [floor] }
            return [
                floor, (block + MemoryLayout<sr_lane_control>.offset(of: \.head)!, options.firstPosition),
                (block + MemoryLayout<sr_lane_control>.offset(of: \.checkpoints.0.tail)!, options.firstPosition),
            ]
        }
    }

    // MARK: Checking an untrusted one

    init(checking header: sr_header, of kind: SegmentHeader.Kind, ring: String) throws(RingError) {
        func refuse(_ code: RingError.Code, _ detail: String) -> RingError { RingError(code, ring: ring, detail) }
        guard kind.hasManyLanes || header.required_features & UInt64(SR_FEATURE_TOTAL_ORDER) == 0 else {
            throw refuse(.damaged, "it has one producer and says it puts several in a total order")
        }
        let lanes = header.lanes.lane_count
        guard lanes >= 1, lanes <= SR_LARGEST_LANE_COUNT, kind.hasManyLanes || lanes == 1 else {
            throw refuse(.damaged, "it says it has \(lanes) lanes")
        }
        try self.init(
            checkingLanes: Int(lanes), alignment: header.lanes.record_alignment, capacity: header.lanes.lane_capacity,
            pageSize: header.page_size, ring: ring)
    }

    /// Lanes of an untrusted capacity and alignment. `pageSize`: the creator's.
    init(checkingLanes lanes: Int, alignment: UInt32, capacity: UInt64, pageSize: UInt32, ring: String) throws(RingError) {
        func refuse(_ code: RingError.Code, _ detail: String) -> RingError { RingError(code, ring: ring, detail) }
        guard alignment >= 8, alignment <= 128, alignment & (alignment - 1) == 0 else {
            throw refuse(.damaged, "its record alignment is \(alignment), not a power of two from 8 to 128")
        }
        let page = UInt64(SegmentHeader.pageSize)
        guard capacity >= page, capacity <= UInt64(Self.largestCapacity), capacity & (capacity - 1) == 0 else {
            throw refuse(
                capacity < page && pageSize < page ? .incompatible : .damaged,
                "its lane capacity is \(capacity), not a power of two from this machine's page size \(page) to 2^40")
        }
        laneCount = lanes
        laneCapacity = Int(capacity)
        recordAlignment = Int(alignment)
    }

    // MARK: What follows from it

    var controlSize: Int { Int(sr_lane_offset(UInt32(laneCount))) }
    var dataSize: Int { laneCount * laneCapacity }
    var producers: [Role] { (0..<laneCount).map(Role.lane) }
    var description: String { "\(counted(laneCount, "lane")) of \(laneCapacity) bytes" }

    func holderOffset(of role: Role) -> Int {
        switch role {
        case .consumer: Int(sr_lanes_consumer_offset()) + MemoryLayout<sr_consumer_control>.offset(of: \.holder)!
        case .lane(let lane): Int(sr_lane_offset(UInt32(lane))) + MemoryLayout<sr_lane_control>.offset(of: \.producer_holder)!
        // Lanes have none of these; what stands there is no more than a name for people.
        case .subscriber, .observer: Int(sr_lanes_consumer_offset()) + MemoryLayout<sr_consumer_control>.offset(of: \.holder)!
        case .board, .entry, .server, .caller: preconditionFailure("no role of a segment with lanes")
        }
    }
}

// MARK: - The header of a segment that has lanes

extension SegmentHeader {
    var lanes: LanesShape {
        get {
            switch shape {
            case .lanes(let lanes): lanes
            case .broadcast(let shape): shape.lane
            case .board, .call: .none
            }
        }
        set {
            switch shape {
            case .lanes, .board, .call: shape = .lanes(newValue)
            case .broadcast(var broadcast):
                broadcast.lane = newValue
                shape = .broadcast(broadcast)
            }
        }
    }

    var laneCount: Int { lanes.laneCount }
    var laneCapacity: Int { lanes.laneCapacity }
    var recordAlignment: Int { lanes.recordAlignment }

    var ringShape: RingShape { RingShape(kind: kind, laneCount: laneCount, isTotallyOrdered: isTotallyOrdered, slotCount: slotCount) }
    var ticketSize: Int { isTotallyOrdered ? 8 : 0 }

    /// The largest message, in bytes: one alignment is kept for the terminator and one so that closing never waits.
    var largestMessage: Int { min(laneCapacity - 8 - 2 * recordAlignment, Int(SR_RECORD_COUNT_MASK) - 1) - ticketSize }

    /// Where the consumer's control block stands in the file.
    var consumerOffset: Int { controlOffset + Int(sr_lanes_consumer_offset()) }

    /// Where a lane's control block stands in the file.
    func laneOffset(_ lane: Int) -> Int {
        switch shape {
        case .lanes, .board, .call: controlOffset + Int(sr_lane_offset(UInt32(lane)))
        case .broadcast: controlOffset + Int(sr_publisher_offset())
        }
    }
}

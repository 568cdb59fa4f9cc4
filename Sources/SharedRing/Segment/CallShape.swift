import CSharedRing

/// The shape of a segment of calls: how many clients and servers there can be, and how large requests and replies.
struct CallShape: Sendable, Equatable {
    var slotCount: Int
    var serverCount: Int
    /// The largest request, in bytes.
    var requestCapacity: Int
    /// The largest reply, in bytes.
    var replyCapacity: Int
    /// The bytes of each slot's lane for streams, a power of two; 0: there are none.
    var streamCapacity: Int
    /// The bytes of all areas and lanes.
    var dataSize: Int

    static let largestSlotCount = Int(SR_LARGEST_CALL_SLOT_COUNT)
    static let largestServerCount = Int(SR_LARGEST_SERVER_COUNT)
    static let largestMessage = Int(SR_LARGEST_CALL_MESSAGE)
    static let streamCapacities = Int(SR_SMALLEST_STREAM_CAPACITY)...Int(SR_LARGEST_STREAM_CAPACITY)
    static let largestDataSize = 1 << 40
    /// What stands in a slot's own line, in bytes.
    static let inline = Int(SR_CALL_INLINE)

    /// `unit`: what the data is to be a multiple of, in bytes.
    init(slotCount: Int, serverCount: Int, requestCapacity: Int, replyCapacity: Int, streamCapacity: Int, unit: Int) {
        self.slotCount = slotCount
        self.serverCount = serverCount
        self.requestCapacity = requestCapacity
        self.replyCapacity = replyCapacity
        self.streamCapacity = streamCapacity
        dataSize = 0
        dataSize = max(1, (slotCount * stride + unit - 1) / unit) * unit
    }

    func store(in header: inout sr_header) {
        header.call.slot_count = UInt32(slotCount)
        header.call.server_count = UInt32(serverCount)
        header.call.request_capacity = UInt32(requestCapacity)
        header.call.reply_capacity = UInt32(replyCapacity)
        header.call.stream_capacity = UInt32(streamCapacity)
        header.call.data_size = UInt64(dataSize)
    }

    // MARK: Checking an untrusted one

    /// Throws `damaged`.
    init(checking header: sr_header, ring: String) throws(RingError) {
        func refuse(_ detail: String) -> RingError { RingError(.damaged, ring: ring, detail) }
        guard header.required_features & UInt64(SR_FEATURE_TOTAL_ORDER) == 0 else {
            throw refuse("it is for calls and says that it puts messages in a total order")
        }
        let slots = header.call.slot_count
        guard slots >= 1, slots <= UInt32(Self.largestSlotCount) else { throw refuse("it says it has \(slots) slots for clients") }
        let servers = header.call.server_count
        guard servers >= 1, servers <= UInt32(Self.largestServerCount) else { throw refuse("it says it has places for \(servers) servers") }
        for (capacity, what) in [(header.call.request_capacity, "requests"), (header.call.reply_capacity, "replies")] {
            guard capacity >= UInt32(Self.inline), capacity <= UInt32(Self.largestMessage) else {
                throw refuse("its \(what) have a capacity of \(counted(capacity, "byte")), not \(Self.inline) to 2^27")
            }
        }
        let hasStreams = header.required_features & UInt64(SR_FEATURE_STREAMS) != 0
        let lane = header.call.stream_capacity
        guard hasStreams ? Self.streamCapacities.contains(Int(lane)) && lane & (lane - 1) == 0 : lane == 0 else {
            throw refuse(
                "its lanes for streams have \(counted(lane, "byte")), not \(hasStreams ? "a power of two from 256 to 2^29" : "none, though it needs no such feature")"
            )
        }
        let size = header.call.data_size
        guard size >= UInt64(SR_CALL_AREA_ALIGNMENT), size <= UInt64(Self.largestDataSize), size % UInt64(SR_CALL_AREA_ALIGNMENT) == 0
        else {
            throw refuse("its areas have \(counted(size, "byte")), not a multiple of \(SR_CALL_AREA_ALIGNMENT) up to 2^40")
        }
        slotCount = Int(slots)
        serverCount = Int(servers)
        requestCapacity = Int(header.call.request_capacity)
        replyCapacity = Int(header.call.reply_capacity)
        streamCapacity = Int(lane)
        dataSize = Int(size)
        guard slotCount * stride <= dataSize else {
            throw refuse(
                "its areas have \(counted(size, "byte")), and its \(counted(slots, "slot")) \(slots == 1 ? "needs" : "need") \(slotCount * stride)"
            )
        }
    }

    // MARK: What follows from it

    var hasStreams: Bool { streamCapacity != 0 }
    /// The largest part of a stream, in bytes.
    var partCapacity: Int { hasStreams ? Int(sr_stream_largest_part(UInt32(streamCapacity))) : 0 }

    /// The control blocks of the lanes stand behind all others.
    var controlSize: Int { streamOffset(hasStreams ? slotCount : 0) }
    var servers: [Role] { (0..<serverCount).map(Role.server) }
    var callers: [Role] { (0..<slotCount).map(Role.caller) }
    var description: String {
        "\(counted(slotCount, "slot")) for requests of \(requestCapacity) bytes and replies of \(replyCapacity)\(hasStreams ? " and streams through \(streamCapacity)" : ""), and \(counted(serverCount, "server"))"
    }

    /// From one slot's areas to the next one's, in bytes.
    var stride: Int { areas + streamCapacity }
    private var areas: Int { Int(sr_call_area(UInt32(requestCapacity))) + Int(sr_call_area(UInt32(replyCapacity))) }
    /// Where a slot's request area stands in the data. Its end is at most `dataSize`.
    func requestArea(_ slot: Int) -> Int { slot * stride }
    /// Where a slot's reply area stands in the data.
    func replyArea(_ slot: Int) -> Int { slot * stride + Int(sr_call_area(UInt32(requestCapacity))) }
    /// Where a slot's lane for streams stands in the data.
    func streamData(_ slot: Int) -> Int { slot * stride + areas }

    func serverOffset(_ server: Int) -> Int { Int(sr_server_offset(UInt32(server))) }
    func callerOffset(_ slot: Int) -> Int { Int(sr_caller_offset(UInt32(serverCount), UInt32(slot))) }
    func lineOffset(_ slot: Int) -> Int { Int(sr_call_line_offset(UInt32(serverCount), UInt32(slotCount), UInt32(slot))) }
    func streamOffset(_ slot: Int) -> Int { Int(sr_stream_offset(UInt32(serverCount), UInt32(slotCount), UInt32(slot))) }

    func holderOffset(of role: Role) -> Int {
        switch role {
        case .server(let server): serverOffset(server) + MemoryLayout<sr_server_control>.offset(of: \.holder)!
        case .caller(let slot): callerOffset(slot) + MemoryLayout<sr_caller_control>.offset(of: \.holder)!
        case .consumer, .lane, .subscriber, .observer, .board, .entry: preconditionFailure("no role of a segment of calls")
        }
    }
}

// MARK: - The header of a segment of calls

extension SegmentHeader {
    /// Nil: it is of another kind.
    var call: CallShape? { if case .call(let shape) = shape { shape } else { nil } }
}

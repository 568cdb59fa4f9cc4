import CSharedRing

/// What a ``CallService`` stands for. It holds no role.
final class CallHandle: Sendable {
    private let segment: SegmentHandle
    let shape: CallShape
    /// What to make if nothing has the name any more. Nil: the very segment that was found or made is meant.
    private let wanted: CallService.Shape?

    var location: SegmentLocation { segment.location }
    var header: SegmentHeader { segment.header }
    var options: RingOptions { segment.options }
    var ring: String { segment.ring }

    private init(_ segment: SegmentHandle, orCreate wanted: CallService.Shape? = nil) throws(RingError) {
        shape = try Self.requireCalls(segment.header, ring: segment.ring)
        self.segment = segment
        self.wanted = wanted
    }

    /// The shape of a segment of calls. Throws `incompatible` for another kind.
    @discardableResult
    static func requireCalls(_ header: SegmentHeader, ring: String) throws(RingError) -> CallShape {
        guard let shape = header.call else {
            throw RingError(.incompatible, ring: ring, "it is of kind \(header.kind), not a call service")
        }
        return shape
    }

    // MARK: Making

    static func create(_ name: FileName, _ shape: CallService.Shape, options: RingOptions) throws(RingError) -> CallHandle {
        try CallHandle(
            try SegmentHandle.create(name, options: options) { ring throws(RingError) in
                (try shape.header(options: options, ring: ring), options)
            })
    }

    static func open(_ name: FileName, options: RingOptions) throws(RingError) -> CallHandle {
        try CallHandle(try SegmentHandle.open(name, options: options, isWritable: false))
    }

    static func openOrCreate(_ name: FileName, _ shape: CallService.Shape, options: RingOptions) throws(RingError) -> CallHandle {
        let segment = try SegmentHandle.openOrCreate(name, options: options, isWritable: false) { ring throws(RingError) in
            (try shape.header(options: options, ring: ring), options)
        }
        let handle = try CallHandle(segment.handle, orCreate: shape)
        try handle.header.requireTraits(options.exactTraits, of: segment.wanted, ring: handle.ring)
        return handle
    }

    static func anonymous(_ shape: CallService.Shape, options: RingOptions) throws(RingError) -> CallHandle {
        try CallHandle(
            try SegmentHandle.anonymous(options: options) { ring throws(RingError) in
                (try shape.header(options: options, ring: ring), options)
            })
    }

    static func open(descriptor: Int32, options: RingOptions) throws(RingError) -> CallHandle {
        try SegmentHandle.open(descriptor: descriptor, options: options, "call service") { segment throws(RingError) in
            try CallHandle(segment)
        }
    }

    /// `ring`: what the descriptor is called in errors.
    static func open(owned own: Descriptor, called ring: String, options: RingOptions) throws(RingError) -> CallHandle {
        try CallHandle(try SegmentHandle.open(owned: own, called: ring, options: options))
    }

    // MARK: Using

    /// Takes a role, of a new segment if the old one has gone and the handle was opened to allow for that.
    func attach(_ request: Attachment.Request, _ endpoint: EndpointOptions) throws(RingError) -> Attachment {
        try Attachment.take(
            request, at: location, options: options, endpoint: endpoint, expecting: segment.expected
        ) { found throws(RingError) in
            try Self.requireCalls(found, ring: ring)
            guard let wanted else { return }
            try segment.requireTraits(of: found) { () throws(RingError) in try wanted.header(options: options, ring: ring) }
        } create: { () throws(RingError) in
            guard case .named(let name) = location, let wanted else {
                throw RingError(.notFound, ring: ring, "it was removed since it was opened")
            }
            _ = try Segment.create(name, header: try wanted.header(options: options, ring: name.ring), options: options)
        }
    }

    /// Throws `replaced` if that is not the service that the handle is to lead to.
    func requireExpected(_ found: SegmentHeader) throws(RingError) { try segment.requireExpected(found) }

    func flush() throws(RingError) { try segment.flush("call service") }

    func duplicateDescriptor(inheritable: Bool) throws(RingError) -> Int32 {
        try segment.duplicateDescriptor(of: "call service", inheritable: inheritable)
    }
}

extension CallService.Shape {
    /// The header of a new segment of that shape. Throws `invalidOption`.
    func header(options: RingOptions, ring: String) throws(RingError) -> SegmentHeader {
        func refuse(_ detail: String) -> RingError { RingError(.invalidOption, ring: ring, detail) }
        guard (1...CallShape.largestSlotCount).contains(clients) else {
            throw refuse("it must have slots for 1 to \(CallShape.largestSlotCount) clients, not \(clients)")
        }
        guard (1...CallShape.largestServerCount).contains(servers) else {
            throw refuse("it must have places for 1 to \(CallShape.largestServerCount) servers, not \(servers)")
        }
        for (capacity, what) in [(requestCapacity, "requests"), (replyCapacity, "replies")] {
            guard (0...CallShape.largestMessage).contains(capacity) else {
                throw refuse("its \(what) must have a capacity of 0 to \(CallShape.largestMessage) bytes, not \(capacity)")
            }
        }
        let lanes = CallShape.streamCapacities
        guard (0...lanes.upperBound).contains(streamCapacity) else {
            throw refuse("its streams must have a capacity of 0 to \(lanes.upperBound) bytes, not \(streamCapacity)")
        }
        var lane = 0
        if streamCapacity > 0 {
            lane = lanes.lowerBound
            while lane < streamCapacity { lane *= 2 }
        }
        let features = lane > 0 ? UInt64(SR_FEATURE_STREAMS) : 0
        return try SegmentHeader(.call, requiring: features, options: options, ring: ring) { unit in
            .call(
                CallShape(
                    slotCount: clients, serverCount: servers, requestCapacity: max(CallShape.inline, requestCapacity),
                    replyCapacity: max(CallShape.inline, replyCapacity), streamCapacity: lane, unit: unit))
        }
    }
}

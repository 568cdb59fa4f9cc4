/// What a ring stands for. It holds no role. For the library; a program has no use for it.
public final class RingHandle: Sendable {
    private let segment: SegmentHandle

    var location: SegmentLocation { segment.location }
    var header: SegmentHeader { segment.header }
    var options: RingOptions { segment.options }

    private init(_ segment: SegmentHandle) { self.segment = segment }

    // MARK: Making

    static func create(_ name: FileName, shape: RingShape, options: RingOptions) throws(RingError) -> RingHandle {
        RingHandle(
            try SegmentHandle.create(name, options: options) { ring throws(RingError) in
                (try SegmentHeader(shape, options: options, ring: ring), options)
            })
    }

    static func open(_ name: FileName, kind: SegmentHeader.Kind, options: RingOptions) throws(RingError) -> RingHandle {
        let handle = RingHandle(try SegmentHandle.open(name, options: options, isWritable: true))
        try handle.requireKind(kind)
        return handle
    }

    static func openOrCreate(
        _ name: FileName, shape: RingShape, options: RingOptions
    ) throws(RingError) -> RingHandle {
        let (segment, wanted) = try SegmentHandle.openOrCreate(name, options: options, isWritable: true) { ring throws(RingError) in
            (try SegmentHeader(shape, options: options, ring: ring), options)
        }
        let handle = RingHandle(segment)
        try handle.requireKind(shape.kind)
        try handle.header.requireTraits(options.exactTraits, of: wanted, ring: segment.ring)
        return handle
    }

    static func anonymous(shape: RingShape, options: RingOptions) throws(RingError) -> RingHandle {
        RingHandle(
            try SegmentHandle.anonymous(options: options) { ring throws(RingError) in
                (try SegmentHeader(shape, options: options, ring: ring), options)
            })
    }

    /// `kind`: nil for any.
    static func open(descriptor: Int32, kind: SegmentHeader.Kind?, options: RingOptions) throws(RingError) -> RingHandle {
        try SegmentHandle.open(descriptor: descriptor, options: options, "ring") { segment throws(RingError) in
            let handle = RingHandle(segment)
            if let kind { try handle.requireKind(kind) }
            return handle
        }
    }

    /// `ring`: what the descriptor is called in errors. `kind`: nil for any.
    static func open(
        owned own: Descriptor, called ring: String, kind: SegmentHeader.Kind?, options: RingOptions
    ) throws(RingError) -> RingHandle {
        let handle = RingHandle(try SegmentHandle.open(owned: own, called: ring, options: options))
        if let kind { try handle.requireKind(kind) }
        return handle
    }

    /// The ring of an endpoint that has no name: for as long as the handle lives, whatever becomes of the endpoint.
    ///
    /// The endpoint's creator has admitted its owner.
    convenience init(of attachment: Attachment) {
        var options = RingOptions()
        options.allowedOwners = .anyone
        self.init(
            SegmentHandle(
                location: attachment.location, header: attachment.header, options: options, expected: attachment.header.instance))
    }

    /// Throws `incompatible` if the ring is of another kind.
    func requireKind(_ kind: SegmentHeader.Kind) throws(RingError) { try Self.require(kind, header, ring: location.ring) }

    /// Throws `replaced` if this is not the ring that the handle is to lead to.
    func requireExpected(_ found: SegmentHeader) throws(RingError) { try segment.requireExpected(found) }

    private static func require(_ kind: SegmentHeader.Kind, _ header: SegmentHeader, ring: String) throws(RingError) {
        guard header.kind == kind else {
            let lanes = header.kind.hasManyLanes ? " with \(counted(header.laneCount, "lane"))" : ""
            throw RingError(
                .incompatible, ring: ring, "it is of kind \(header.kind)\(lanes), not of kind \(kind)")
        }
    }

    // MARK: Using

    /// Takes a role, of a new ring if the old one has gone and the handle was opened to allow for that.
    ///
    /// - Parameter deadline: of `Attachment.take`.
    func attach(
        _ request: Attachment.Request, _ endpoint: EndpointOptions, until deadline: Deadline? = nil
    ) throws(RingError) -> Attachment {
        func wanted() throws(RingError) -> SegmentHeader { try SegmentHeader(header.ringShape, options: options, ring: location.ring) }
        return try Attachment.take(
            request, at: location, options: options, endpoint: endpoint, until: deadline, expecting: segment.expected
        ) { found throws(RingError) in
            try Self.require(header.kind, found, ring: location.ring)
            try segment.requireTraits(of: found, wanted)
        } create: { () throws(RingError) in
            guard case .named(let name) = location, segment.expected == nil else {
                throw RingError(.notFound, ring: location.ring, "it was removed since it was opened")
            }
            _ = try Segment.create(name, header: try wanted(), options: options)
        }
    }

    func flush() throws(RingError) { try segment.flush("ring") }

    func duplicateDescriptor(inheritable: Bool) throws(RingError) -> Int32 {
        try segment.duplicateDescriptor(of: "ring", inheritable: inheritable)
    }
}

import CSharedRing

/// What a ring stands for: where it is, and what to do if it is not there. It holds no role. For the library; a program has no use for it.
public final class RingHandle: Sendable {
    private enum Intent {
        /// The very ring that was found or made.
        case exactly(SegmentHeader.Instance)
        /// Whatever has the name, made if nothing has.
        case orCreate
    }

    let location: SegmentLocation
    let header: SegmentHeader
    let options: RingOptions
    private let intent: Intent

    private init(location: SegmentLocation, header: SegmentHeader, options: RingOptions, intent: Intent) {
        self.location = location
        self.header = header
        self.options = options
        self.intent = intent
    }

    // MARK: Making

    static func create(_ name: FileName, shape: RingShape, options: RingOptions) throws(RingError) -> RingHandle {
        let name = try SegmentName(name, in: options.directoryName)
        let header = try SegmentHeader(shape, options: options, ring: name.ring)
        guard try Segment.create(name, header: header, options: options) else {
            throw RingError(.alreadyExists, ring: name.ring, "there is something of that name in '\(name.directory)' already")
        }
        return RingHandle(location: .named(name), header: header, options: options, intent: .exactly(header.instance))
    }

    static func open(_ name: FileName, kind: SegmentHeader.Kind, options: RingOptions) throws(RingError) -> RingHandle {
        let name = try SegmentName(name, in: options.directoryName)
        guard let segment = try Segment.open(name, in: try name.openDirectory(), owners: options.allowedOwners) else {
            throw RingError(.notFound, ring: name.ring, "there is none in '\(name.directory)'")
        }
        try require(kind, segment.header, ring: name.ring)
        return RingHandle(
            location: .named(name), header: segment.header, options: options, intent: .exactly(segment.header.instance))
    }

    static func openOrCreate(
        _ name: FileName, shape: RingShape, options: RingOptions
    ) throws(RingError) -> RingHandle {
        let name = try SegmentName(name, in: options.directoryName)
        let wanted = try SegmentHeader(shape, options: options, ring: name.ring)
        // Found, made, or lost a race and then found; each further turn means that a process removed it in between.
        for _ in 0..<10_000 {
            if let segment = try Segment.open(name, in: try name.openDirectory(), owners: options.allowedOwners) {
                try require(shape.kind, segment.header, ring: name.ring)
                try segment.header.requireTraits(options.exactTraits, of: wanted, ring: name.ring)
                return RingHandle(location: .named(name), header: segment.header, options: options, intent: .orCreate)
            }
            if try Segment.create(name, header: wanted, options: options) {
                return RingHandle(location: .named(name), header: wanted, options: options, intent: .orCreate)
            }
        }
        throw RingError(.inUse, ring: name.ring, "others kept removing it while this process tried to open it 10,000 times")
    }

    static func anonymous(shape: RingShape, options: RingOptions) throws(RingError) -> RingHandle {
        let ring = options.label.isEmpty ? "anonymous" : options.label
        let header = try SegmentHeader(shape, options: options, ring: ring)
        let descriptor = try Segment.createAnonymous(header: header, options: options)
        // Made here, whatever user this process is shown as: a user namespace may not map its own user.
        var options = options
        options.allowedOwners = .anyone
        return RingHandle(
            location: .anonymous(descriptor, ring: ring), header: header, options: options, intent: .exactly(header.instance))
    }

    /// `kind`: nil for any.
    static func open(descriptor: Int32, kind: SegmentHeader.Kind?, options: RingOptions) throws(RingError) -> RingHandle {
        let ring = "descriptor \(descriptor)"
        let duplicate = sr_duplicate(descriptor)
        guard duplicate >= 0 else {
            throw RingError(.system, about: .descriptor(descriptor), errno: -duplicate, "it is not open, and so leads to no ring")
        }
        do throws(RingError) {
            return try open(owned: Descriptor(duplicate), called: ring, kind: kind, options: options)
        } catch {
            throw error.about(.descriptor(descriptor))
        }
    }

    /// `ring`: what the descriptor is called in errors. `kind`: nil for any.
    static func open(
        owned own: Descriptor, called ring: String, kind: SegmentHeader.Kind?, options: RingOptions
    ) throws(RingError) -> RingHandle {
        let segment = try Segment.open(own, ring: ring, owners: options.allowedOwners)
        if let kind { try require(kind, segment.header, ring: ring) }
        return RingHandle(
            location: .anonymous(own, ring: ring), header: segment.header, options: options, intent: .exactly(segment.header.instance))
    }

    /// The ring of an endpoint that has no name: for as long as the handle lives, whatever becomes of the endpoint.
    ///
    /// The endpoint's creator has admitted its owner.
    convenience init(of attachment: Attachment) {
        var options = RingOptions()
        options.allowedOwners = .anyone
        self.init(
            location: attachment.location, header: attachment.header, options: options, intent: .exactly(attachment.header.instance))
    }

    /// Throws `incompatible` if the ring is of another kind.
    func requireKind(_ kind: SegmentHeader.Kind) throws(RingError) { try Self.require(kind, header, ring: location.ring) }

    /// Throws `replaced` if this is not the ring that the handle is to lead to.
    func requireExpected(_ found: SegmentHeader) throws(RingError) {
        guard case .exactly(let instance) = intent, instance != found.instance else { return }
        throw RingError(.replaced, ring: location.ring, "it was removed and made anew since it was opened")
    }

    private static func require(_ kind: SegmentHeader.Kind, _ header: SegmentHeader, ring: String) throws(RingError) {
        guard header.kind == kind else {
            let lanes = header.kind.hasManyLanes ? " with \(header.laneCount == 1 ? "1 lane" : "\(header.laneCount) lanes")" : ""
            throw RingError(
                .incompatible, ring: ring, "it is of kind \(header.kind)\(lanes), not of kind \(kind)")
        }
    }

    // MARK: Using

    /// Takes a role, of a new ring if the old one has gone and the handle was opened to allow for that.
    func attach(_ request: Attachment.Request, _ endpoint: EndpointOptions) throws(RingError) -> Attachment {
        let expecting: SegmentHeader.Instance? = if case .exactly(let instance) = intent { instance } else { nil }
        let attachment = try Attachment.take(
            request, at: location, options: options, endpoint: endpoint, expecting: expecting
        ) { () throws(RingError) in
            guard case .named(let name) = location, case .orCreate = intent else {
                throw RingError(.notFound, ring: location.ring, "it was removed since it was opened")
            }
            let header = try SegmentHeader(header.ringShape, options: options, ring: name.ring)
            _ = try Segment.create(name, header: header, options: options)
        }
        try Self.require(header.kind, attachment.header, ring: location.ring)
        // What another made since then, if this handle would have made it.
        if case .orCreate = intent, attachment.header.instance != header.instance {
            let wanted = try SegmentHeader(header.ringShape, options: options, ring: location.ring)
            try attachment.header.requireTraits(options.exactTraits, of: wanted, ring: location.ring)
        }
        return attachment
    }

    func flush() throws(RingError) {
        guard case .named(let name) = location else {
            throw RingError(.invalidOption, ring: location.ring, "an anonymous ring lies on no disk")
        }
        try Segment.flush(name, owners: options.allowedOwners)
    }

    func duplicateDescriptor(inheritable: Bool) throws(RingError) -> Int32 {
        guard case .anonymous(let descriptor, _) = location else {
            throw RingError(.invalidOption, ring: location.ring, "a named ring is opened by its name, not handed over as a descriptor")
        }
        guard !descriptor.isInherited else {
            throw RingError(.forked, ring: location.ring, "this handle belongs to the parent of this forked process")
        }
        let duplicate = descriptor.withNumber { sr_duplicate_for_user($0, inheritable ? 1 : 0) }
        guard duplicate >= 0 else { throw RingError(.system, ring: location.ring, errno: -duplicate, "no descriptor for it") }
        return duplicate
    }
}

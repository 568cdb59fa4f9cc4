import CSharedRing

/// What a handle of any kind stands for: where its segment is, what the header said, and whether another may take its place. It holds no role.
struct SegmentHandle: Sendable {
    /// The header of a new segment, and the options that it is made with. It gets what the segment is called in errors.
    typealias Plan = (_ ring: String) throws(RingError) -> (SegmentHeader, RingOptions)

    let location: SegmentLocation
    let header: SegmentHeader
    let options: RingOptions
    /// The very segment that was found or made. Nil: whatever has the name, made if nothing has.
    let expected: SegmentHeader.Instance?

    var ring: String { location.ring }

    // MARK: Making

    /// Throws `alreadyExists`, and what the plan throws.
    static func create(_ name: FileName, options: RingOptions, _ plan: Plan) throws(RingError) -> SegmentHandle {
        let name = try SegmentName(name, in: options.directoryName)
        let (header, options) = try plan(name.ring)
        guard try Segment.create(name, header: header, options: options) else {
            throw RingError(.alreadyExists, ring: name.ring, "there is something of that name in '\(name.directory)' already")
        }
        return SegmentHandle(location: .named(name), header: header, options: options, expected: header.instance)
    }

    /// `isWritable`: whether this process has to be allowed to write it.
    static func open(_ name: FileName, options: RingOptions, isWritable: Bool) throws(RingError) -> SegmentHandle {
        let name = try SegmentName(name, in: options.directoryName)
        guard let segment = try Segment.open(name, in: try name.openDirectory(), owners: options.allowedOwners, isWritable: isWritable)
        else {
            throw RingError(.notFound, ring: name.ring, "there is none in '\(name.directory)'")
        }
        return SegmentHandle(location: .named(name), header: segment.header, options: options, expected: segment.header.instance)
    }

    /// `wanted`: what it would have been made as, which a segment that is found may differ from.
    static func openOrCreate(
        _ name: FileName, options: RingOptions, isWritable: Bool, _ plan: Plan
    ) throws(RingError) -> (handle: SegmentHandle, wanted: SegmentHeader) {
        let name = try SegmentName(name, in: options.directoryName)
        let (wanted, options) = try plan(name.ring)
        // Found, made, or lost a race and then found; each further turn means that a process removed it in between.
        for _ in 0..<10_000 {
            if let segment = try Segment.open(name, in: try name.openDirectory(), owners: options.allowedOwners, isWritable: isWritable) {
                return (SegmentHandle(location: .named(name), header: segment.header, options: options, expected: nil), wanted)
            }
            if try Segment.create(name, header: wanted, options: options) {
                return (SegmentHandle(location: .named(name), header: wanted, options: options, expected: nil), wanted)
            }
        }
        throw RingError(.inUse, ring: name.ring, "others kept removing it while this process tried to open it 10,000 times")
    }

    static func anonymous(options: RingOptions, _ plan: Plan) throws(RingError) -> SegmentHandle {
        let ring = options.label.isEmpty ? "anonymous" : options.label
        var (header, options) = try plan(ring)
        let descriptor = try Segment.createAnonymous(header: header, options: options)
        // Made here, whatever user this process is shown as: a user namespace may not map its own user.
        options.allowedOwners = .anyone
        return SegmentHandle(location: .anonymous(descriptor, ring: ring), header: header, options: options, expected: header.instance)
    }

    /// Of a descriptor that stays its user's; `what` it should lead to. What `body` throws is about the descriptor, too.
    static func open<Handle>(
        descriptor: Int32, options: RingOptions, _ what: String, orToRead toRead: Bool = false,
        _ body: (SegmentHandle) throws(RingError) -> Handle
    ) throws(RingError) -> Handle {
        let duplicate = sr_duplicate(descriptor)
        guard duplicate >= 0 else {
            throw RingError(.system, about: .descriptor(descriptor), errno: -duplicate, "it is not open, and so leads to no \(what)")
        }
        do throws(RingError) {
            return try body(
                try open(owned: Descriptor(duplicate), called: "descriptor \(descriptor)", options: options, orToRead: toRead))
        } catch {
            throw error.about(.descriptor(descriptor))
        }
    }

    /// `ring`: what the descriptor is called in errors.
    static func open(
        owned own: Descriptor, called ring: String, options: RingOptions, orToRead toRead: Bool = false
    ) throws(RingError) -> SegmentHandle {
        let segment = try Segment.open(own, ring: ring, owners: options.allowedOwners, orToRead: toRead)
        return SegmentHandle(
            location: .anonymous(own, ring: ring), header: segment.header, options: options, expected: segment.header.instance)
    }

    // MARK: Using

    /// Throws `replaced` if this is not the segment that the handle is to lead to.
    func requireExpected(_ found: SegmentHeader) throws(RingError) {
        guard let expected, expected != found.instance else { return }
        throw RingError(.replaced, ring: ring, "it was removed and made anew since it was opened")
    }

    /// Throws `differentShape` if another process made the segment since then, where this handle would have made it as wanted, and it lacks what has to be
    /// exact.
    func requireTraits(of found: SegmentHeader, _ wanted: () throws(RingError) -> SegmentHeader) throws(RingError) {
        guard expected == nil, found.instance != header.instance, !options.exactTraits.isEmpty else { return }
        try found.requireTraits(options.exactTraits, of: try wanted(), ring: ring)
    }

    /// Brings a file-backed segment that no process uses to the disk; `what` it is, for errors.
    func flush(_ what: String) throws(RingError) {
        guard case .named(let name) = location else {
            throw RingError(.invalidOption, ring: ring, "an anonymous \(what) lies on no disk")
        }
        try Segment.flush(name, owners: options.allowedOwners)
    }

    /// A descriptor for the user, who closes it.
    func duplicateDescriptor(of what: String, inheritable: Bool) throws(RingError) -> Int32 {
        guard case .anonymous(let descriptor, _) = location else {
            throw RingError(.invalidOption, ring: ring, "a named \(what) is opened by its name, not handed over as a descriptor")
        }
        guard !descriptor.isInherited else {
            throw RingError(.forked, ring: ring, "this handle belongs to the parent of this forked process")
        }
        let duplicate = descriptor.withNumber { sr_duplicate_for_user($0, inheritable ? 1 : 0) }
        guard duplicate >= 0 else { throw RingError(.system, ring: ring, errno: -duplicate, "no descriptor for it") }
        return duplicate
    }
}

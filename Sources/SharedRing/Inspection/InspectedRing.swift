import CSharedRing

/// A ring that is there, opened to be examined: without a role, without a mapping.
struct InspectedRing {
    let location: SegmentLocation
    let segment: Segment
    /// Where its name stands; nil: it has none.
    private let directory: Descriptor?

    /// For error messages.
    var ring: String { location.ring }

    /// By its name. Of the options, the directory and the allowed owners count. Throws as `SPSCRing.open`.
    init(_ name: FileName, options: RingOptions) throws(RingError) {
        try self.init(SegmentName(name, in: options.directoryName), owners: options.allowedOwners)
    }

    private init(location: SegmentLocation, segment: Segment, directory: Descriptor?) {
        self.location = location
        self.segment = segment
        self.directory = directory
    }

    private init(_ name: SegmentName, owners: RingOptions.Owners) throws(RingError) {
        let directory = try name.openDirectory()
        guard let segment = try Segment.open(name, in: directory, owners: owners, isWritable: false) else {
            throw RingError(.notFound, ring: name.ring, "there is none in '\(name.directory)'")
        }
        self.init(location: .named(name), segment: segment, directory: directory)
    }

    /// By a descriptor, which stays the caller's. Of the options, the allowed owners count. Throws as `SPSCRing.open(descriptor:)`, whatever kind of ring
    /// it is.
    init(descriptor: Int32, options: RingOptions) throws(RingError) {
        try self.init(RingHandle.open(descriptor: descriptor, kind: nil, options: options))
    }

    /// The ring of a handle. Throws as attaching does: `replaced` if the name stands for another one, `notFound`, `forked`.
    init(_ handle: RingHandle) throws(RingError) {
        try self.init(handle.location, owners: handle.options.allowedOwners)
        try handle.requireExpected(segment.header)
    }

    /// The board of a handle. Throws as the other.
    init(_ handle: BoardHandle) throws(RingError) {
        try self.init(handle.location, owners: handle.options.allowedOwners)
        try handle.requireExpected(segment.header)
    }

    /// The call service of a handle. Throws as the others.
    init(_ handle: CallHandle) throws(RingError) {
        try self.init(handle.location, owners: handle.options.allowedOwners)
        try handle.requireExpected(segment.header)
    }

    private init(_ location: SegmentLocation, owners: RingOptions.Owners) throws(RingError) {
        switch location {
        case .named(let name): try self.init(name, owners: owners)
        case .anonymous(let descriptor, let ring):
            let segment = try Segment.open(descriptor, ring: ring, owners: owners, orToRead: true)
            self.init(location: location, segment: segment, directory: nil)
        }
    }

    /// Whether it has the name of one that is being made, or whose creator died while it made it.
    var isTemporary: Bool {
        if case .named(let name) = location { name.isTemporary(of: segment.header) } else { false }
    }

    /// Whether its name stands for something else by now, or for nothing. False if it has none. A system call.
    var isRemoved: Bool {
        guard let directory, case .named(let name) = location else { return false }
        guard let found = try? name.facts(in: directory) else { return true }
        return !found.isSameFile(as: segment.facts)
    }
}

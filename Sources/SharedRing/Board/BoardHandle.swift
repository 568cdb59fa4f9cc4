import CSharedRing

/// What a ``Board`` stands for: where it is, and what to do if it is not there. It holds no role.
final class BoardHandle: Sendable {
    private enum Intent {
        /// The very board that was found or made.
        case exactly(SegmentHeader.Instance)
        /// Whatever has the name, made if nothing has.
        case orCreate(BoardPlan)
    }

    let location: SegmentLocation
    let header: SegmentHeader
    let shape: BoardShape
    let options: RingOptions
    private let intent: Intent

    var ring: String { location.ring }

    private init(_ location: SegmentLocation, _ header: SegmentHeader, _ options: RingOptions, _ intent: Intent) throws(RingError) {
        guard let shape = header.board else {
            throw RingError(.incompatible, ring: location.ring, "it is of kind \(header.kind), not a board")
        }
        self.location = location
        self.header = header
        self.shape = shape
        self.options = options
        self.intent = intent
    }

    // MARK: Making

    static func create(_ name: FileName, _ plan: BoardPlan, options: RingOptions) throws(RingError) -> BoardHandle {
        let name = try SegmentName(name, in: options.directoryName)
        let (header, options) = try plan.header(options: options, ring: name.ring)
        guard try Segment.create(name, header: header, options: options) else {
            throw RingError(.alreadyExists, ring: name.ring, "there is something of that name in '\(name.directory)' already")
        }
        return try BoardHandle(.named(name), header, options, .exactly(header.instance))
    }

    static func open(_ name: FileName, options: RingOptions) throws(RingError) -> BoardHandle {
        let name = try SegmentName(name, in: options.directoryName)
        guard let segment = try Segment.open(name, in: try name.openDirectory(), owners: options.allowedOwners, isWritable: false) else {
            throw RingError(.notFound, ring: name.ring, "there is none in '\(name.directory)'")
        }
        return try BoardHandle(.named(name), segment.header, options, .exactly(segment.header.instance))
    }

    static func openOrCreate(_ name: FileName, _ plan: BoardPlan, options: RingOptions) throws(RingError) -> BoardHandle {
        let name = try SegmentName(name, in: options.directoryName)
        let (wanted, options) = try plan.header(options: options, ring: name.ring)
        // As in RingHandle.openOrCreate: each further turn means that another process removed it in between.
        for _ in 0..<10_000 {
            if let segment = try Segment.open(name, in: try name.openDirectory(), owners: options.allowedOwners, isWritable: false) {
                return try BoardHandle(.named(name), segment.header, options, .orCreate(plan))
            }
            if try Segment.create(name, header: wanted, options: options) {
                return try BoardHandle(.named(name), wanted, options, .orCreate(plan))
            }
        }
        throw RingError(.inUse, ring: name.ring, "others kept removing it while this process tried to open it 10,000 times")
    }

    static func anonymous(_ plan: BoardPlan, options: RingOptions) throws(RingError) -> BoardHandle {
        let ring = options.label.isEmpty ? "anonymous" : options.label
        var (header, options) = try plan.header(options: options, ring: ring)
        let descriptor = try Segment.createAnonymous(header: header, options: options)
        // Made here, whatever user this process is shown as: a user namespace may not map its own user.
        options.allowedOwners = .anyone
        return try BoardHandle(.anonymous(descriptor, ring: ring), header, options, .exactly(header.instance))
    }

    static func open(descriptor: Int32, options: RingOptions) throws(RingError) -> BoardHandle {
        let ring = "descriptor \(descriptor)"
        let duplicate = sr_duplicate(descriptor)
        guard duplicate >= 0 else {
            throw RingError(.system, about: .descriptor(descriptor), errno: -duplicate, "it is not open, and so leads to no board")
        }
        let own = Descriptor(duplicate)
        do throws(RingError) {
            let segment = try Segment.open(own, ring: ring, owners: options.allowedOwners)
            return try BoardHandle(.anonymous(own, ring: ring), segment.header, options, .exactly(segment.header.instance))
        } catch {
            throw error.about(.descriptor(descriptor))
        }
    }

    // MARK: Using

    /// Opens the board's file to be mapped: for writing, too, where this process may write it.
    func openSegment() throws(RingError) -> Segment {
        for _ in 0..<1000 {
            let segment: Segment
            switch location {
            case .anonymous(let descriptor, let ring):
                segment = try Segment.open(descriptor, ring: ring, owners: options.allowedOwners)
            case .named(let name):
                let directory = try name.openDirectory()
                guard let found = try openNamed(name, in: directory) else {
                    guard case .orCreate(let plan) = intent else {
                        throw RingError(.notFound, ring: ring, "it was removed since it was opened")
                    }
                    let (header, options) = try plan.header(options: options, ring: ring)
                    _ = try Segment.create(name, header: header, options: options)
                    continue
                }
                segment = found
            }
            guard segment.header.kind == .board else {
                throw RingError(.incompatible, ring: ring, "it is of kind \(segment.header.kind), not a board")
            }
            if case .exactly(let instance) = intent, instance != segment.header.instance {
                throw RingError(.replaced, ring: ring, "it was removed and made anew since it was opened")
            }
            return segment
        }
        throw RingError(.inUse, ring: ring, "others kept removing it while this process tried to open it 1,000 times")
    }

    private func openNamed(_ name: SegmentName, in directory: Descriptor) throws(RingError) -> Segment? {
        do throws(RingError) {
            return try Segment.open(name, in: directory, owners: options.allowedOwners)
        } catch {
            // EACCES, EPERM, EROFS: this process may not write it. To read it takes no more than leave to read.
            guard let errno = error.errno, [13, 1, 30].contains(errno) else { throw error }
        }
        return try Segment.open(name, in: directory, owners: options.allowedOwners, isWritable: false)
    }

    /// Takes a role of the very board whose segment was found. Throws as `Attachment.take`.
    func attach(_ role: Role, of segment: Segment, _ endpoint: EndpointOptions) throws(RingError) -> Attachment {
        try Attachment.take(
            .exactly(role), at: location, options: options, endpoint: endpoint, expecting: segment.header.instance
        ) { () throws(RingError) in
            throw RingError(.replaced, ring: ring, "it was removed since it was opened")
        }
    }

    func flush() throws(RingError) {
        guard case .named(let name) = location else {
            throw RingError(.invalidOption, ring: ring, "an anonymous board lies on no disk")
        }
        try Segment.flush(name, owners: options.allowedOwners)
    }

    func duplicateDescriptor(inheritable: Bool) throws(RingError) -> Int32 {
        guard case .anonymous(let descriptor, _) = location else {
            throw RingError(.invalidOption, ring: ring, "a named board is opened by its name, not handed over as a descriptor")
        }
        guard !descriptor.isInherited else {
            throw RingError(.forked, ring: ring, "this handle belongs to the parent of this forked process")
        }
        let duplicate = descriptor.withNumber { sr_duplicate_for_user($0, inheritable ? 1 : 0) }
        guard duplicate >= 0 else { throw RingError(.system, ring: ring, errno: -duplicate, "no descriptor for it") }
        return duplicate
    }
}

/// How a board is to be made.
struct BoardPlan: Sendable {
    var entries: [Board.Entry]
    var room: Board.Room
    var keepsTime: Bool

    /// The header of a new board, and options that carry its entries. Throws `invalidName`, `invalidOption`.
    func header(options: RingOptions, ring: String) throws(RingError) -> (SegmentHeader, RingOptions) {
        func refuse(_ detail: String) -> RingError { RingError(.invalidOption, ring: ring, detail) }
        var options = options
        options.boardEntries = []
        var size = 0
        var shape = BoardShape(entryCount: 0, dataSize: 0, keepsTime: keepsTime)
        var keys: Set<[UInt8]> = []
        guard room.entries >= 0, room.byteCount >= 0, room.byteCount <= BoardShape.largestDataSize else {
            throw refuse(
                "its room for later entries must be 0 or more entries and 0 to 2^40 bytes, not \(room.entries) and \(room.byteCount)")
        }
        let (count, overflows) = entries.count.addingReportingOverflow(room.entries)
        guard !overflows, (1...BoardShape.largestEntryCount).contains(count) else {
            throw refuse("it must have 1 to \(BoardShape.largestEntryCount) entries, not \(entries.count) and room for \(room.entries)")
        }
        shape.entryCount = count
        for entry in entries {
            let plan = try BoardEntryPlan(Array(entry.key.utf8), capacity: entry.capacity, ring: ring)
            guard keys.insert(plan.key).inserted else { throw refuse("it has two entries '\(String(escaping: plan.key))'") }
            options.boardEntries.append(plan)
            size += shape.entrySize(entry.capacity)  // at most 4,096 times some 2^32
        }
        // What an entry needs beside its value: four slots with their headers, each rounded up.
        size += 4 * room.byteCount + room.entries * 512
        guard size <= BoardShape.largestDataSize, size > 0 else {
            throw refuse("its values need \(size) bytes, four times their capacities and a little more, and at most 2^40 can be had")
        }
        let header = try SegmentHeader(.board, requiring: 0, options: options, ring: ring) { unit in
            shape.dataSize = (size + unit - 1) / unit * unit
            return .board(shape)
        }
        return (header, options)
    }
}

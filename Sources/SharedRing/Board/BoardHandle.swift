/// What a ``Board`` stands for. It holds no role.
final class BoardHandle: Sendable {
    private let segment: SegmentHandle
    let shape: BoardShape
    /// What to make if nothing has the name any more. Nil: the very board that was found or made is meant.
    private let plan: BoardPlan?

    var location: SegmentLocation { segment.location }
    var header: SegmentHeader { segment.header }
    var options: RingOptions { segment.options }
    var ring: String { segment.ring }

    private init(_ segment: SegmentHandle, orCreate plan: BoardPlan? = nil) throws(RingError) {
        shape = try Self.requireBoard(segment.header, ring: segment.ring)
        self.segment = segment
        self.plan = plan
    }

    /// The shape of a board. Throws `incompatible` for another kind.
    @discardableResult
    static func requireBoard(_ header: SegmentHeader, ring: String) throws(RingError) -> BoardShape {
        guard let shape = header.board else {
            throw RingError(.incompatible, ring: ring, "it is of kind \(header.kind), not a board")
        }
        return shape
    }

    // MARK: Making

    static func create(_ name: FileName, _ plan: BoardPlan, options: RingOptions) throws(RingError) -> BoardHandle {
        try BoardHandle(
            try SegmentHandle.create(name, options: options) { ring throws(RingError) in
                try plan.header(options: options, ring: ring)
            })
    }

    static func open(_ name: FileName, options: RingOptions) throws(RingError) -> BoardHandle {
        try BoardHandle(try SegmentHandle.open(name, options: options, isWritable: false))
    }

    static func openOrCreate(_ name: FileName, _ plan: BoardPlan, options: RingOptions) throws(RingError) -> BoardHandle {
        let segment = try SegmentHandle.openOrCreate(name, options: options, isWritable: false) { ring throws(RingError) in
            try plan.header(options: options, ring: ring)
        }
        let handle = try BoardHandle(segment.handle, orCreate: plan)
        try handle.header.requireTraits(options.exactTraits, of: segment.wanted, ring: handle.ring)
        return handle
    }

    static func anonymous(_ plan: BoardPlan, options: RingOptions) throws(RingError) -> BoardHandle {
        try BoardHandle(
            try SegmentHandle.anonymous(options: options) { ring throws(RingError) in
                try plan.header(options: options, ring: ring)
            })
    }

    static func open(descriptor: Int32, options: RingOptions) throws(RingError) -> BoardHandle {
        try SegmentHandle.open(descriptor: descriptor, options: options, "board", orToRead: true) { segment throws(RingError) in
            try BoardHandle(segment)
        }
    }

    // MARK: Using

    /// Opens the board's file to be mapped: for writing, too, where this process may write it.
    func openSegment() throws(RingError) -> Segment {
        for _ in 0..<1000 {
            let found: Segment
            switch location {
            case .anonymous(let descriptor, let ring):
                found = try Segment.open(descriptor, ring: ring, owners: options.allowedOwners, orToRead: true)
            case .named(let name):
                let directory = try name.openDirectory()
                guard let named = try openNamed(name, in: directory) else {
                    guard let plan else { throw RingError(.notFound, ring: ring, "it was removed since it was opened") }
                    let (header, options) = try plan.header(options: options, ring: ring)
                    _ = try Segment.create(name, header: header, options: options)
                    continue
                }
                found = named
            }
            try Self.requireBoard(found.header, ring: ring)
            try segment.requireExpected(found.header)
            if let plan {
                try segment.requireTraits(of: found.header) { () throws(RingError) in try plan.header(options: options, ring: ring).0 }
            }
            return found
        }
        throw RingError(.inUse, ring: ring, "others kept removing it while this process tried to open it 1,000 times")
    }

    private func openNamed(_ name: SegmentName, in directory: Descriptor) throws(RingError) -> Segment? {
        do throws(RingError) {
            return try Segment.open(name, in: directory, owners: options.allowedOwners)
        } catch {
            // This process may not write it. To read it takes no more than leave to read.
            guard let errno = error.errno, SystemFailure.saysReadOnly(errno) else { throw error }
        }
        return try Segment.open(name, in: directory, owners: options.allowedOwners, isWritable: false)
    }

    /// Takes a role of the very board whose segment was found. Throws as `Attachment.take`.
    func attach(
        _ role: Role, of segment: Segment, _ endpoint: EndpointOptions, until deadline: Deadline? = nil
    ) throws(RingError) -> Attachment {
        try Attachment.take(
            .exactly(role), at: location, options: options, endpoint: endpoint, until: deadline, expecting: segment.header.instance
        ) { found throws(RingError) in
            try Self.requireBoard(found, ring: ring)
        } create: { () throws(RingError) in
            throw RingError(.replaced, ring: ring, "it was removed since it was opened")
        }
    }

    /// Throws `replaced` if this is not the board that the handle is to lead to.
    func requireExpected(_ found: SegmentHeader) throws(RingError) { try segment.requireExpected(found) }

    func flush() throws(RingError) { try segment.flush("board") }

    func duplicateDescriptor(inheritable: Bool) throws(RingError) -> Int32 {
        try segment.duplicateDescriptor(of: "board", inheritable: inheritable)
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

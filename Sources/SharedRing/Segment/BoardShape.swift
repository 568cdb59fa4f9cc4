import CSharedRing

/// The shape of a board: how many entries there can be, and how much room their values have.
struct BoardShape: Sendable, Equatable {
    var entryCount: Int
    /// The bytes of all values of all entries.
    var dataSize: Int
    /// Whether each value has the time of its writing.
    var keepsTime: Bool

    static let largestDataSize = 1 << 40
    static let largestValue = Int(SR_LARGEST_BOARD_VALUE)
    static let longestKey = Int(SR_LARGEST_KEY)
    static let largestEntryCount = Int(SR_LARGEST_ENTRY_COUNT)

    func store(in header: inout sr_header) {
        header.board.entry_count = UInt32(entryCount)
        header.board.keeps_time = keepsTime ? 1 : 0
        header.board.data_size = UInt64(dataSize)
    }

    /// The words of the entries that a board is made with.
    func initialWords(_ options: RingOptions) -> [(offset: Int, word: UInt64)] {
        var words: [(offset: Int, word: UInt64)] = []
        var place = 0
        for (number, entry) in options.boardEntries.enumerated() {
            let block = Int(sr_entry_offset(UInt32(number)))
            // The state, 1, and the length behind it are one word.
            words.append((block, 1 | UInt64(entry.key.count) << 32))
            words.append((block + MemoryLayout<sr_entry_control>.offset(of: \.capacity)!, UInt64(entry.capacity)))
            words.append((block + MemoryLayout<sr_entry_control>.offset(of: \.data_offset)!, UInt64(place)))
            let key = block + MemoryLayout<sr_entry_control>.offset(of: \.key)!
            for start in Swift.stride(from: 0, to: entry.key.count, by: 8) {
                let bytes = entry.key[start..<min(start + 8, entry.key.count)]
                words.append((key + start, bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }))
            }
            place += entrySize(entry.capacity)
        }
        return words
    }

    // MARK: Checking an untrusted one

    init(entryCount: Int, dataSize: Int, keepsTime: Bool) {
        self.entryCount = entryCount
        self.dataSize = dataSize
        self.keepsTime = keepsTime
    }

    /// Throws `damaged`.
    init(checking header: sr_header, ring: String) throws(RingError) {
        func refuse(_ detail: String) -> RingError { RingError(.damaged, ring: ring, detail) }
        guard header.required_features & UInt64(SR_FEATURE_TOTAL_ORDER) == 0 else {
            throw refuse("it is a board and says that it puts messages in a total order")
        }
        let entries = header.board.entry_count
        guard entries >= 1, entries <= UInt32(Self.largestEntryCount) else { throw refuse("it says it has room for \(entries) entries") }
        guard header.board.keeps_time <= 1 else {
            throw refuse("its word for the time of writing is \(header.board.keeps_time), not 0 or 1")
        }
        let size = header.board.data_size
        guard size >= UInt64(SR_ENTRY_ALIGNMENT), size <= UInt64(Self.largestDataSize), size % UInt64(SR_ENTRY_ALIGNMENT) == 0 else {
            throw refuse("its values have \(counted(size, "byte")), not a multiple of \(SR_ENTRY_ALIGNMENT) up to 2^40")
        }
        entryCount = Int(entries)
        dataSize = Int(size)
        keepsTime = header.board.keeps_time == 1
    }

    // MARK: What follows from it

    var controlSize: Int { Int(sr_entry_offset(UInt32(entryCount))) }
    var roles: [Role] { [.board] + (0..<entryCount).map(Role.entry) }
    var description: String { "\(counted(entryCount, "entry", "entries")) with \(dataSize) bytes" }

    /// The bytes in front of a value in its slot. The capacity is at most `largestValue`.
    func prefix(_ capacity: Int) -> Int { Int(sr_slot_prefix(UInt64(capacity), keepsTime ? 1 : 0)) }
    /// From one slot of an entry to the next, in bytes. The capacity is at most `largestValue`.
    func stride(_ capacity: Int) -> Int { Int(sr_slot_stride(UInt64(capacity), keepsTime ? 1 : 0)) }
    /// All slots of an entry, in bytes. The capacity is at most `largestValue`.
    func entrySize(_ capacity: Int) -> Int { Int(sr_entry_size(UInt64(capacity), keepsTime ? 1 : 0)) }

    func holderOffset(of role: Role) -> Int {
        switch role {
        case .board: MemoryLayout<sr_board_control>.offset(of: \.holder)!
        case .entry(let entry): Int(sr_entry_offset(UInt32(entry))) + MemoryLayout<sr_entry_control>.offset(of: \.holder)!
        case .consumer, .lane, .subscriber, .observer, .server, .caller: preconditionFailure("no role of a board")
        }
    }
}

/// An entry that a board is to have.
struct BoardEntryPlan: Sendable, Equatable {
    let key: [UInt8]
    let capacity: Int

    /// Throws `invalidName` and `invalidOption`.
    init(_ key: [UInt8], capacity: Int, ring: String) throws(RingError) {
        let shown = String(escaping: key)
        guard (1...BoardShape.longestKey).contains(key.count) else {
            throw RingError(.invalidName, ring: ring, "a key has 1 to \(BoardShape.longestKey) bytes, and '\(shown)' has \(key.count)")
        }
        guard !key.contains(0) else { throw RingError(.invalidName, ring: ring, "a key must not contain a NUL byte, as '\(shown)' does") }
        guard (1...BoardShape.largestValue).contains(capacity) else {
            throw RingError(
                .invalidOption, ring: ring,
                "the capacity of entry '\(shown)' must be 1 to \(BoardShape.largestValue) bytes, not \(capacity)")
        }
        self.key = key
        self.capacity = capacity
    }
}

// MARK: - The header of a board

extension SegmentHeader {
    /// Nil: it is no board.
    var board: BoardShape? { if case .board(let shape) = shape { shape } else { nil } }

    /// Where an entry's control block stands in the file.
    func entryOffset(_ entry: Int) -> Int { controlOffset + Int(sr_entry_offset(UInt32(entry))) }
}

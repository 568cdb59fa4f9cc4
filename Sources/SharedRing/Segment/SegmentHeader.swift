import CSharedRing

/// What distinguishes the kinds of rings.
struct RingShape: Sendable {
    var kind: SegmentHeader.Kind
    var laneCount: Int
    var isTotallyOrdered: Bool

    static let spsc = RingShape(kind: .spsc, laneCount: 1, isTotallyOrdered: false)
}

/// The checked, private copy of a segment's page 0.
///
/// The segment's own copy is read once, here; everything later uses this one, so that nobody can change a size between
/// its check and its use.
struct SegmentHeader: Sendable, Equatable {
    enum Kind: UInt32, Sendable {
        case spsc = 1
        case mpsc = 2
    }

    var kind: Kind
    var laneCount: Int
    var laneCapacity: Int
    var recordAlignment: Int
    var controlOffset: Int
    var dataOffset: Int
    var totalSize: Int
    var requiredFeatures: UInt64
    var instance: Instance
    var label: String
    var createdNanoseconds: Int64

    /// Tells a ring from its successor of the same name.
    struct Instance: Sendable, Equatable {
        var high: UInt64
        var low: UInt64

        /// 32 hexadecimal digits.
        var text: String {
            [high, low].map { word in
                let digits = String(word, radix: 16)
                return String(repeating: "0", count: 16 - digits.count) + digits
            }.joined()
        }
    }

    static let knownFeatures = UInt64(SR_FEATURE_ASYMMETRIC_BARRIER) | UInt64(SR_FEATURE_TOTAL_ORDER) | UInt64(SR_FEATURE_FILE_BACKED)

    var shape: RingShape { RingShape(kind: kind, laneCount: laneCount, isTotallyOrdered: isTotallyOrdered) }

    var usesAsymmetricBarrier: Bool { requiredFeatures & UInt64(SR_FEATURE_ASYMMETRIC_BARRIER) != 0 }

    /// Whether it is to outlive a restart of the machine.
    var isFileBacked: Bool { requiredFeatures & UInt64(SR_FEATURE_FILE_BACKED) != 0 }

    static var pageSize: Int { Int(sr_page_size()) }

    // MARK: Making one

    /// The header of a new segment. Throws `invalidOption`.
    init(_ shape: RingShape, options: RingOptions, ring: String) throws(RingError) {
        func refuse(_ detail: String) -> RingError { RingError(.invalidOption, ring: ring, detail) }
        let page = Self.pageSize

        let laneCount = shape.laneCount
        let alignment = options.recordAlignment
        guard (8...128).contains(alignment), alignment & (alignment - 1) == 0 else {
            throw refuse("the record alignment must be 8, 16, 32, 64 or 128, not \(alignment)")
        }
        guard (1...Int(SR_LARGEST_LANE_COUNT)).contains(laneCount) else {
            throw refuse("the lane count must be 1 to \(SR_LARGEST_LANE_COUNT), not \(laneCount)")
        }
        let largestCapacity = 1 << 40
        guard options.capacity > 0, options.capacity <= largestCapacity else {
            throw refuse("the capacity must be 1 to \(largestCapacity) bytes, not \(options.capacity)")
        }
        guard options.label.utf8.count <= 63, !options.label.utf8.contains(0) else {
            throw refuse("the label must be at most 63 bytes without NUL, not \(options.label.utf8.count)")
        }
        guard options.permissions & ~0o777 == 0, options.permissions & 0o600 == 0o600 else {
            let mode = String(options.permissions, radix: 8)
            throw refuse("the permissions must let the owner read and write and be at most 777, not \(mode)")
        }

        let asymmetric: Bool
        switch options.barrier {
        case .automatic: asymmetric = sr_membarrier_offered() == 1
        case .symmetric: asymmetric = false
        case .asymmetric:
            guard sr_membarrier_offered() == 1 else {
                throw RingError(.incompatible, ring: ring, "the asymmetric barrier needs membarrier(2), which is not there")
            }
            asymmetric = true
        }

        var unit = page
        if options.usesHugePages {
            unit = Int(sr_huge_page_size())
            guard unit > 0 else {
                throw RingError(.incompatible, ring: ring, "it was to lie in huge pages, and this machine has none")
            }
        }

        kind = shape.kind
        self.laneCount = laneCount
        recordAlignment = alignment
        laneCapacity = Self.capacity(atLeast: max(options.capacity, unit))
        controlOffset = page
        let control = MemoryLayout<sr_ring_control>.size + laneCount * MemoryLayout<sr_lane_control>.size
        dataOffset = (controlOffset + control + unit - 1) / unit * unit
        totalSize = dataOffset + laneCount * laneCapacity
        requiredFeatures =
            (asymmetric ? UInt64(SR_FEATURE_ASYMMETRIC_BARRIER) : 0) | (shape.isTotallyOrdered ? UInt64(SR_FEATURE_TOTAL_ORDER) : 0)
            | (options.outlivesRestart ? UInt64(SR_FEATURE_FILE_BACKED) : 0)
        label = options.label
        createdNanoseconds = sr_realtime_ns()

        var random: (UInt64, UInt64) = (0, 0)
        // SAFETY: the two words are 16 writable bytes for the length of the call.
        let result = unsafe withUnsafeMutableBytes(of: &random) { unsafe sr_random($0.baseAddress!, UInt64($0.count)) }
        guard result == 0 else { throw RingError(.system, ring: ring, errno: -result, "no random instance id") }
        instance = Instance(high: random.0, low: random.1)
    }

    private static func capacity(atLeast wanted: Int) -> Int {
        let floor = 1 << (Int.bitWidth - 1 - wanted.leadingZeroBitCount)
        return floor == wanted ? floor : floor << 1
    }

    /// As it stands in the segment.
    var stored: sr_header {
        var header = sr_header()
        header.magic = UInt64(SR_MAGIC)
        header.abi_major = UInt16(SR_ABI_MAJOR)
        header.abi_minor = UInt16(SR_ABI_MINOR)
        header.header_length = UInt32(MemoryLayout<sr_header>.size)
        header.total_size = UInt64(totalSize)
        header.page_size = UInt32(Self.pageSize)
        header.ring_kind = kind.rawValue
        header.lane_count = UInt32(laneCount)
        header.record_alignment = UInt32(recordAlignment)
        header.lane_capacity = UInt64(laneCapacity)
        header.control_offset = UInt64(controlOffset)
        header.data_offset = UInt64(dataOffset)
        header.required_features = requiredFeatures
        header.layout_hash = sr_layout_hash()
        header.created_ns = createdNanoseconds
        // SAFETY: the byte fields are fixed arrays of the sizes written; the label was checked to leave a NUL.
        unsafe withUnsafeMutableBytes(of: &header.instance_id) { bytes in
            unsafe bytes.storeBytes(of: instance.high, as: UInt64.self)
            unsafe bytes.storeBytes(of: instance.low, toByteOffset: 8, as: UInt64.self)
        }
        unsafe withUnsafeMutableBytes(of: &header.label) { unsafe $0.copyBytes(from: label.utf8) }
        header.checksum = Self.checksum(of: header)
        return header
    }

    /// FNV-1a over everything before the checksum itself.
    static func checksum(of header: sr_header) -> UInt64 {
        unsafe withUnsafeBytes(of: header) { bytes in
            // SAFETY: the closure reads inside the bytes it was given.
            unsafe bytes.dropLast(8).reduce(0xcbf2_9ce4_8422_2325) { hash, byte in (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        }
    }

    // MARK: Checking a stranger's

    /// Checks a header read from a file of `fileSize` bytes. Throws `notARing`, `incompatible` or `damaged`, saying what
    /// was expected and what was found.
    init(checking header: sr_header, fileSize: UInt64, ring: String) throws(RingError) {
        func refuse(_ code: RingError.Code, _ detail: String) -> RingError { RingError(code, ring: ring, detail) }
        func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

        guard header.magic == UInt64(SR_MAGIC) else {
            if header.magic.byteSwapped == UInt64(SR_MAGIC) {
                throw refuse(.incompatible, "it was made by a big-endian machine")
            }
            throw refuse(.notARing, "not a ring: it starts with \(hexadecimal(header.magic)) instead of \(hexadecimal(UInt64(SR_MAGIC)))")
        }
        guard header.abi_major == UInt16(SR_ABI_MAJOR) else {
            throw refuse(
                .incompatible,
                "its layout has version \(header.abi_major).\(header.abi_minor), this program speaks \(SR_ABI_MAJOR).\(SR_ABI_MINOR)")
        }
        guard header.checksum == Self.checksum(of: header) else {
            throw refuse(
                .damaged,
                "its header's checksum is \(hexadecimal(header.checksum)), its contents give \(hexadecimal(Self.checksum(of: header)))")
        }
        guard header.header_length == UInt32(MemoryLayout<sr_header>.size), header.layout_hash == sr_layout_hash() else {
            throw refuse(
                .incompatible,
                "its layout \(hexadecimal(header.layout_hash)) is not this program's \(hexadecimal(sr_layout_hash())), though both say version \(SR_ABI_MAJOR)"
            )
        }
        let unknown = header.required_features & ~Self.knownFeatures
        guard unknown == 0 else {
            throw refuse(.incompatible, "it needs features \(hexadecimal(unknown)) that this program does not know")
        }
        guard let kind = Kind(rawValue: header.ring_kind) else {
            throw refuse(.damaged, "its kind is \(header.ring_kind), which does not exist")
        }

        guard kind == .mpsc || header.required_features & UInt64(SR_FEATURE_TOTAL_ORDER) == 0 else {
            throw refuse(.damaged, "it has one producer and says it puts several in a total order")
        }

        let page = UInt64(Self.pageSize)
        let lanes = UInt64(header.lane_count)
        guard lanes >= 1, lanes <= UInt64(SR_LARGEST_LANE_COUNT), kind == .mpsc || lanes == 1 else {
            throw refuse(.damaged, "it says it has \(lanes) lanes")
        }
        let alignment = header.record_alignment
        guard alignment >= 8, alignment <= 128, alignment & (alignment - 1) == 0 else {
            throw refuse(.damaged, "its record alignment is \(alignment), not a power of two from 8 to 128")
        }
        let capacity = header.lane_capacity
        guard capacity >= page, capacity <= 1 << 40, capacity & (capacity - 1) == 0 else {
            throw refuse(
                capacity < page && header.page_size < page ? .incompatible : .damaged,
                "its lane capacity is \(capacity), not a power of two from this machine's page size \(page) to 2^40")
        }
        let control = UInt64(MemoryLayout<sr_ring_control>.size) + lanes * UInt64(MemoryLayout<sr_lane_control>.size)
        // No overflow below: each offset is checked against the size, and the size against 2^51.
        guard header.total_size == fileSize, fileSize < 1 << 51 else {
            throw refuse(.damaged, "its header says \(header.total_size) bytes, its file has \(fileSize)")
        }
        guard header.control_offset % page == 0, header.data_offset % page == 0 else {
            throw refuse(
                header.page_size == page ? .damaged : .incompatible,
                "its offsets \(header.control_offset) and \(header.data_offset) are no multiples of this machine's page size \(page); it was made with pages of \(header.page_size)"
            )
        }
        guard header.control_offset >= page, header.control_offset <= fileSize,
            header.data_offset <= fileSize, header.data_offset >= header.control_offset + control,
            fileSize - header.data_offset >= lanes * capacity
        else {
            throw refuse(
                .damaged,
                "\(lanes) lanes of \(capacity) bytes with offsets \(header.control_offset) and \(header.data_offset) do not fit its \(fileSize) bytes"
            )
        }

        self.kind = kind
        laneCount = Int(lanes)
        laneCapacity = Int(capacity)
        recordAlignment = Int(alignment)
        controlOffset = Int(header.control_offset)
        dataOffset = Int(header.data_offset)
        totalSize = Int(header.total_size)
        requiredFeatures = header.required_features
        createdNanoseconds = header.created_ns
        // SAFETY: reads inside fixed arrays of 16 and 64 bytes.
        instance = unsafe withUnsafeBytes(of: header.instance_id) { bytes in
            unsafe Instance(high: bytes.load(as: UInt64.self), low: bytes.load(fromByteOffset: 8, as: UInt64.self))
        }
        label = unsafe withUnsafeBytes(of: header.label) { unsafe String(ofStranger: $0) }
    }
}

// MARK: - Comparing with what was asked for

extension SegmentHeader {
    /// Throws `differentShape` if it differs from `wanted` in one of the traits, naming all that differ.
    func requireTraits(_ traits: RingOptions.Traits, of wanted: SegmentHeader, ring: String) throws(RingError) {
        var differences: [String] = []
        func compare<Value: Equatable>(_ trait: RingOptions.Traits, _ what: String, _ found: Value, _ asked: Value) {
            if traits.contains(trait), found != asked { differences.append("its \(what) is \(found), not \(asked)") }
        }
        compare(.capacity, "capacity in bytes", laneCapacity, wanted.laneCapacity)
        compare(.laneCount, "lane count", laneCount, wanted.laneCount)
        compare(.order, "order", order, wanted.order)
        compare(.recordAlignment, "record alignment", recordAlignment, wanted.recordAlignment)
        guard differences.isEmpty else {
            throw RingError(
                .differentShape, ring: ring, "it is there already, and not as it has to be: \(differences.joined(separator: "; "))")
        }
    }

    private var order: String { isTotallyOrdered ? "total" : "per producer" }
}

// MARK: - What follows from it

extension SegmentHeader {
    /// In a total order, every record begins with its ticket.
    var isTotallyOrdered: Bool { requiredFeatures & UInt64(SR_FEATURE_TOTAL_ORDER) != 0 }
    var ticketSize: Int { isTotallyOrdered ? 8 : 0 }

    /// The largest message, in bytes: one alignment is kept for the terminator and one so that closing never waits.
    var largestMessage: Int { min(laneCapacity - 8 - 2 * recordAlignment, Int(SR_RECORD_COUNT_MASK) - 1) - ticketSize }

    /// Where a lane's control block stands in the file.
    func laneOffset(_ lane: Int) -> Int {
        controlOffset + MemoryLayout<sr_ring_control>.size + lane * MemoryLayout<sr_lane_control>.size
    }

    /// Where a lane's owner card stands in the file.
    func cardOffset(of role: Role) -> Int {
        switch role {
        case .consumer: controlOffset + MemoryLayout<sr_ring_control>.offset(of: \.consumer_card)!
        case .lane(let lane):
            laneOffset(lane) + MemoryLayout<sr_lane_control>.offset(of: \.producer_card)!
        }
    }
}

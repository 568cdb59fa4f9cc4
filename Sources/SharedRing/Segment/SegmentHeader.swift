import CSharedRing

/// What distinguishes the kinds of rings.
struct RingShape: Sendable {
    var kind: SegmentHeader.Kind
    var laneCount: Int
    var isTotallyOrdered: Bool
    /// How many reliable subscribers there can be; 0 of kinds that have none.
    var slotCount = 0

    static let spsc = RingShape(kind: .spsc, laneCount: 1, isTotallyOrdered: false)
}

/// The checked, private copy of a segment's page 0.
///
/// The segment's own copy is read once, here; everything later uses this one, so that no peer can change a size between
/// its check and its use.
struct SegmentHeader: Sendable, Equatable {
    enum Kind: UInt32, Sendable, CaseIterable {
        case spsc = 1
        case mpsc = 2
        case broadcast = 3
        case board = 4
        case call = 5
    }

    var kind: Kind
    /// The minor version of the program that made it.
    var minorVersion = UInt16(SR_LAYOUT_MINOR)
    var shape: SegmentShape
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

    /// The features that a segment of that kind may need, as its number says.
    static func knownFeatures(of kind: UInt32) -> UInt64 {
        UInt64(SR_FEATURE_ASYMMETRIC_BARRIER) | UInt64(SR_FEATURE_TOTAL_ORDER) | UInt64(SR_FEATURE_FILE_BACKED)
            | (kind == Kind.call.rawValue ? UInt64(SR_FEATURE_STREAMS) : 0)
    }

    var usesAsymmetricBarrier: Bool { requiredFeatures & UInt64(SR_FEATURE_ASYMMETRIC_BARRIER) != 0 }

    /// Whether it is to outlive a restart of the machine.
    var isFileBacked: Bool { requiredFeatures & UInt64(SR_FEATURE_FILE_BACKED) != 0 }

    static var pageSize: Int { Int(sr_page_size()) }

    // MARK: Making one

    /// The header of a new segment. Throws `invalidOption`.
    init(_ wanted: RingShape, options: RingOptions, ring: String) throws(RingError) {
        try LanesShape.check(wanted, options, ring: ring)
        switch wanted.kind {
        case .broadcast: try BroadcastShape.check(wanted, options, ring: ring)
        case .spsc, .mpsc, .board, .call: break
        }
        let features = wanted.isTotallyOrdered ? UInt64(SR_FEATURE_TOTAL_ORDER) : 0
        try self.init(wanted.kind, requiring: features, options: options, ring: ring) { unit in
            switch wanted.kind {
            case .broadcast: .broadcast(BroadcastShape(wanted, options, unit: unit))
            case .spsc, .mpsc, .board, .call: .lanes(LanesShape(wanted, options, unit: unit))
            }
        }
    }

    /// The same of any kind, whose shape depends on what the data is a multiple of, in bytes.
    init(
        _ kind: Kind, requiring features: UInt64, options: RingOptions, ring: String, shape makeShape: (_ unit: Int) -> SegmentShape
    ) throws(RingError) {
        func refuse(_ detail: String) -> RingError { RingError(.invalidOption, ring: ring, detail) }
        let page = Self.pageSize

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

        self.kind = kind
        shape = makeShape(unit)
        controlOffset = page
        dataOffset = (controlOffset + shape.controlSize + unit - 1) / unit * unit
        totalSize = dataOffset + shape.dataSize
        requiredFeatures =
            features | (asymmetric ? UInt64(SR_FEATURE_ASYMMETRIC_BARRIER) : 0)
            | (options.isDurable ? UInt64(SR_FEATURE_FILE_BACKED) : 0)
        label = options.label
        createdNanoseconds = sr_realtime_ns()

        var random: (UInt64, UInt64) = (0, 0)
        // SAFETY: the two words are 16 writable bytes for the length of the call.
        let result = unsafe withUnsafeMutableBytes(of: &random) { unsafe sr_random($0.baseAddress!, UInt64($0.count)) }
        guard result == 0 else { throw RingError(.system, ring: ring, errno: -result, "no random instance id") }
        instance = Instance(high: random.0, low: random.1)
    }

    /// As it stands in the segment.
    var stored: sr_header {
        var header = sr_header()
        header.magic = UInt64(SR_MAGIC)
        header.major = UInt16(SR_LAYOUT_MAJOR)
        header.minor = minorVersion
        header.header_length = UInt32(MemoryLayout<sr_header>.size)
        header.total_size = UInt64(totalSize)
        header.page_size = UInt32(Self.pageSize)
        header.kind = kind.rawValue
        shape.store(in: &header)
        header.control_offset = UInt64(controlOffset)
        header.data_offset = UInt64(dataOffset)
        header.required_features = requiredFeatures
        header.layout_hash = sr_layout_hash(kind.rawValue)
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

    /// FNV-1a of everything before the checksum itself.
    static func checksum(of header: sr_header) -> UInt64 {
        // SAFETY: the copy lives for the length of the call.
        unsafe withUnsafePointer(to: header) { unsafe sr_header_checksum($0) }
    }

    // MARK: Checking an untrusted one

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
        guard header.major == UInt16(SR_LAYOUT_MAJOR) else { throw KnownLayout.refusal(of: header, ring: ring) }
        guard header.checksum == Self.checksum(of: header) else {
            throw refuse(
                .damaged,
                "its header's checksum is \(hexadecimal(header.checksum)), its contents give \(hexadecimal(Self.checksum(of: header)))")
        }
        let unknown = UnknownParts(header)
        guard let kind = Kind(rawValue: header.kind), unknown.isEmpty else { throw unknown.refusal(ring: ring) }
        let hash = sr_layout_hash(kind.rawValue)
        guard header.layout_hash == hash else {
            throw refuse(
                .incompatible,
                "its layout \(hexadecimal(header.layout_hash)) is not this program's \(hexadecimal(hash)), though both say version \(SR_LAYOUT_MAJOR)"
            )
        }

        let page = UInt64(Self.pageSize)
        let shape = try SegmentShape(checking: header, of: kind, ring: ring)
        // No overflow below: each offset is checked against the size, and the size against 2^51.
        guard header.total_size == fileSize, fileSize < 1 << 51 else {
            throw refuse(.damaged, "its header says \(counted(header.total_size, "byte")), its file has \(fileSize)")
        }
        guard header.control_offset % page == 0, header.data_offset % page == 0 else {
            throw refuse(
                header.page_size == page ? .damaged : .incompatible,
                "its offsets \(header.control_offset) and \(header.data_offset) are no multiples of this machine's page size \(page); it was made with pages of \(header.page_size)"
            )
        }
        guard header.control_offset >= page, header.control_offset <= fileSize,
            header.data_offset <= fileSize, header.data_offset >= header.control_offset + UInt64(shape.controlSize),
            fileSize - header.data_offset >= UInt64(shape.dataSize)
        else {
            throw refuse(
                .damaged,
                "\(shape) with offsets \(header.control_offset) and \(header.data_offset) do not fit its \(fileSize) bytes"
            )
        }
        guard header.header_length >= UInt32(MemoryLayout<sr_header>.size), UInt64(header.header_length) <= header.control_offset else {
            throw refuse(
                .damaged,
                "its header's length is \(header.header_length), not \(MemoryLayout<sr_header>.size) to its control offset \(header.control_offset)"
            )
        }

        self.kind = kind
        minorVersion = header.minor
        self.shape = shape
        controlOffset = Int(header.control_offset)
        dataOffset = Int(header.data_offset)
        totalSize = Int(header.total_size)
        requiredFeatures = header.required_features
        createdNanoseconds = header.created_ns
        // SAFETY: reads inside fixed arrays of 16 and 64 bytes.
        instance = unsafe withUnsafeBytes(of: header.instance_id) { bytes in
            unsafe Instance(high: bytes.load(as: UInt64.self), low: bytes.load(fromByteOffset: 8, as: UInt64.self))
        }
        label = unsafe withUnsafeBytes(of: header.label) { unsafe String(ofUntrusted: $0) }
    }
}

// MARK: - What follows from it

extension SegmentHeader {
    /// In a total order, every record begins with its ticket.
    var isTotallyOrdered: Bool { requiredFeatures & UInt64(SR_FEATURE_TOTAL_ORDER) != 0 }

    /// "2.0".
    var version: String { "\(SR_LAYOUT_MAJOR).\(minorVersion)" }

    /// Where the control area ends in the file.
    var controlEnd: Int { controlOffset + shape.controlSize }

    /// Where the words of the segment's own block stand in the file.
    func segmentWord<Word>(_ field: KeyPath<sr_segment_control, Word>) -> Int {
        controlOffset + MemoryLayout<sr_segment_control>.offset(of: field)!
    }
}

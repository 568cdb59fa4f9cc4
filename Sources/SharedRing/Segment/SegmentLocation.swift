import CSharedRing

/// Where a segment is found again.
enum SegmentLocation: Sendable {
    /// A file in a directory.
    case named(SegmentName)
    /// A sealed memfd, and what to call it: the descriptor here is a duplicate, whose number its user has never seen.
    case anonymous(Descriptor, ring: String)

    var anonymousDescriptor: Descriptor? { if case .anonymous(let descriptor, _) = self { descriptor } else { nil } }

    /// For error messages.
    var ring: String {
        switch self {
        case .named(let name): name.ring
        case .anonymous(_, let ring): ring
        }
    }
}

/// A checked name, and the directory it stands in.
struct SegmentName: Sendable {
    static let longest = 200

    let directory: FileName
    let name: FileName

    /// The name for error messages.
    var ring: String { name.description }

    /// Throws `invalidName`.
    init(_ name: FileName, in directory: FileName) throws(RingError) {
        func refuse(_ why: String) -> RingError { RingError(.invalidName, ring: name.description, why) }
        let bytes = name.bytes
        guard !bytes.isEmpty else { throw refuse("a name must not be empty") }
        guard bytes.count <= Self.longest else { throw refuse("a name has at most \(Self.longest) bytes, this one has \(bytes.count)") }
        guard !bytes.contains(UInt8(ascii: "/")) else { throw refuse("a name must not contain a slash") }
        guard !bytes.contains(0) else { throw refuse("a name must not contain a NUL byte") }
        guard name != FileName("."), name != FileName("..") else { throw refuse("a name must not be '.' or '..'") }
        guard !directory.bytes.isEmpty, !directory.bytes.contains(0) else {
            throw refuse("the directory must not be empty or contain a NUL byte")
        }
        self.name = name
        self.directory = directory
    }

    /// Throws `invalidName`.
    init(_ name: String, in directory: String) throws(RingError) { try self.init(FileName(name), in: FileName(directory)) }

    /// What the ring's file is called while it is made, where it can't be made without a name.
    func temporary(for instance: SegmentHeader.Instance) -> FileName {
        FileName(bytes: Self.temporaryStart + name.bytes + Self.temporaryEnd(instance))
    }

    /// Whether it is such a name, of a file with this header: while its lock is free, its creator has died.
    func isTemporary(of header: SegmentHeader) -> Bool { isTemporary(of: header.instance) }

    func isTemporary(of instance: SegmentHeader.Instance) -> Bool {
        name.bytes.starts(with: Self.temporaryStart) && name.bytes.reversed().starts(with: Self.temporaryEnd(instance).reversed())
    }

    /// Whether a file of this name can be a temporary one at all.
    var canBeTemporary: Bool { name.bytes.starts(with: Self.temporaryStart) }

    private static let temporaryStart = Array(".".utf8)
    private static func temporaryEnd(_ instance: SegmentHeader.Instance) -> [UInt8] {
        Array(".\(String(instance.high, radix: 36))".utf8)
    }

    /// The directory, opened. Every later step goes through this descriptor, so that they all mean the same directory.
    func openDirectory() throws(RingError) -> Descriptor {
        // SAFETY: the string lives for the length of the call.
        let result = unsafe directory.withCString { unsafe sr_open_directory($0) }
        guard result >= 0 else {
            throw RingError(.system, directory: directory, errno: -result, "it can't be opened to find '\(ring)' in it")
        }
        return Descriptor(result)
    }

    /// What the name stands for now; nil: nothing.
    func facts(in directory: Descriptor) throws(RingError) -> sr_file_facts? {
        var facts = sr_file_facts()
        // SAFETY: the string and `facts` live for the length of the call.
        let result = directory.withNumber { directory in unsafe name.withCString { unsafe sr_facts_at(directory, $0, &facts) } }
        if result == -SystemFailure.notFound { return nil }
        guard result == 0 else { throw RingError(.system, ring: ring, errno: -result, "'\(self.directory)/\(name)' can't be examined") }
        return facts
    }
}

extension sr_file_facts {
    func isSameFile(as other: sr_file_facts) -> Bool { device == other.device && inode == other.inode }

    /// "a directory", for error messages.
    var kindOfFile: String {
        switch type {
        case 0o010000: "a FIFO"
        case 0o020000: "a character device"
        case 0o040000: "a directory"
        case 0o060000: "a block device"
        case 0o100000: "a regular file"
        case 0o120000: "a symbolic link"
        case 0o140000: "a socket"
        default: "a file of type \(String(type, radix: 8))"
        }
    }
}

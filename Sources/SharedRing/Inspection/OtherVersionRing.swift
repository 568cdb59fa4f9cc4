import CSharedRing

/// A ring of another layout version: this library describes it, and removes one of an older version that nobody uses.
///
/// Opening such a ring throws `incompatible`, with both versions. It is not damaged, and programs of its own version go on using it.
public struct OtherVersionRing: Sendable, CustomStringConvertible {
    /// What leads to it again, byte for byte.
    public let fileName: FileName
    /// Its layout version, as "1.0".
    public let version: String
    /// "spsc" or "mpsc"; "kind 7" if this library does not know it.
    public let kind: String
    /// Its creator's free text; nil if this library does not know where that version keeps it, or if its header's checksum does not fit.
    public let label: String?
    /// Nanoseconds since 1970; nil as ``label``.
    public let createdNanoseconds: Int64?
    /// The file's size, in bytes.
    public let byteCount: UInt64
    /// Whether somebody had a role of it when it was examined; nil if this library does not know where that version keeps its locks.
    public let isInUse: Bool?

    /// Whether ``SPSCRing/remove(_:options:)`` takes it away when nobody uses it: this library knows where its version keeps its locks.
    public var isRemovable: Bool { isInUse != nil }

    /// "a ring of layout 1.0 (spsc)".
    public var description: String { "a ring of layout \(version) (\(kind))" }

    /// Reads a ring of another version. A few system calls; takes no role and maps nothing.
    ///
    /// - Parameters:
    ///   - name: the ring's name.
    ///   - options: the directory and the allowed owners count.
    /// - Throws: `notFound` if there is no ring of another version; `notARing`, `wrongOwner`, `invalidName`, `system`.
    public init(named name: FileName, options: RingOptions = RingOptions()) throws(RingError) {
        let name = try SegmentName(name, in: options.directoryName)
        guard let found = try Segment.otherVersion(name, in: try name.openDirectory(), owners: options.allowedOwners) else {
            throw RingError(.notFound, ring: name.ring, "there is no ring of another version in '\(name.directory)'")
        }
        self.init(found, name)
    }

    private init(_ found: OtherVersion, _ name: SegmentName) {
        fileName = name.name
        version = "\(found.major).\(found.minor)"
        kind = found.kind
        label = found.details?.label
        createdNanoseconds = found.details?.createdNanoseconds
        byteCount = found.facts.size
        isInUse = found.isInUse
    }

    /// The rings of other versions in a directory, in the order of their names. What is being made at the moment is none of them. A few
    /// system calls for each of the directory's files.
    ///
    /// - Parameter options: the directory and the allowed owners count.
    /// - Throws: `system` if the directory can't be read.
    public static func all(options: RingOptions = RingOptions()) throws(RingError) -> [OtherVersionRing] {
        try Segment.fileNames(in: options.directoryName).compactMap { file -> OtherVersionRing? in
            guard let name = try? SegmentName(file, in: options.directoryName), let directory = try? name.openDirectory(),
                let found = try? Segment.otherVersion(name, in: directory, owners: options.allowedOwners)
            else { return nil }
            if let instance = found.details?.instance, name.isTemporary(of: instance) { return nil }
            return OtherVersionRing(found, name)
        }
    }
}

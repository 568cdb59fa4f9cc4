import CSharedRing

/// A ring that this library can't use and that is not damaged: of another layout version, or of this one with something that this library does
/// not know.
///
/// Such a ring has another major version; or a program of a later minor version made it, with a kind or a required feature that is unknown here; or
/// its layout hash or its page size is another. Opening it throws `incompatible` and says what it is. Programs that know it go on using it.
///
/// This library describes such a ring. It removes one if it knows where the locks of that version stand, and no process uses it.
public struct OtherVersionRing: Sendable, CustomStringConvertible {
    /// What leads to it again, byte for byte.
    public let fileName: FileName
    /// Its layout version, as "1.0".
    public let version: String
    /// Whether its major version is this library's: then it needs what this library does not know, as ``error`` says.
    public let isOfThisMajorVersion: Bool
    /// "spsc" or "mpsc"; "kind 7" if this library does not know it.
    public let kind: String
    /// Why this library can't use it: the error that opening it throws.
    public let error: RingError
    /// Its creator's free text; nil if this library does not know where that version keeps it, or if its header's checksum does not fit.
    public let label: String?
    /// Nanoseconds since 1970; nil as ``label``.
    public let createdNanoseconds: Int64?
    /// The file's size, in bytes.
    public let byteCount: UInt64
    /// Whether a process had a role of it when it was examined; nil if this library does not know where that version keeps its locks, or if the
    /// system does not say.
    public let isInUse: Bool?
    /// Whether ``SPSCRing/remove(_:options:)`` takes it away when no process uses it: this library knows where its version keeps its locks.
    public let isRemovable: Bool

    /// "a ring of layout 1.0 (spsc)".
    public var description: String { "a ring of layout \(version) (\(kind))" }

    /// Reads such a ring. A few system calls; takes no role and maps nothing.
    ///
    /// - Parameters:
    ///   - name: the ring's name.
    ///   - options: the directory and the allowed owners count.
    /// - Throws: `notFound` if there is no such ring; `notARing`, `wrongOwner`, `invalidName`, `system`.
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
        isOfThisMajorVersion = found.major == UInt16(SR_LAYOUT_MAJOR)
        kind = found.kind
        error = found.refusal
        label = found.details?.label
        createdNanoseconds = found.details?.createdNanoseconds
        byteCount = found.facts.size
        isInUse = found.isInUse
        isRemovable = found.layout != nil
    }

    /// The rings of a directory that this library can't use, in the order of their names, without damaged ones. What is being made at the moment is
    /// none of them. A few system calls for each of the directory's files.
    ///
    /// - Parameter options: the directory and the allowed owners count.
    /// - Throws: `system` if the directory can't be read.
    public static func all(options: RingOptions = RingOptions()) throws(RingError) -> [OtherVersionRing] {
        try Segment.fileNames(in: options.directoryName).compactMap { file -> OtherVersionRing? in
            guard let name = try? SegmentName(file, in: options.directoryName), let directory = try? name.openDirectory(),
                let found = try? Segment.otherVersion(name, in: directory, owners: options.allowedOwners), !found.isTemporary(name)
            else { return nil }
            return OtherVersionRing(found, name)
        }
    }
}

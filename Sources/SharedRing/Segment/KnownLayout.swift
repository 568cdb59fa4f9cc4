import CSharedRing

/// A layout version as far as this program needs it for a segment that it can't use: enough to describe one, and to remove one that no process uses.
///
/// The first 32 bytes of a header are the same in every version, so a version that is not in the table is named as well. It is not removed:
/// where its locks stand is unknown. A new major version adds the one before it as a row.
struct KnownLayout: Sendable {
    let major: UInt16
    /// The kinds of this version.
    let kinds: [UInt32: String]
    /// Offsets in the header.
    let label: Int
    let created: Int
    let instance: Int
    let checksum: Int
    /// All its lock bytes stand from here on.
    let firstLockByte: Int64

    static let all = [
        KnownLayout(
            major: 1, kinds: [1: "spsc", 2: "mpsc"], label: 128, created: 120, instance: 88, checksum: 248, firstLockByte: 1 << 62),
        current,
    ]

    /// This program's own version, for segments that a program of a later minor version made and that need what this one does not know.
    private static let current = KnownLayout(
        major: UInt16(SR_LAYOUT_MAJOR), kinds: Dictionary(uniqueKeysWithValues: SegmentHeader.Kind.allCases.map { ($0.rawValue, "\($0)") }),
        label: MemoryLayout<sr_header>.offset(of: \.label)!, created: MemoryLayout<sr_header>.offset(of: \.created_ns)!,
        instance: MemoryLayout<sr_header>.offset(of: \.instance_id)!, checksum: MemoryLayout<sr_header>.offset(of: \.checksum)!,
        firstLockByte: sr_lock_first())

    static func version(_ major: UInt16) -> KnownLayout? { all.first { $0.major == major } }

    /// What can be done with a segment of another version, beside using it with its own programs.
    static let removal = ", or, when no process uses it any more, take it away with 'sharedring remove'"

    /// The error of opening a segment of another version than this program's.
    static func refusal(of header: sr_header, ring: String) -> RingError {
        RingError(
            .incompatible, ring: ring,
            "its layout has version \(header.major).\(header.minor), this program speaks \(SR_LAYOUT_MAJOR).\(SR_LAYOUT_MINOR)",
            remedy: "use it with programs of layout \(header.major)\(version(header.major) == nil ? "" : removal)")
    }
}

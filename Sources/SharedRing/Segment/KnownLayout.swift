import CSharedRing

/// An older layout version, as far as this program knows it: enough to describe a segment of it, and to remove one that nobody uses.
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
            major: 1, kinds: [1: "spsc", 2: "mpsc"], label: 128, created: 120, instance: 88, checksum: 248, firstLockByte: 1 << 62)
    ]

    static func version(_ major: UInt16) -> KnownLayout? { all.first { $0.major == major } }

    /// The error of opening a segment of another version than this program's.
    static func refusal(of header: sr_header, ring: String) -> RingError {
        let removal = version(header.major) == nil ? "" : ", or, when nobody uses it any more, take it away with 'sharedring remove'"
        return RingError(
            .incompatible, ring: ring,
            "its layout has version \(header.major).\(header.minor), this program speaks \(SR_LAYOUT_MAJOR).\(SR_LAYOUT_MINOR)",
            remedy: "use it with programs of layout \(header.major)\(removal)")
    }
}

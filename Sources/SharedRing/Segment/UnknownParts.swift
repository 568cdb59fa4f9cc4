import CSharedRing

/// What a segment of this program's major version needs and this program does not know: a kind, features.
struct UnknownParts {
    private let kind: UInt32?
    private let features: UInt64
    private let minorVersion: UInt16

    init(_ header: sr_header) {
        kind = SegmentHeader.Kind(rawValue: header.kind) == nil ? header.kind : nil
        features = header.required_features & ~SegmentHeader.knownFeatures(of: header.kind)
        minorVersion = header.minor
    }

    var isEmpty: Bool { kind == nil && features == 0 }

    /// The error of opening it.
    func refusal(ring: String) -> RingError {
        var parts = kind.map { ["its kind is \($0)"] } ?? []
        if features != 0 { parts.append("it needs the features 0x\(String(features, radix: 16))") }
        let version = "its layout has version \(SR_LAYOUT_MAJOR).\(minorVersion), this program speaks \(SR_LAYOUT_MAJOR).\(SR_LAYOUT_MINOR)"
        return RingError(
            .incompatible, ring: ring, "\(parts.joined(separator: " and ")), which this program does not know; \(version)",
            remedy: "use it with programs that know what it needs\(KnownLayout.removal)")
    }
}

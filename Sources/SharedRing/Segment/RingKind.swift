/// What a ring is for.
@nonexhaustive
public enum RingKind: String, Sendable {
    /// One producer and one consumer: an ``SPSCRing``.
    case spsc
    /// A lane for each of several producers, and one consumer: an ``MPSCRing``.
    case mpsc
}

extension RingKind {
    /// As it stands in a header.
    var stored: SegmentHeader.Kind {
        switch self {
        case .spsc: .spsc
        case .mpsc: .mpsc
        }
    }
}

extension SegmentHeader.Kind {
    /// As programs see it.
    var kind: RingKind {
        switch self {
        case .spsc: .spsc
        case .mpsc: .mpsc
        }
    }
}

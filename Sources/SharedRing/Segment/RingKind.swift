/// What a ring is for.
@nonexhaustive
public enum RingKind: String, Sendable {
    /// One producer and one consumer: an ``SPSCRing``.
    case spsc
    /// A lane for each of several producers, and one consumer: an ``MPSCRing``.
    case mpsc
    /// One publisher, and many subscribers that each get every message: a ``BroadcastRing``.
    case broadcast
    /// No ring but entries, each with its latest value: a ``Board``.
    case board
}

extension RingKind {
    /// As it stands in a header.
    var stored: SegmentHeader.Kind {
        switch self {
        case .spsc: .spsc
        case .mpsc: .mpsc
        case .broadcast: .broadcast
        case .board: .board
        }
    }
}

extension SegmentHeader.Kind {
    /// As programs see it.
    var kind: RingKind {
        switch self {
        case .spsc: .spsc
        case .mpsc: .mpsc
        case .broadcast: .broadcast
        case .board: .board
        }
    }

    /// Whether a ring of this kind has as many lanes as its creator chose; otherwise one. Only then there may be an order between lanes, and a
    /// consumer looks for lanes in use.
    var hasManyLanes: Bool {
        switch self {
        case .spsc, .broadcast, .board: false
        case .mpsc: true
        }
    }
}

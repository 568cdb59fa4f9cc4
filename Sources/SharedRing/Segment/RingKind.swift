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
    /// No ring but slots, each for one call at a time: a ``CallService``.
    case call
}

extension RingKind {
    /// As it stands in a header.
    var stored: SegmentHeader.Kind {
        switch self {
        case .spsc: .spsc
        case .mpsc: .mpsc
        case .broadcast: .broadcast
        case .board: .board
        case .call: .call
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
        case .call: .call
        }
    }

    /// Whether a ring of this kind has as many lanes as its creator chose; otherwise one. Only then there may be an order between lanes, and a
    /// consumer looks for lanes in use.
    var hasManyLanes: Bool {
        switch self {
        case .spsc, .broadcast, .board, .call: false
        case .mpsc: true
        }
    }
}

extension SegmentHeader.Kind {
    /// Whether a bit says of each lane that a producer has attached to it, and a consumer looks only at lanes whose bit is set.
    var hasLaneBitmap: Bool {
        switch self {
        case .spsc, .mpsc: true
        case .broadcast, .board, .call: false
        }
    }

    /// Whether messages wait for a receiver that is not attached. Otherwise they wait for the receivers that hold them, if there are any.
    var keepsMessagesForLater: Bool {
        switch self {
        case .spsc, .mpsc: true
        case .broadcast, .board, .call: false
        }
    }

    /// Whether its content stays after its last process has gone in order: values, and no messages, which are read once.
    var holdsValues: Bool {
        switch self {
        case .board: true
        case .spsc, .mpsc, .broadcast, .call: false
        }
    }
}

extension SegmentHeader.Kind {
    /// "a board", in a sentence about a segment.
    var article: String {
        switch self {
        case .spsc, .mpsc: "a ring"
        case .broadcast: "a broadcast"
        case .board: "a board"
        case .call: "a segment of calls"
        }
    }
}

extension SegmentHeader {
    /// Whether messages pass through it.
    var hasLanes: Bool {
        switch kind {
        case .spsc, .mpsc, .broadcast: true
        case .board, .call: false
        }
    }
}

/// Which side has a merging consumer. One step an event, without a look at any lane, so that it is tested without threads.
///
/// The fast path knows nothing of it: it takes messages while the cursor has a budget. So a side that is not to take any finds a shut cursor there.
enum MergePhase<Cursor> {
    /// The owner has it. Its cursor is the fast path's.
    case owned
    /// A waiter thread has it. The fast path's cursor is shut; this is what it will be when the owner takes it back.
    case handedOver(Cursor)
    /// It was ended. The fast path's cursor is shut for good.
    case ended

    /// The owner hands it over, with this cursor. True: the fast path's cursor is to be shut.
    mutating func handOver(_ cursor: Cursor) -> Bool {
        guard case .owned = self else { return false }
        self = .handedOver(cursor)
        return true
    }

    /// The owner takes it back. The fast path's cursor from now on; nil: it stays as it is.
    mutating func takeBack() -> Cursor? {
        guard case .handedOver(let cursor) = self else { return nil }
        self = .owned
        return cursor
    }

    /// The side that has it moves its cursor. True: the fast path's cursor is to be this one. False: it is kept for the owner, or not at all.
    mutating func move(to cursor: Cursor) -> Bool {
        switch self {
        case .owned: return true
        case .handedOver: self = .handedOver(cursor)
        case .ended: break
        }
        return false
    }

    /// It ends. From then on nothing else happens.
    mutating func end() { self = .ended }

    var isOwned: Bool { if case .owned = self { true } else { false } }
    var isEnded: Bool { if case .ended = self { true } else { false } }

    /// The cursor of the side that has it; nil: that of the fast path.
    var kept: Cursor? { if case .handedOver(let cursor) = self { cursor } else { nil } }
}

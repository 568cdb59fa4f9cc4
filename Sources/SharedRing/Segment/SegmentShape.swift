import CSharedRing

/// What a segment has for the sake of its kind: a case for each family of kinds. A new kind adds a case, and a row to each `switch` here.
enum SegmentShape: Sendable, Equatable, CustomStringConvertible {
    /// Of SPSC and MPSC rings.
    case lanes(LanesShape)
    case broadcast(BroadcastShape)
    /// Of boards.
    case board(BoardShape)
    /// Of calls.
    case call(CallShape)

    /// The bytes of the control area.
    var controlSize: Int {
        switch self {
        case .lanes(let shape): shape.controlSize
        case .broadcast(let shape): shape.controlSize
        case .board(let shape): shape.controlSize
        case .call(let shape): shape.controlSize
        }
    }

    /// The bytes of the data.
    var dataSize: Int {
        switch self {
        case .lanes(let shape): shape.dataSize
        case .broadcast(let shape): shape.lane.dataSize
        case .board(let shape): shape.dataSize
        case .call(let shape): shape.dataSize
        }
    }

    /// All that one can be in it.
    var roles: [Role] {
        switch self {
        case .lanes(let shape): [.consumer] + shape.producers
        case .broadcast(let shape): shape.lane.producers + shape.subscribers
        case .board(let shape): shape.roles
        case .call(let shape): shape.servers + shape.callers
        }
    }

    /// "2 lanes of 4096 bytes".
    var description: String {
        switch self {
        case .lanes(let shape): shape.description
        case .broadcast(let shape): shape.description
        case .board(let shape): shape.description
        case .call(let shape): shape.description
        }
    }

    /// The words of a fresh control area that are not 0, by their offsets in it.
    func initialWords(_ options: RingOptions) -> [(offset: Int, word: UInt64)] {
        switch self {
        case .lanes(let shape): shape.initialWords(options)
        case .broadcast(let shape): shape.initialWords(options)
        case .board(let shape): shape.initialWords(options)
        case .call: []
        }
    }

    /// Where the holder information of a role stands in the control area.
    func holderOffset(of role: Role) -> Int {
        switch self {
        case .lanes(let shape): shape.holderOffset(of: role)
        case .broadcast(let shape): shape.holderOffset(of: role)
        case .board(let shape): shape.holderOffset(of: role)
        case .call(let shape): shape.holderOffset(of: role)
        }
    }

    func store(in header: inout sr_header) {
        switch self {
        case .lanes(let shape): shape.store(in: &header)
        case .broadcast(let shape): shape.store(in: &header)
        case .board(let shape): shape.store(in: &header)
        case .call(let shape): shape.store(in: &header)
        }
    }

    /// Checks the kind's part of a header. Throws `damaged` or `incompatible`. Afterwards no size overflows.
    init(checking header: sr_header, of kind: SegmentHeader.Kind, ring: String) throws(RingError) {
        switch kind {
        case .spsc, .mpsc: self = .lanes(try LanesShape(checking: header, of: kind, ring: ring))
        case .broadcast: self = .broadcast(try BroadcastShape(checking: header, ring: ring))
        case .board: self = .board(try BoardShape(checking: header, ring: ring))
        case .call: self = .call(try CallShape(checking: header, ring: ring))
        }
    }
}

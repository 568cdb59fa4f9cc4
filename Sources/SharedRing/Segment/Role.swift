import CSharedRing

/// What one may be in a ring. Each is one byte that its holder keeps locked.
enum Role: Sendable, Equatable, CustomStringConvertible {
    case consumer
    case lane(Int)
    /// A reliable subscriber of a broadcast, by its slot. (Its publisher is the producer of lane 0.)
    case subscriber(Int)
    /// Reads, and is nothing in the ring: it has no byte.
    case observer
    /// Of a board: adds entries.
    case board
    /// Of a board: writes an entry's value.
    case entry(Int)
    /// Answers calls, by its number.
    case server(Int)
    /// Makes calls, by its slot.
    case caller(Int)

    /// The offset of the lock byte, far past the end of any file.
    var lockByte: Int64 {
        switch self {
        case .consumer: sr_lock_consumer(0)
        case .lane(let lane): sr_lock_producer(UInt32(lane))
        case .subscriber(let slot): sr_lock_consumer(UInt32(slot))
        case .observer: sr_lock_first() &- 1  // never locked
        case .board: sr_lock_board()
        case .entry(let entry): sr_lock_entry(UInt32(entry))
        case .server(let server): sr_lock_server(UInt32(server))
        case .caller(let slot): sr_lock_caller(UInt32(slot))
        }
    }

    var description: String {
        switch self {
        case .consumer: "consumer"
        case .lane(0): "producer"
        case .lane(let lane): "producer of lane \(lane)"
        case .subscriber(let slot): "subscriber \(slot)"
        case .observer: "observer"
        case .board: "keeper of its keys"
        case .entry(let entry): "writer of entry \(entry)"
        case .server(0): "server"
        case .server(let server): "server \(server)"
        case .caller(let slot): "client in slot \(slot)"
        }
    }
}

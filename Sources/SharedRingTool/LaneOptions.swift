import SharedRing

/// `--lanes` and `--order`: whether a ring that is made now is for many senders, and for how many.
struct LaneOptions {
    /// How many senders at a time; nil: a ring for one.
    let count: Int?
    let order: MPSCRing.Order
    /// Whether the order was asked for.
    let hasOrder: Bool

    init(_ arguments: Arguments) throws {
        count = try arguments.count("--lanes", upTo: 1024)
        let order = try arguments.value("--order", "order: per-producer or total", MPSCRing.Order.init(word:))
        self.order = order ?? .perProducer
        hasOrder = order != nil
        if hasOrder && count == nil {
            throw ToolFailure.usage("'--order' needs '--lanes': with one sender there is only one order", of: arguments.command)
        }
    }

    /// Of each lane, in bytes.
    ///
    /// With a core for each side, 1 GiB takes the same time through any capacity from 256 KiB to 8 MiB. On a loaded machine
    /// every wait costs a turn of the scheduler, and there are the fewer the larger the ring: with a load of 5 on 2 cores,
    /// medians of 15 runs were 717 ms at 512 KiB, 527 at 1 MiB, 418 at 2, 359 at 4, 378 at 8 (`cat | cat`: 573). Many lanes
    /// cost memory for each, and have room for many messages together: they are smaller.
    var defaultCapacity: Int { count == nil ? 4 << 20 : 1 << 20 }
}

extension MPSCRing.Order {
    init?(word: String) {
        switch word {
        case "per-producer": self = .perProducer
        case "total": self = .total
        default: return nil
        }
    }

    var word: String {
        switch self {
        case .perProducer: "per-producer"
        case .total: "total"
        }
    }
}

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

import SharedRing

/// `--subscribe`, `--as` and `--from`: how to take part in a broadcast.
struct SubscribeOptions {
    let delivery: Subscriber.Delivery
    /// The name under which it comes back.
    let name: String?
    let start: Subscriber.Start
    /// Whether a broadcast was asked for, and not only found.
    let isAskedFor: Bool

    init(_ arguments: Arguments) throws {
        let delivery = try arguments.value("--subscribe", "way to subscribe: reliable, durable, soft or lossy") {
            word -> Subscriber.Delivery? in
            switch word {
            case "reliable": .reliable
            case "durable": .durable
            case "soft": .softGated
            case "lossy": .lossy
            default: nil
            }
        }
        let start = try arguments.value("--from", "place to begin: now, oldest or last:N", Subscriber.Start.init(word:))
        if start != nil, delivery == nil {
            throw ToolFailure.usage(
                "'--from' needs '--subscribe': a ring's only receiver goes on where the last one ended", of: arguments.command)
        }
        let name = try arguments.value("--as", "name of 1 to 64 bytes") { $0.isEmpty || $0.utf8.count > 64 ? nil : $0 }
        switch delivery {
        case nil where name != nil:
            throw ToolFailure.usage(
                "'--as' needs '--subscribe': a ring's only receiver goes on where the last one ended", of: arguments.command)
        case .lossy? where name != nil, .softGated? where name != nil:
            throw ToolFailure.usage(
                "a subscriber that may miss messages has no place to come back to, so '--as' needs another way to subscribe",
                of: arguments.command)
        case .durable? where name == nil:
            throw ToolFailure.usage("'--subscribe durable' needs '--as': the sender waits for a name", of: arguments.command)
        default: break
        }
        for option in ["--lanes", "--order", "--senders", "--senders-ever"] where delivery != nil && arguments.has(option) {
            throw ToolFailure.usage("'--subscribe' and '\(option)' exclude each other: a broadcast has one sender", of: arguments.command)
        }
        self.delivery = delivery ?? .reliable
        self.name = name
        self.start = start ?? .now
        isAskedFor = delivery != nil
    }
}

extension Subscriber.Start {
    fileprivate init?(word: String) {
        switch word {
        case "now": self = .now
        case "oldest": self = .oldest
        default:
            guard word.hasPrefix("last:"), let count = Int(word.dropFirst(5)), count >= 0 else { return nil }
            self = .last(count)
        }
    }
}

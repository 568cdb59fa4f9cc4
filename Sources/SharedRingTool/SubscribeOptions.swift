import SharedRing

/// `--subscribe` and `--from`: how to take part in a broadcast.
struct SubscribeOptions {
    let delivery: Subscriber.Delivery
    let start: Subscriber.Start
    /// Whether a broadcast was asked for, and not only found.
    let isAskedFor: Bool

    init(_ arguments: Arguments) throws {
        let delivery = try arguments.value("--subscribe", "way to subscribe: reliable or lossy") { word -> Subscriber.Delivery? in
            switch word {
            case "reliable": .reliable
            case "lossy": .lossy
            default: nil
            }
        }
        let start = try arguments.value("--from", "place to begin: now, oldest or last:N", Subscriber.Start.init(word:))
        if start != nil, delivery == nil {
            throw ToolFailure.usage(
                "'--from' needs '--subscribe': a ring's only receiver goes on where the last one ended", of: arguments.command)
        }
        for option in ["--lanes", "--order", "--senders", "--senders-ever"] where delivery != nil && arguments.has(option) {
            throw ToolFailure.usage("'--subscribe' and '\(option)' exclude each other: a broadcast has one sender", of: arguments.command)
        }
        self.delivery = delivery ?? .reliable
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

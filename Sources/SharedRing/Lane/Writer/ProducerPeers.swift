/// The other side of a producer.
enum ProducerPeers {
    /// The lane's one consumer, and what became of it.
    case consumer(PeerWatch)
    /// The subscribers of a broadcast.
    case subscribers(SubscriberHeads)

    /// What a producer waits for that waits for the other side.
    var what: StaticString {
        switch self {
        case .consumer: "consumer"
        case .subscribers: "subscriber"
        }
    }
}

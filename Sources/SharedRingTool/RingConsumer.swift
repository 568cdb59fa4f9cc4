import SharedRing

/// What a reception needs of a consumer, be it of one lane or of many.
protocol RingConsumer: MessageSource, ~Copyable {
    /// How many senders it has seen go away without closing. A consumer that throws for each of them counts none.
    var deaths: Int { get }
    /// An end of a sender that is to be told beside the messages. A consumer of one lane ends with each of them.
    mutating func nextEnd() -> ProducerEnd?
    var isRingPersistent: Bool { get }
    mutating func acknowledge() throws(RingError)
    mutating func removeRingIfUnused() throws(RingError) -> Bool
    consuming func close() throws(RingError)
}

extension Consumer: RingConsumer {
    var deaths: Int { 0 }

    mutating func nextEnd() -> ProducerEnd? { nil }
}

extension MergingConsumer: RingConsumer {
    var deaths: Int { ends.died }
}

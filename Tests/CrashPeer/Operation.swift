/// What a process may be in the midst of when it is killed.
enum Operation: String, CaseIterable {
    // A producer's.
    case send, claim, abandonedClaim, batch, abandonedBatch, sendToFull, waitForRoom, closeProducer, dropProducer, attachProducer
    // A consumer's.
    case receive, receiveLast, drain, acknowledge, sleep, readEnd, readDeath, noteDeath, clearTicketFloor
    case closeConsumer, dropConsumer, attachConsumer
    // On names.
    case create, openOrCreate, openExisting, remove, removeIfUnused

    enum Side { case producer, consumer, name }

    var side: Side {
        switch self {
        case .send, .claim, .abandonedClaim, .batch, .abandonedBatch, .sendToFull, .waitForRoom, .closeProducer, .dropProducer,
            .attachProducer:
            .producer
        case .receive, .receiveLast, .drain, .acknowledge, .sleep, .readEnd, .readDeath, .noteDeath, .clearTicketFloor,
            .closeConsumer, .dropConsumer, .attachConsumer:
            .consumer
        case .create, .openOrCreate, .openExisting, .remove, .removeIfUnused: .name
        }
    }

    /// The size of the message that the operation is about.
    static let size = 40
}

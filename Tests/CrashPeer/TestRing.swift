import SharedRing

/// What both kinds of consumer can.
protocol Receiving: ~Copyable, MessageSource {
    mutating func acknowledge() throws(RingError)
    consuming func close() throws(RingError)
    var endCounts: ProducerEnds? { get }
}

extension Consumer: Receiving {
    var endCounts: ProducerEnds? { nil }
}

extension MergingConsumer: Receiving {
    var endCounts: ProducerEnds? { ends }
}

/// A ring of any kind.
enum TestRing {
    case one(SPSCRing)
    case many(MPSCRing)

    enum Shape: String, CaseIterable {
        case spsc, mpsc, total

        var lanes: Int { self == .spsc ? 1 : 2 }
        /// The lane that the operation is about; the other is its neighbour's.
        var lane: Int { self == .spsc ? 0 : 1 }
    }

    static func create(_ name: String, _ shape: Shape, _ options: RingOptions) throws(RingError) -> TestRing {
        switch shape {
        case .spsc: .one(try .create(name, options: options))
        case .mpsc: .many(try .create(name, lanes: 2, options: options))
        case .total: .many(try .create(name, lanes: 2, order: .total, options: options))
        }
    }

    static func open(_ name: String, _ shape: Shape, _ options: RingOptions) throws(RingError) -> TestRing {
        shape == .spsc ? .one(try .open(name, options: options)) : .many(try .open(name, options: options))
    }

    static func openOrCreate(_ name: String, _ shape: Shape, _ options: RingOptions) throws(RingError) -> TestRing {
        switch shape {
        case .spsc: .one(try .openOrCreate(name, options: options))
        case .mpsc: .many(try .openOrCreate(name, lanes: 2, options: options))
        case .total: .many(try .openOrCreate(name, lanes: 2, order: .total, options: options))
        }
    }

    /// Never spinning: one instruction at a time, that would take for ever.
    func makeProducer(checkInterval: Duration = .seconds(60)) throws(RingError) -> Producer {
        switch self {
        case .one(let ring): try ring.makeProducer(waiting: .sleep, options: EndpointOptions(checkInterval: checkInterval))
        case .many(let ring): try ring.makeProducer(waiting: .sleep, options: EndpointOptions(checkInterval: checkInterval))
        }
    }

    func makeReceiver(checkInterval: Duration = .seconds(60)) throws(RingError) -> Receiver {
        switch self {
        case .one(let ring): .one(try ring.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: checkInterval)))
        case .many(let ring):
            .many(try ring.makeConsumer(ending: .whenAllEnded(), waiting: .sleep, options: EndpointOptions(checkInterval: checkInterval)))
        }
    }
}

/// A consumer of any kind.
enum Receiver: ~Copyable {
    case one(Consumer)
    case many(MergingConsumer)

    /// Everything that is there, and what there is to report; does not wait.
    @discardableResult
    mutating func drain() -> ReceivedMessages {
        switch consume self {
        case .one(var consumer):
            let received = ReceivedMessages(&consumer)
            self = .one(consumer)
            return received
        case .many(var consumer):
            let received = ReceivedMessages(&consumer)
            self = .many(consumer)
            return received
        }
    }

    /// The next message, which may be long in coming.
    mutating func wait(_ timeout: Duration) -> ReceivedMessages {
        switch consume self {
        case .one(var consumer):
            var received = ReceivedMessages()
            _ = received.take(&consumer, timeout: timeout)
            self = .one(consumer)
            return received
        case .many(var consumer):
            var received = ReceivedMessages()
            _ = received.take(&consumer, timeout: timeout)
            self = .many(consumer)
            return received
        }
    }

    consuming func close() throws(RingError) {
        switch consume self {
        case .one(let consumer): try consumer.close()
        case .many(let consumer): try consumer.close()
        }
    }
}

extension Receiver {
    var canceller: Canceller {
        switch self {
        case .one(let consumer): consumer.canceller
        case .many(let consumer): consumer.canceller
        }
    }
}

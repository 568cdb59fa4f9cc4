import SharedRing

extension Case {
    func openLanes(_ manyProducers: ManyProducers) throws -> (Int32, Int32) {
        let ring = try MPSCRing.anonymous(
            lanes: manyProducers.setup.lanes, order: manyProducers.setup.isTotallyOrdered ? .total : .perProducer, options: ringOptions)
        guard size <= ring.largestMessage else {
            throw Failure("a lane of \(ring.capacity) bytes takes messages of at most \(ring.largestMessage), not \(size)")
        }
        return (try ring.duplicateDescriptor(), try ring.duplicateDescriptor())
    }

    func openLanes(_ descriptor: Int32) throws -> MPSCRing { try MPSCRing.open(descriptor: descriptor) }
}

/// The consumer of a ring's lanes. It reads messages in place. (Their producers are `RingSender`s.)
struct LaneReceiver: ManyProducersReceiver, ~Copyable {
    private var consumer: MergingConsumer
    private let size: Int
    private let isTotallyOrdered: Bool

    init(_ descriptor: Int32, _ test: Case) throws {
        consumer = try test.openLanes(descriptor).makeConsumer(waiting: test.wait, options: .measured)
        size = test.size
        isTotallyOrdered = test.manyProducers?.setup.isTotallyOrdered ?? false
    }

    mutating func receive(_ count: Int, batch: Int, _ ledger: inout Ledger) throws {
        if batch == 1 {
            let (size, isTotallyOrdered) = (size, isTotallyOrdered)
            for _ in 0..<count { try receiveOne(&ledger, size, isTotallyOrdered) }
            return
        }
        var left = count
        while left > 0 { left &-= try receive(limit: min(batch, left), &ledger) }
    }

    @inline(__always)
    private mutating func receive(limit: Int, _ ledger: inout Ledger) throws -> Int {
        let (size, isTotallyOrdered) = (size, isTotallyOrdered)
        if limit > 1 {
            let count = try consumer.drain(limit: limit) { (message: borrowing Message) throws in
                try ledger.check(message, size, isTotallyOrdered)
            }
            if count > 0 { return count }
        }
        try receiveOne(&ledger, size, isTotallyOrdered)
        return 1
    }

    @inline(__always)
    private mutating func receiveOne(_ ledger: inout Ledger, _ size: Int, _ isTotallyOrdered: Bool) throws {
        guard let message = try consumer.next() else { throw Failure("the ring ended before its messages") }
        try ledger.check(message, size, isTotallyOrdered)
    }
}

/// The consumer of a ring that is made for one producer, with the same work for each message: what many lanes cost is the
/// distance to it. Its loop is spelt out again for what `ManyProducersReceiver.receive` says.
struct SingleReceiver: ManyProducersReceiver, ~Copyable {
    private var consumer: Consumer
    private let size: Int
    private let isTotallyOrdered: Bool

    init(_ descriptor: Int32, _ test: Case) throws {
        consumer = try test.openRing(descriptor).makeConsumer(waiting: test.wait, options: .measured)
        size = test.size
        isTotallyOrdered = test.manyProducers?.setup.isTotallyOrdered ?? false
    }

    mutating func receive(_ count: Int, batch: Int, _ ledger: inout Ledger) throws {
        if batch == 1 {
            let (size, isTotallyOrdered) = (size, isTotallyOrdered)
            for _ in 0..<count { try receiveOne(&ledger, size, isTotallyOrdered) }
            return
        }
        var left = count
        while left > 0 { left &-= try receive(limit: min(batch, left), &ledger) }
    }

    @inline(__always)
    private mutating func receive(limit: Int, _ ledger: inout Ledger) throws -> Int {
        let (size, isTotallyOrdered) = (size, isTotallyOrdered)
        if limit > 1 {
            let count = try consumer.drain(limit: limit) { (message: borrowing Message) throws in
                try ledger.check(message, size, isTotallyOrdered)
            }
            if count > 0 { return count }
        }
        try receiveOne(&ledger, size, isTotallyOrdered)
        return 1
    }

    @inline(__always)
    private mutating func receiveOne(_ ledger: inout Ledger, _ size: Int, _ isTotallyOrdered: Bool) throws {
        guard let message = try consumer.next() else { throw Failure("the ring ended before its messages") }
        try ledger.check(message, size, isTotallyOrdered)
    }
}

import SharedRing

extension Case {
    func openLanes(_ crowd: Crowd) throws -> (Int32, Int32) {
        var options = RingOptions(capacity: capacity)
        options.recordAlignment = alignment
        let ring = try MPSCRing.anonymous(
            lanes: crowd.lanes, order: crowd.isTotallyOrdered ? .total : .perProducer, options: options)
        guard size <= ring.largestMessage else {
            throw Failure("a lane of \(ring.capacity) bytes takes messages of at most \(ring.largestMessage), not \(size)")
        }
        return (try ring.duplicateDescriptor(), try ring.duplicateDescriptor())
    }

    /// Silent lanes need no pages.
    func attachToLanes(_ descriptor: Int32, prefault: Bool = true) throws -> MPSCRing {
        var options = RingOptions()
        options.prefault = prefault
        return try MPSCRing.open(descriptor: descriptor, options: options)
    }
}

/// The consumer of a ring's lanes. It reads messages in place. (Their producers are `RingSender`s.)
struct LaneReceiver: CrowdReceiver, ~Copyable {
    private var consumer: MergingConsumer
    private let size: Int
    private let isTotallyOrdered: Bool

    init(_ descriptor: Int32, _ test: Case) throws {
        consumer = try test.attachToLanes(descriptor).makeConsumer(waiting: test.wait)
        size = test.size
        isTotallyOrdered = test.crowd?.isTotallyOrdered ?? false
    }

    mutating func receive(_ count: Int, batch: Int, _ ledger: inout Ledger) throws {
        var left = count
        while left > 0 { left &-= try receive(limit: min(batch, left), &ledger) }
    }

    @inline(__always)
    private mutating func receive(limit: Int, _ ledger: inout Ledger) throws -> Int {
        let (size, isTotallyOrdered) = (size, isTotallyOrdered)
        if limit > 1 {
            let count = try consumer.drain(limit: limit) { (message: borrowing Message) throws in
                try Self.check(message, size, isTotallyOrdered, &ledger)
            }
            if count > 0 { return count }
        }
        guard let message = try consumer.next() else { throw Failure("the ring ended before its messages") }
        try Self.check(message, size, isTotallyOrdered, &ledger)
        return 1
    }

    @inline(__always)
    private static func check(_ message: borrowing Message, _ size: Int, _ isTotallyOrdered: Bool, _ ledger: inout Ledger) throws {
        guard message.byteCount == size else { throw Failure("a message arrived with \(message.byteCount) bytes") }
        try message.bytes.withUnsafeBytes { try ledger.check($0.baseAddress!) }
        if isTotallyOrdered { try ledger.check(ticket: message.sequence) }
    }
}

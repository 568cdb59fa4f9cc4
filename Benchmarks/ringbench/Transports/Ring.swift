import SharedRing

extension Case {
    func openRing() throws -> (Int32, Int32) {
        if let manyProducers, transport != .spsc { return try openLanes(manyProducers) }
        let ring = try SPSCRing.anonymous(options: ringOptions)
        guard size <= ring.largestMessage else {
            throw Failure("a ring of \(ring.capacity) bytes takes messages of at most \(ring.largestMessage), not \(size)")
        }
        return (try ring.duplicateDescriptor(), try ring.duplicateDescriptor())
    }

    /// Of every ring that is measured.
    var ringOptions: RingOptions {
        var options = RingOptions(capacity: capacity)
        options.recordAlignment = alignment
        options.usesHugePages = hugePages
        return options
    }

    func openRing(_ descriptor: Int32) throws -> SPSCRing { try SPSCRing.open(descriptor: descriptor) }
}

extension EndpointOptions {
    /// Of every endpoint that is measured: no page fault is part of a figure.
    static var measured: EndpointOptions { EndpointOptions(prefault: true) }
}

/// The common small sizes as constants, as in the loop of a client who knows his messages.
@inline(__always)
func withConstant(_ size: Int, _ loop: (Int) throws -> Void) rethrows {
    switch size {
    case 8: try loop(8)
    case 64: try loop(64)
    default: try loop(size)
    }
}

/// Writes messages in place, and 8-byte ones as values.
struct RingSender: MessageSender, ~Copyable {
    private var producer: Producer
    private let size: Int

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        producer =
            if test.manyProducers == nil || test.transport == .spsc {
                try test.openRing(descriptor).makeProducer(waiting: test.wait, options: .measured)
            } else {
                try test.openLanes(descriptor).makeProducer(waiting: test.wait, options: .measured)
            }
        size = test.size
    }

    mutating func send(_ first: UInt64, count: Int) throws {
        if count > 1 { return try sendBatch(first, count) }
        try sendOne(first, size: size)
    }

    mutating func sendEach(_ numbers: Range<UInt64>) throws {
        try withConstant(size) { size in
            for number in numbers { try sendOne(number, size: size) }
        }
    }

    @inline(__always)
    private mutating func sendOne(_ number: UInt64, size: Int) throws {
        if size == 8 { return try producer.send(value: number) }
        var claim = try producer.claim(byteCount: size)
        var bytes = claim.bytes
        bytes.withUnsafeMutableBytes { Payload.fill($0.baseAddress!, size, number) }
        claim.commit()
    }

    private mutating func sendBatch(_ first: UInt64, _ count: Int) throws {
        try withConstant(size) { size in
            var batch = producer.batch()
            for number in first..<first &+ UInt64(count) {
                if size == 8 {
                    try batch.append(value: number)
                } else {
                    try batch.append(byteCount: size) { bytes in
                        bytes.withUnsafeMutableBytes { Payload.fill($0.baseAddress!, size, number) }
                    }
                }
            }
            batch.commit()
        }
    }
}

/// Reads messages in place.
struct RingReceiver: MessageReceiver, ~Copyable {
    private var consumer: Consumer
    private let size: Int

    init(_ descriptor: Int32, _ test: Case, _ side: Side) throws {
        consumer = try test.openRing(descriptor).makeConsumer(waiting: test.wait, options: .measured)
        size = test.size
    }

    mutating func receive(_ first: UInt64, limit: Int) throws -> Int {
        let size = size
        var number = first
        if limit > 1 {
            let count = try consumer.drain(limit: limit) { (message: borrowing Message) throws in
                try Self.check(message, size, number)
                number &+= 1
            }
            if count > 0 { return count }
        }
        try receiveOne(number, size: size)
        return 1
    }

    mutating func receiveEach(_ numbers: Range<UInt64>) throws {
        try withConstant(size) { size in
            for number in numbers { try receiveOne(number, size: size) }
        }
    }

    @inline(__always)
    private mutating func receiveOne(_ number: UInt64, size: Int) throws {
        guard let message = try consumer.next() else { throw Failure("the stream ended before message \(number)") }
        try Self.check(message, size, number)
    }

    @inline(__always)
    private static func check(_ message: borrowing Message, _ size: Int, _ number: UInt64) throws {
        guard message.byteCount == size else { throw Failure("message \(number) arrived with \(message.byteCount) bytes") }
        try message.bytes.withUnsafeBytes { try Payload.check($0.baseAddress!, size, number) }
    }
}

import SharedRing

/// What the consumer of many producers expects: from each producer, its next number.
///
/// A message's number holds its producer in the upper bits, so that every transport is checked alike, by content.
struct Ledger: ~Copyable {
    private static let bits: UInt64 = 40

    private let expected: UnsafeMutablePointer<UInt64>
    private let producers: Int
    private let size: Int
    private var lastTicket: UInt64?

    init(_ test: Case) {
        producers = test.manyProducers?.setup.producers ?? 1
        size = test.size
        expected = .allocate(capacity: producers)
        for producer in 0..<producers { expected[producer] = Self.firstNumber(of: producer) }
    }

    deinit { expected.deallocate() }

    static func firstNumber(of producer: Int) -> UInt64 { UInt64(producer) << bits }

    /// Reads all of a message.
    @inline(__always)
    mutating func check(_ source: UnsafeRawPointer) throws {
        let number = source.loadUnaligned(as: UInt64.self)
        let producer = Int(truncatingIfNeeded: number &>> Self.bits)
        guard producer < producers, number == expected[producer] else {
            throw Failure("message \(number & (1 << Self.bits - 1)) of producer \(producer) arrived out of turn")
        }
        expected[producer] = number &+ 1
        try Payload.check(source, size, number)
    }

    @inline(__always)
    mutating func check(_ message: borrowing Message, _ size: Int, _ isTotallyOrdered: Bool) throws {
        guard message.byteCount == size else { throw Failure("a message arrived with \(message.byteCount) bytes") }
        try message.bytes.withUnsafeBytes { try check($0.baseAddress!) }
        if isTotallyOrdered { try check(ticket: message.sequence) }
    }

    /// Total order: tickets grow over all lanes.
    @inline(__always)
    private mutating func check(ticket: UInt64) throws {
        if let last = lastTicket, ticket <= last { throw Failure("ticket \(ticket) arrived after \(last)") }
        lastTicket = ticket
    }
}

/// The consumer's end of a transport with several producers.
protocol ManyProducersReceiver: ~Copyable {
    init(_ descriptor: Int32, _ test: Case) throws
    /// Receives and checks so many messages, at most `batch` a call, waiting for them.
    ///
    /// The loop is every transport's own: in a generic one Swift 6.3 calls through a table for each message.
    mutating func receive(_ count: Int, batch: Int, _ ledger: inout Ledger) throws
}

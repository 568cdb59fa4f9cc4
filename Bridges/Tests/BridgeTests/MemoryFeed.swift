import RingBridge

/// A feed in memory, which delivers as it is told. It holds every message of 1 to the last delivery, or to a given one, but for some that were removed.
final class MemoryFeed: StreamFeed {
    private var deliveries: [UInt64]
    private let end: UInt64
    private let holes: ClosedRange<UInt64>?
    /// Raised after so many requests in vain.
    var stop: (flag: StopFlag, requests: Int)?
    private var given: UInt64 = 0
    private(set) var acknowledged: UInt64 = 0

    init(deliveries: [UInt64], holes: ClosedRange<UInt64>? = nil, end: UInt64? = nil) {
        self.deliveries = deliveries
        self.holes = holes
        self.end = end ?? deliveries.max() ?? 0
    }

    func open() -> FeedPosition { FeedPosition(acknowledged: 0, delivered: 0, first: 1) }

    func next(milliseconds: Int) -> FeedMessage? {
        guard !deliveries.isEmpty else {
            stop?.requests -= 1
            if let stop, stop.requests == 0 { stop.flag.raise() }
            return nil
        }
        given = deliveries.removeFirst()
        return FeedMessage(sequence: given, tag: 0, payload: Array("\(given)".utf8))
    }

    var hasNext: Bool { !deliveries.isEmpty }

    func first() -> UInt64 { 1 }
    func last() -> UInt64 { end }

    func message(at sequence: UInt64) -> FeedMessage? {
        if sequence > end || holes?.contains(sequence) == true { return nil }
        return FeedMessage(sequence: sequence, tag: 0, payload: Array("\(sequence)".utf8))
    }

    func acknowledge() { acknowledged = given }

    var isConnected: Bool { true }
    var reconnects: Int { 0 }
    var pending: UInt64 { UInt64(deliveries.count) }
}

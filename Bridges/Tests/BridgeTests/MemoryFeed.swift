import RingBridge

/// A feed in memory, which delivers as it is told. It holds every message of 1 to the last delivery, but for some that were removed.
final class MemoryFeed: StreamFeed {
    private var deliveries: [UInt64]
    private let last: UInt64
    private let holes: ClosedRange<UInt64>
    private var given: UInt64 = 0
    private(set) var acknowledged: UInt64 = 0

    init(deliveries: [UInt64], holes: ClosedRange<UInt64>) {
        self.deliveries = deliveries
        self.holes = holes
        last = deliveries.max() ?? 0
    }

    func open() -> FeedPosition { FeedPosition(acknowledged: 0, delivered: 0, first: 1) }

    func next(milliseconds: Int) -> FeedMessage? {
        guard !deliveries.isEmpty else { return nil }
        given = deliveries.removeFirst()
        return FeedMessage(sequence: given, tag: 0, payload: Array("\(given)".utf8))
    }

    var hasNext: Bool { !deliveries.isEmpty }

    func first() -> UInt64 { 1 }

    func message(at sequence: UInt64) -> FeedMessage? {
        sequence > last || holes.contains(sequence) ? nil : FeedMessage(sequence: sequence, tag: 0, payload: Array("\(sequence)".utf8))
    }

    func acknowledge() { acknowledged = given }

    var isConnected: Bool { true }
    var reconnects: Int { 0 }
    var pending: UInt64 { UInt64(deliveries.count) }
}

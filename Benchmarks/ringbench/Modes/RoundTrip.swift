import CBench

/// A closed loop. One timestamp a round trip: the end of one is the beginning of the next.
enum RoundTrip {
    @inline(__always)
    static func measure<S: MessageSender & ~Copyable, R: MessageReceiver & ~Copyable>(
        _ numbers: Range<UInt64>, _ sender: inout S, _ receiver: inout R, into histogram: Histogram
    ) throws {
        var last = cb_ticks()
        for number in numbers {
            try sender.send(number, count: 1)
            _ = try receiver.receive(number, limit: 1)
            let now = cb_ticks()
            histogram.record(now &- last)
            last = now
        }
    }

    @inline(__always)
    static func echo<S: MessageSender & ~Copyable, R: MessageReceiver & ~Copyable>(
        _ numbers: Range<UInt64>, _ sender: inout S, _ receiver: inout R
    ) throws {
        for number in numbers {
            _ = try receiver.receive(number, limit: 1)
            try sender.send(number, count: 1)
        }
    }
}

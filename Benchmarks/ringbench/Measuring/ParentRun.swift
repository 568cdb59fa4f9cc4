import BenchReport
import CBench

/// The measuring side of one repeat: round trips, or receiving.
struct ParentRun: EndsVisitor {
    let test: Case
    let ends: Ends
    let exchange: Exchange
    let histogram: Histogram
    let ticks: Ticks

    func visit<S: MessageSender & ~Copyable, R: MessageReceiver & ~Copyable>(_: S.Type, _: R.Type) throws -> Sample {
        var receiver = try R(ends.receiving, test, .parent)
        switch test.mode {
        case .rtt:
            var sender = try S(ends.sending, test, .parent)
            return try roundTrips(&sender, &receiver)
        case .throughput: return try throughput(&receiver)
        case .rate, .burst, .idle: return try schedule(&receiver)
        case .mpsc: throw Failure("mpsc is measured by ManyProducersParent and ManyProducersPeer")
        }
    }

    private var warmUp: Range<UInt64> { 0..<UInt64(test.warmUp) }
    private var measured: Range<UInt64> { warmUp.upperBound..<warmUp.upperBound + UInt64(test.count) }

    @inline(never)
    private func roundTrips<S: MessageSender & ~Copyable, R: MessageReceiver & ~Copyable>(
        _ sender: inout S, _ receiver: inout R
    ) throws -> Sample {
        let counter = CallCounter()
        exchange.meet()
        counter.start()
        try RoundTrip.measure(warmUp, &sender, &receiver, into: histogram)
        let before = begin(counter)
        try RoundTrip.measure(measured, &sender, &receiver, into: histogram)
        return end(before)
    }

    @inline(never)
    private func throughput<R: MessageReceiver & ~Copyable>(_ receiver: inout R) throws -> Sample {
        let counter = CallCounter()
        exchange.meet()
        counter.start()
        try Throughput.receive(warmUp, batch: test.batch, &receiver)
        let before = begin(counter)
        try Throughput.receive(measured, batch: test.batch, &receiver)
        let ended = cb_ticks()
        var sample = end(before)
        sample.seconds = ticks.nanoseconds(Double(ended - exchange.page.pointee.first_due)) / 1e9
        sample.messagesPerSecond = Double(test.count) / sample.seconds
        return sample
    }

    @inline(never)
    private func schedule<R: MessageReceiver & ~Copyable>(_ receiver: inout R) throws -> Sample {
        let schedule = Schedule(test.mode)
        let counter = CallCounter()
        exchange.meet()
        counter.start()
        try schedule.receive(
            warmUp, start: exchange.page.pointee.first_due, ticksPerNanosecond: ticks.perNanosecond, &receiver, into: histogram)
        let before = begin(counter)
        try schedule.receive(
            measured, start: exchange.page.pointee.first_due, ticksPerNanosecond: ticks.perNanosecond, &receiver, into: histogram)
        return end(before)
    }

    /// What was used so far, and when.
    private func begin(_ counter: borrowing CallCounter) -> (usage: cb_usage, start: UInt64) {
        let calls = counter.stop()
        histogram.reset()
        exchange.meet()
        exchange.meet()
        var usage = Usage.now
        usage.calls = calls
        return (usage, cb_ticks())
    }

    private func end(_ before: (usage: cb_usage, start: UInt64)) -> Sample {
        let seconds = ticks.nanoseconds(Double(cb_ticks() - before.start)) / 1e9
        let mine = Usage.since(before.usage, calls: before.usage.calls)
        exchange.meet()  // the peer has written down what it used
        var usage = Usage.sum([mine, exchange.page.pointee.peer])
        if test.mode == .idle { usage.cpu_ns = mine.cpu_ns }
        // Throughput has recorded nothing.
        return Sample(
            latency: test.mode.isTimed ? .init(histogram, ticks) : nil, curve: PercentileCurve.points(histogram, ticks),
            seconds: seconds, usage: usage)
    }
}

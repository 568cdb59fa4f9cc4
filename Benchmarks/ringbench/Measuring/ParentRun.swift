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
        case .mpsc: throw Failure("mpsc is measured by CrowdParent and CrowdPeer")
        }
    }

    private var warmUp: Range<UInt64> { 0..<UInt64(test.warmUp) }
    private var measured: Range<UInt64> { warmUp.upperBound..<warmUp.upperBound + UInt64(test.count) }

    @inline(never)
    private func roundTrips<S: MessageSender & ~Copyable, R: MessageReceiver & ~Copyable>(
        _ sender: inout S, _ receiver: inout R
    ) throws -> Sample {
        exchange.meet()
        try RoundTrip.measure(warmUp, &sender, &receiver, into: histogram)
        let before = begin()
        try RoundTrip.measure(measured, &sender, &receiver, into: histogram)
        return end(before, usage())
    }

    @inline(never)
    private func throughput<R: MessageReceiver & ~Copyable>(_ receiver: inout R) throws -> Sample {
        exchange.meet()
        try Throughput.receive(warmUp, batch: test.batch, &receiver)
        let before = begin()
        try Throughput.receive(measured, batch: test.batch, &receiver)
        let ended = cb_ticks()
        var sample = end(before, usage())
        sample.latency = nil
        sample.messagesPerSecond = Double(test.count) * ticks.perNanosecond * 1e9 / Double(ended - exchange.page.pointee.first_due)
        return sample
    }

    @inline(never)
    private func schedule<R: MessageReceiver & ~Copyable>(_ receiver: inout R) throws -> Sample {
        let schedule = Schedule(test.mode)
        exchange.meet()
        try schedule.receive(
            warmUp, start: exchange.page.pointee.first_due, ticksPerNanosecond: ticks.perNanosecond, &receiver, into: histogram)
        let before = begin()
        try schedule.receive(
            measured, start: exchange.page.pointee.first_due, ticksPerNanosecond: ticks.perNanosecond, &receiver, into: histogram)
        return end(before, usage())
    }

    private func begin() -> cb_usage {
        histogram.reset()
        exchange.meet()
        exchange.meet()
        return usage()
    }

    private func usage() -> cb_usage {
        var usage = cb_usage()
        cb_usage_now(&usage)
        return usage
    }

    private func end(_ before: cb_usage, _ after: cb_usage) -> Sample {
        exchange.meet()  // the peer has written down what it used
        let peer = exchange.page.pointee.peer
        let cpu = after.cpu_ns - before.cpu_ns + (test.mode == .idle ? 0 : peer.cpu_ns)
        return Sample(
            latency: .init(histogram, ticks), messagesPerSecond: nil,
            cpuPerMessage: Double(cpu) / Double(test.count),
            involuntarySwitches: Int(after.involuntary - before.involuntary + peer.involuntary))
    }
}

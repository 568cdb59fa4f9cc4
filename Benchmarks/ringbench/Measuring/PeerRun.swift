import BenchReport
import CBench

/// The other side of one repeat: echoing, or sending.
struct PeerRun: EndsVisitor {
    let test: Case
    let ends: Ends
    let exchange: Exchange
    let ticksPerNanosecond: Double

    func visit<S: MessageSender & ~Copyable, R: MessageReceiver & ~Copyable>(_: S.Type, _: R.Type) throws {
        let warmUp = 0..<UInt64(test.warmUp)
        let measured = warmUp.upperBound..<warmUp.upperBound + UInt64(test.count)
        var sender = try S(ends.sending, test, .peer)
        let counter = CallCounter()
        switch test.mode {
        case .rtt:
            var receiver = try R(ends.receiving, test, .peer)
            exchange.meet()
            counter.start()
            try RoundTrip.echo(warmUp, &sender, &receiver)
            let before = begin(counter)
            try RoundTrip.echo(measured, &sender, &receiver)
            end(before)
        case .throughput:
            exchange.meet()
            counter.start()
            try Throughput.send(warmUp, batch: test.batch, &sender)
            let before = begin(counter)
            exchange.page.pointee.first_due = cb_ticks()
            try Throughput.send(measured, batch: test.batch, &sender)
            end(before)
        case .mpsc: throw Failure("mpsc is measured by ManyProducersParent and ManyProducersPeer")
        case .rate, .burst, .idle:
            let schedule = Schedule(test.mode)
            setStart()
            exchange.meet()
            counter.start()
            try schedule.send(
                warmUp, start: exchange.page.pointee.first_due, ticksPerNanosecond: ticksPerNanosecond, &sender)
            let before = begin(counter)
            try schedule.send(
                measured, start: exchange.page.pointee.first_due, ticksPerNanosecond: ticksPerNanosecond, &sender)
            end(before)
        }
    }

    /// The first message is due in 2 ms: both are ready by then.
    private func setStart() {
        exchange.page.pointee.first_due = cb_ticks() + UInt64(2_000_000 * ticksPerNanosecond)
    }

    /// Twice, because the parent may use the start of the warm-up until the first time.
    private func begin(_ counter: borrowing CallCounter) -> cb_usage {
        let calls = counter.stop()
        exchange.meet()
        setStart()
        exchange.meet()
        var usage = Usage.now
        usage.calls = calls
        return usage
    }

    private func end(_ before: cb_usage) {
        exchange.page.pointee.peer = Usage.since(before, calls: before.calls)
        exchange.meet()
    }
}

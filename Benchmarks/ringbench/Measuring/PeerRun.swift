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
        switch test.mode {
        case .rtt:
            var receiver = try R(ends.receiving, test, .peer)
            exchange.meet()
            try RoundTrip.echo(warmUp, &sender, &receiver)
            let before = begin()
            try RoundTrip.echo(measured, &sender, &receiver)
            end(before)
        case .throughput:
            exchange.meet()
            try Throughput.send(warmUp, batch: test.batch, &sender)
            let before = begin()
            exchange.page.pointee.first_due = cb_ticks()
            try Throughput.send(measured, batch: test.batch, &sender)
            end(before)
        case .mpsc: throw Failure("mpsc is measured by CrowdParent and CrowdPeer")
        case .rate, .burst, .idle:
            let schedule = Schedule(test.mode)
            setStart()
            exchange.meet()
            try schedule.send(
                warmUp, start: exchange.page.pointee.first_due, ticksPerNanosecond: ticksPerNanosecond, &sender)
            let before = begin()
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
    private func begin() -> cb_usage {
        exchange.meet()
        setStart()
        exchange.meet()
        var usage = cb_usage()
        cb_usage_now(&usage)
        return usage
    }

    private func end(_ before: cb_usage) {
        var after = cb_usage()
        cb_usage_now(&after)
        exchange.page.pointee.peer = cb_usage(
            cpu_ns: after.cpu_ns - before.cpu_ns, involuntary: after.involuntary - before.involuntary)
        exchange.meet()
    }
}

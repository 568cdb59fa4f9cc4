import BenchReport
import CBench
import Glibc

/// The consumer of one repeat.
struct ManyProducersConsumer {
    let test: Case
    let manyProducers: ManyProducers
    let descriptor: Int32
    let gathering: Gathering
    let ticks: Ticks

    private var producers: Range<Int> { 0..<manyProducers.setup.producers }

    func measure<R: ManyProducersReceiver & ~Copyable>(_: R.Type) throws -> Sample {
        var receiver = try R(descriptor, test)
        var ledger = Ledger(test)
        let counter = CallCounter()
        gathering.callTogether(producers)
        counter.start()
        _ = try rounds(test.warmUpOfEach, &receiver, &ledger)
        // Meetings between rounds are calls, too.
        let calls = manyProducers.setup.drainsAfter ? -1 : counter.stop()
        gathering.callTogether(producers)
        let before = Usage.now
        let seconds = try rounds(test.countOfEach, &receiver, &ledger)
        let mine = Usage.since(before, calls: calls)
        gathering.callTogether(producers)

        let count = test.countOfEach * manyProducers.setup.producers
        return Sample(
            messagesPerSecond: Double(count) / seconds, seconds: seconds,
            usage: Usage.sum([mine] + producers.map { gathering.record(of: $0).pointee.usage }))
    }

    /// Receives so many messages of each producer. Returns the seconds that are to be divided by.
    @inline(never)
    private func rounds<R: ManyProducersReceiver & ~Copyable>(_ count: Int, _ receiver: inout R, _ ledger: inout Ledger) throws -> Double {
        guard manyProducers.setup.drainsAfter else {
            try receiver.receive(count * producers.count, batch: test.batch, &ledger)
            let end = cb_ticks()
            // Producers write their start before they send.
            let start = producers.map { gathering.record(of: $0).pointee.start }.min() ?? end
            return ticks.nanoseconds(Double(end - start)) / 1e9
        }
        var total: UInt64 = 0
        for round in test.rounds(count) {
            gathering.callTogether(producers)  // they send now, and the consumer does not receive
            gathering.callTogether(producers)
            let records = producers.map { gathering.record(of: $0).pointee }
            total += records.map(\.end).max()! - records.map(\.start).min()!
            try receiver.receive(round * producers.count, batch: test.batch, &ledger)
        }
        return ticks.nanoseconds(Double(total)) / 1e9
    }
}

/// One producer of a repeat.
struct ManyProducersProducer {
    let test: Case
    let manyProducers: ManyProducers
    let number: Int
    let descriptor: Int32
    let gathering: Gathering

    func send<S: MessageSender & ~Copyable>(_: S.Type) throws {
        var next = Ledger.firstNumber(of: number)
        var sender = try S(descriptor, test, .peer)
        let counter = CallCounter()
        gathering.meet(number)
        counter.start()
        try rounds(test.warmUpOfEach, from: &next, &sender)
        let calls = counter.stop()
        gathering.meet(number)
        let before = Usage.now
        try rounds(test.countOfEach, from: &next, &sender)
        record.pointee.usage = Usage.since(before, calls: calls)
        gathering.meet(number)
    }

    private var record: UnsafeMutablePointer<Gathering.Record> { gathering.record(of: number) }

    @inline(never)
    private func rounds<S: MessageSender & ~Copyable>(_ count: Int, from next: inout UInt64, _ sender: inout S) throws {
        for round in test.rounds(count) {
            if manyProducers.setup.drainsAfter {
                gathering.meet(number)
                gathering.lineUp(manyProducers.setup.producers)
            }
            record.pointee.start = cb_ticks()
            try Throughput.send(next..<next + UInt64(round), batch: test.batch, &sender)
            record.pointee.end = cb_ticks()
            if manyProducers.setup.drainsAfter { gathering.meet(number) }
            next += UInt64(round)
        }
    }
}

extension Case {
    /// How many messages each producer sends.
    var countOfEach: Int { max(1, count / (manyProducers?.setup.producers ?? 1)) }
    var warmUpOfEach: Int { max(1, warmUp) }
    /// Of all producers.
    var warmUpCount: Int { warmUpOfEach * (manyProducers?.setup.producers ?? 1) }

    /// How many of so many messages a producer sends between two meetings: what fits while the consumer does not receive.
    func rounds(_ count: Int) -> [Int] {
        guard let manyProducers, manyProducers.setup.drainsAfter else { return [count] }
        // A lane's record has a header and perhaps a ticket. The consumer may still owe an eighth of the space.
        let record = (size + 16 + alignment - 1) / alignment * alignment
        let fitting = max(1, capacity / 4 * 3 / record)
        return (0..<(count + fitting - 1) / fitting).map { min(fitting, count - $0 * fitting) }
    }
}

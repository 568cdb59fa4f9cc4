import CBench
import Glibc
import SharedRing

/// The consumer of one repeat.
enum CrowdConsumer {
    static func measure<R: CrowdReceiver & ~Copyable>(
        _: R.Type, _ test: Case, _ crowd: Crowd, _ descriptor: Int32, _ gathering: Gathering, _ ticks: Ticks
    ) throws -> Sample {
        var receiver = try R(descriptor, test)
        var ledger = Ledger(test)
        let producers = 0..<crowd.producers
        gathering.callTogether(producers)
        try receiver.receive(test.warmUp * crowd.producers, batch: test.batch, &ledger)
        gathering.callTogether(producers)
        let before = usage()
        let count = test.countOfEach * crowd.producers
        try receiver.receive(count, batch: test.batch, &ledger)
        let ended = cb_ticks()
        let after = usage()
        gathering.callTogether(producers)

        let accounts = producers.map { gathering.account(of: $0).pointee }
        let cpu = accounts.reduce(after.cpu_ns - before.cpu_ns) { $0 + $1.usage.cpu_ns }
        let started = accounts.map(\.start).min() ?? ended
        return Sample(
            latency: nil, messagesPerSecond: Double(count) * ticks.perNanosecond * 1e9 / Double(ended - started),
            cpuPerMessage: Double(cpu) / Double(count),
            involuntarySwitches: Int(accounts.reduce(after.involuntary - before.involuntary) { $0 + $1.usage.involuntary }))
    }

    fileprivate static func usage() -> cb_usage {
        var usage = cb_usage()
        cb_usage_now(&usage)
        return usage
    }
}

/// One producer of a repeat.
enum CrowdProducer {
    static func send<S: MessageSender & ~Copyable>(
        _: S.Type, _ test: Case, _ number: Int, _ descriptor: Int32, _ gathering: Gathering
    ) throws {
        let first = Ledger.firstNumber(of: number)
        let measured = first + UInt64(test.warmUp)
        var sender = try S(descriptor, test, .peer)
        gathering.meet(number)
        try Throughput.send(first..<measured, batch: test.batch, &sender)
        gathering.meet(number)
        let before = CrowdConsumer.usage()
        let start = cb_ticks()
        try Throughput.send(measured..<measured + UInt64(test.countOfEach), batch: test.batch, &sender)
        let after = CrowdConsumer.usage()
        gathering.account(of: number).pointee = .init(
            start: start, usage: cb_usage(cpu_ns: after.cpu_ns - before.cpu_ns, involuntary: after.involuntary - before.involuntary))
        gathering.meet(number)
    }
}

/// A process of producers that send nothing.
enum CrowdBystander {
    /// Attached and silent until everything is over.
    static func beIdle(_ test: Case, _ count: Int, _ descriptor: Int32, _ gathering: Gathering, _ number: Int) throws {
        let producers = try Bystanders(test, descriptor, count)
        gathering.meet(number)
        gathering.meet(number)
        withExtendedLifetime(producers) {}
    }

    /// Stopped in the middle of a claim until it is told to continue.
    static func beStopped(_ test: Case, _ descriptor: Int32) throws {
        var producer = try test.attachToLanes(descriptor).makeProducer(waiting: test.wait)
        let size = test.size
        var claim = try producer.claim(byteCount: size)
        var bytes = claim.bytes
        bytes.withUnsafeMutableBytes { Payload.fill($0.baseAddress!, size / 2, 0) }
        raise(SIGSTOP)
    }

    /// A chain, since an array takes nothing that can't be copied.
    private final class Bystanders {
        private let producer: Producer
        private let next: Bystanders?

        init?(_ test: Case, _ descriptor: Int32, _ count: Int) throws {
            guard count > 0 else { return nil }
            producer = try test.attachToLanes(descriptor, prefault: false).makeProducer(waiting: test.wait)
            next = try Bystanders(test, descriptor, count - 1)
        }
    }
}

extension Case {
    /// How many messages each producer sends.
    var countOfEach: Int { max(1, count / (crowd?.producers ?? 1)) }
}

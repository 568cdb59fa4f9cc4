import CTestSupport
import Foundation
import SharedRing
import Synchronization

/// Many rings awaited at once in one process.
///
///     TestPeer fleet rings=100 rounds=20 idle=1000 check-interval=100 [directory=PATH] [without-waitv] [loses-waitv] [symmetric] [leave]
///
/// First all rings are awaited, and nothing happens for `idle` milliseconds; then every ring gets `rounds` messages, one at a
/// time over all rings, and its end. `leave`: ends the process before that. With a directory the rings are named 0, 1, and so
/// on. Prints what there is to know, in one line.
enum Fleet {
    static func run(_ arguments: [String]) async throws {
        func number(_ name: String, or fallback: Int) -> Int {
            arguments.first { $0.hasPrefix(name + "=") }.flatMap { Int($0.dropFirst(name.count + 1)) } ?? fallback
        }
        if arguments.contains("without-waitv"), ts_forbid(449, ENOSYS) != 0 { return say("error no seccomp") }
        let (rings, rounds) = (number("rings", or: 100), number("rounds", or: 20))
        var options = RingOptions(capacity: 4096)
        options.barrier = arguments.contains("symmetric") ? .symmetric : .automatic
        let directory = arguments.first { $0.hasPrefix("directory=") }?.dropFirst("directory=".count)
        if let directory { options.directory = String(directory) }
        let received = Count()
        let threadsBefore = threads()
        var senders: [Handover<Producer>] = []
        var tasks: [Task<Void, any Error>] = []
        var counters: [() throws -> UInt64] = []
        for index in 0..<rings {
            let ring =
                directory == nil ? try SPSCRing.anonymous(options: options) : try SPSCRing.create("\(index)", options: options)
            if directory == nil {
                let descriptor = try ring.duplicateDescriptor()
                counters.append { try WakeupSoak.statistics(of: descriptor).consumerSleeps }
            } else {
                counters.append { [options] in try RingStatistics("\(index)", options: options).consumerSleeps }
            }
            senders.append(Handover(try ring.makeProducer()))
            let box = Handover(
                try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(number("check-interval", or: 100)))))
            tasks.append(Task { try await receive(box.value.take()!, received) })
        }
        // A waiter thread counts every ring that it sleeps for. Once all are counted, nothing but these threads looks at them.
        while try counters.contains(where: { try $0() == 0 }) { try await Task.sleep(for: .milliseconds(1)) }
        let waiters = threads()
        if arguments.contains("loses-waitv"), ts_forbid(449, ENOSYS) != 0 { return say("error no seccomp") }
        // The longer one of the two outside: the machine may be busy, and this process late.
        let start = ContinuousClock.now
        let before = ts_cpu_us()
        try await Task.sleep(for: .milliseconds(number("idle", or: 0)))
        let cpu = ts_cpu_us() - before
        let idle = Int((ContinuousClock.now - start) / .microseconds(1))

        if arguments.contains("leave") { return say("leaving waiters \(waiters - threadsBefore)") }
        for round in 0..<rounds {
            for sender in senders { try await sender.value!.send(value: round) }
            if round % 4 == 0 { try await Task.sleep(for: .milliseconds(1)) }
        }
        for sender in senders { try sender.value.take()!.close() }
        for task in tasks { try await task.value }
        say("received \(received.value.load(ordering: .relaxed)) waiters \(waiters - threadsBefore) cpu_us \(cpu) idle_us \(idle)")
    }

    private static func receive(_ consumer: consuming Consumer, _ received: Count) async throws {
        var next = 0
        try await consumer.forEach { message in
            guard message.integer(as: Int.self) == next else { throw Disorder() }
            next += 1
            received.value.add(1, ordering: .relaxed)
        }
    }

    struct Disorder: Error {}

    final class Count: Sendable { let value = Atomic(0) }

    /// How many waiter threads this process has.
    private static func threads() -> Int {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        return tasks.count { (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "sharedring-wait\n" }
    }
}

/// A noncopyable value on its way into a task.
final class Handover<Value: ~Copyable>: @unchecked Sendable {
    var value: Value?

    init(_ value: consuming Value) { self.value = consume value }
}

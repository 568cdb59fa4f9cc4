import CBench
import CSharedRing
import Glibc
import SharedRing
import Synchronization

/// A server or callers in a process of their own. Callers print how many calls each of them made; a server prints 0.
enum CallPeer {
    static func serve(_ words: [String]) throws {
        guard words.count == 7, let wait = WaitStrategy(name: words[1]), let callers = Int(words[2]), let begin = Int64(words[3]),
            let milliseconds = Int64(words[4]), let cpu = Int32(words[6])
        else { throw Misuse("not for people") }
        let service = try CallService.open("calls", options: CallCounts.options(words[5]))
        if cpu >= 0 { _ = cb_pin(cpu) }
        let end = begin + milliseconds * 1_000_000
        if words[0] == "server" { return try answer(service, wait, until: end) }
        let client = try service.makeClient(slots: callers, waiting: wait, options: .measured)
        let counts = (0..<callers).map { _ in Counter() }
        if words[0] == CallCounts.Kind.tasks.rawValue {
            callInTasks(client, counts, begin, end)
        } else {
            let threads = counts.dropFirst().map { counter in CallThread { call(client, counter, begin, end) } }
            call(client, counts[0], begin, end)
            for thread in threads { thread.join() }
        }
        print(counts.map { "\($0.count.load(ordering: .relaxed))" }.joined(separator: " "))
    }

    private static func answer(_ service: CallService, _ wait: WaitStrategy, until end: Int64) throws {
        var server = try service.makeServer(waiting: wait, options: .measured)
        // A while longer than the callers, so that none waits for ever.
        while true {
            do throws(RingError) {
                let request = try server.next(timeout: .milliseconds(200))
                let bytes = request.array
                try request.reply(bytes)
            } catch {
                guard error.code == .timedOut else { throw error }
                if sr_now_ns() > end + 200_000_000 { return print("0") }
            }
        }
    }

    /// Apart from the other counters.
    final class Counter: Sendable {
        let count = Atomic(0)
        private let pad: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
        /// Only its caller adds.
        func add() { count.store(count.load(ordering: .relaxed) + 1, ordering: .relaxed) }
    }

    private static let request = [UInt8](repeating: 7, count: 48)

    private static func fail(_ error: any Error) -> Never {
        printError("\(error)")
        exit(1)
    }

    private static func call(_ client: CallClient, _ counter: Counter, _ begin: Int64, _ end: Int64) {
        while sr_now_ns() < begin { sr_sleep_ns(100_000) }
        do {
            repeat {
                guard try client.call(request).byteCount == 48 else { throw Failure("another reply") }
                counter.add()
            } while sr_now_ns() < end
        } catch {
            fail(error)
        }
    }

    private static func callInTasks(_ client: CallClient, _ counts: [Counter], _ begin: Int64, _ end: Int64) {
        let running = Running(counts.count)
        while sr_now_ns() < begin { sr_sleep_ns(100_000) }
        for counter in counts {
            Task.detached {
                do {
                    repeat {
                        guard try await client.call(request).byteCount == 48 else { throw Failure("another reply") }
                        counter.add()
                    } while sr_now_ns() < end
                } catch {
                    fail(error)
                }
                running.leave()
            }
        }
        while running.isAny { sr_sleep_ns(1_000_000) }
    }
}

/// How many tasks have not ended.
private final class Running: Sendable {
    private let count: Atomic<Int>
    init(_ count: Int) { self.count = Atomic(count) }
    func leave() { count.subtract(1, ordering: .acquiringAndReleasing) }
    var isAny: Bool { count.load(ordering: .acquiring) > 0 }
}

/// A thread that can be waited for.
final class CallThread: @unchecked Sendable {
    private var thread = pthread_t()
    private let body: () -> Void

    init(_ body: @escaping () -> Void) {
        self.body = body
        let context = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread, nil,
            { context in
                Unmanaged<CallThread>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, context)
    }

    func join() { pthread_join(thread, nil) }
}

import CSharedRing
import Glibc
import Synchronization

/// Threads that work on one ring for a quarter of a second. They outlive it only if one hangs, and then the process ends.
final class LiveThreads: Sendable {
    private static let nanoseconds: Int64 = 250_000_000
    private static let patience: Int64 = 15_000_000_000

    private let seed: UInt64
    nonisolated(unsafe) private let memory: UnsafeMutableRawPointer
    private let end = sr_now_ns() + LiveThreads.nanoseconds
    private let running = Atomic(0)

    /// - Parameters:
    ///   - seed: of all choices.
    ///   - memory: where the tallies stand.
    init(seed: UInt64, memory: UnsafeMutableRawPointer) {
        self.seed = seed
        self.memory = memory
    }

    var isOver: Bool { sr_now_ns() >= end }

    /// Starts a thread that calls the body until it is over. The parent looks at the first slot whether anything moves.
    func start(_ slot: Int, _ body: @escaping @Sendable (inout Choices, Tally) -> Void) {
        running.add(1, ordering: .relaxed)
        let run: () -> Void = { [self] in
            var choices = Choices(seed: seed &+ UInt64(slot))
            let tally = Tally(memory, slot: slot)
            while !isOver {
                body(&choices, tally)
                tally.add(.cases)
            }
            running.subtract(1, ordering: .releasing)
        }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(run as AnyObject).toOpaque()
        let created = pthread_create(
            &thread, nil,
            { context in
                (Unmanaged<AnyObject>.fromOpaque(context!).takeRetainedValue() as! () -> Void)()
                return nil
            }, context)
        precondition(created == 0, "no thread")
        pthread_detach(thread)
    }

    /// Waits until all are done; ends the process if one does not come back. `what`: whose ends they are, for people.
    func join(_ what: String) {
        while running.load(ordering: .acquiring) > 0 {
            if sr_now_ns() > end + Self.patience {
                say("FAILED: an honest end of \(what) did not come back within 15 s; seed \(seed)")
                exit(3)
            }
            sr_sleep_ns(1_000_000)
        }
    }
}

import Foundation
import Synchronization
import Testing

/// Runs the cases of suites one at a time, or a few, beside no more of the same queue.
///
/// Swift Testing runs cases on the cooperative pool, which has as many threads as the machine has cores. Many cases here block their thread, until
/// a process or a task has done something. Two such cases would hold both threads of a small machine, and a task that one of them waits for
/// would never run. A case that waits for its turn is suspended, and holds no thread.
///
/// `SR_CASE_TIMES=1` in the environment prints how long each case took once it had its turn.
public struct OneByOne: SuiteTrait, TestTrait, TestScoping {
    /// Cases of one queue do not wait for those of another. `library`, one at a time, needs the pool beside the thread that a case blocks.
    /// `processes` starts processes, mostly sleeps until they have done something, and needs no task: three at a time, on threads of their own.
    public enum Queue: String, Sendable { case library, processes }

    let queue: Queue

    public var isRecursive: Bool { true }

    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        let turns = queue == .library ? Self.library : Self.processes
        await turns.begin()
        let begin = ContinuousClock.now
        defer {
            turns.end()
            if Self.printsTimes { print("case \(ContinuousClock.now - begin) \(queue) \(test.id)") }
        }
        switch queue {
        case .library: try await function()
        case .processes: try await withTaskExecutorPreference(OwnThreads()) { try await function() }
        }
    }

    private static let printsTimes = getenv("SR_CASE_TIMES") != nil
    private static let library = Turns(1)
    private static let processes = Turns(3)
}

extension Trait where Self == OneByOne {
    /// For suites of the library.
    public static var oneByOne: Self { Self(queue: .library) }

    /// For suites that only start processes and wait for them.
    public static var fewAtATime: Self { Self(queue: .processes) }
}

/// Gives each piece of work a thread: what blocks there holds no thread of the pool.
private final class OwnThreads: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread.detachNewThread { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}

/// Whose turn it is, first come, first served.
private final class Turns: Sendable {
    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(free: count)) }

    func begin() async {
        await withCheckedContinuation { continuation in
            let isMine = state.withLock { state in
                guard state.free > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if isMine { continuation.resume() }
        }
    }

    func end() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}

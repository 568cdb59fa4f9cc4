import Synchronization
import Testing

/// Runs the cases of a suite one at a time, beside no other case of the same queue.
///
/// Swift Testing runs cases on the cooperative pool, which has as many threads as the machine has cores. Many cases here block their thread, until
/// a process or a task has done something. Two such cases would hold both threads of a small machine, and a task that one of them waits for
/// would never run. A case that waits for its turn is suspended, and holds no thread.
public struct OneByOne: SuiteTrait, TestTrait, TestScoping {
    /// The suites of a queue exclude each other. `library` needs the pool beside the thread that a case blocks; `processes` needs no task.
    public enum Queue: Sendable { case library, processes }

    let queue: Queue

    public var isRecursive: Bool { true }

    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        let turns = queue == .library ? Self.library : Self.processes
        await turns.begin()
        defer { turns.end() }
        try await function()
    }

    private static let library = Turns()
    private static let processes = Turns()
}

extension Trait where Self == OneByOne {
    /// For suites of the library.
    public static var oneByOne: Self { Self(queue: .library) }

    /// For suites that only start processes and wait for them.
    public static var processesOneByOne: Self { Self(queue: .processes) }
}

/// Whose turn it is, first come, first served.
private final class Turns: Sendable {
    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func begin() async {
        await withCheckedContinuation { continuation in
            let isMine = state.withLock { state in
                if state.isTaken {
                    state.waiting.append(continuation)
                    return false
                }
                state.isTaken = true
                return true
            }
            if isMine { continuation.resume() }
        }
    }

    func end() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}

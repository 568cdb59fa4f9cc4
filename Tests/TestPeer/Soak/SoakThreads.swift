import Foundation
import Synchronization

/// The threads of one soak, and what they came to.
final class SoakThreads: Sendable {
    private struct State {
        var working = 0
        var received = 0
        var failure: (any Error)?
    }

    private let state = Mutex(State())
    private let cancellations = Atomic(0)
    private let beside = DispatchGroup()

    /// A thread that the end waits for.
    func start(_ body: @escaping @Sendable () throws -> Int) {
        state.withLock { $0.working += 1 }
        Thread { [self] in
            let outcome = Result { try body() }
            state.withLock { state in
                state.working -= 1
                switch outcome {
                case .success(let received): state.received += received
                case .failure(let error): state.failure = error
                }
            }
        }.start()
    }

    /// A thread that goes on until the others have ended.
    func startBeside(_ body: @escaping @Sendable () -> Void) {
        beside.enter()
        Thread { [self] in
            body()
            beside.leave()
        }.start()
    }

    var isOver: Bool { state.withLock { $0.working == 0 || $0.failure != nil } }

    func noteCancelled() { cancellations.add(1, ordering: .relaxed) }

    var cancelled: Int { cancellations.load(ordering: .relaxed) }

    /// False: one of them still works, and none has failed.
    func wait(within seconds: Double) -> Bool {
        let end = Date().addingTimeInterval(seconds)
        while !isOver {
            if Date() > end { return false }
            usleep(500)
        }
        beside.wait()
        return true
    }

    /// How many messages were received, or the first failure.
    func outcome() throws -> Int {
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.received
        }
    }
}

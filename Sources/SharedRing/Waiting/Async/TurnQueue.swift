import CSharedRing
import Synchronization

/// Lets one task at a time use an endpoint that several share: first come, first served, without holding a thread.
///
/// Invariants:
/// - `word` is `free` when no task has the turn, `taken` when one has it and none waits, and `contended` when tasks may wait.
/// - A place stands in `places` exactly as long as its task waits; its `continuation` is resumed once, by the code that takes it out.
/// - `places` and the way into and out of `contended` change under the lock.
final class TurnQueue: Sendable {
    private enum Word: UInt32, AtomicRepresentable {
        case free
        case taken
        case contended
    }

    enum Outcome {
        case granted
        /// The task was cancelled.
        case cancelled
        case timedOut
    }

    /// One task's place in the queue. Its fields change under the lock.
    @safe
    private final class Place: @unchecked Sendable {
        var continuation: UnsafeContinuation<Void, Never>?
        /// Nil while the task waits, or has not come to waiting yet.
        var outcome: Outcome?
    }

    private let word = Atomic(Word.free)
    private let places = Guarded<[Place]>([])

    /// Takes the turn if no task has it. One atomic operation.
    func takeAtOnce() -> Bool {
        // SYNC: turn (pairs with `pass`): what the last holder did with the endpoint comes before.
        word.compareExchange(expected: .free, desired: .taken, successOrdering: .acquiring, failureOrdering: .relaxed).exchanged
    }

    /// Takes the turn, behind those that wait for it already.
    func take(until deadline: Deadline) async -> Outcome {
        if takeAtOnce() { return .granted }
        let place = Place()
        let timer = deadline.isNever ? nil : expire(place, at: deadline)
        await withTaskCancellationHandler {
            await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                unsafe line(up: place, continuation)
            }
        } onCancel: {
            leave(place, .cancelled)
        }
        timer?.cancel()
        // SYNC: turn (pairs with `pass`). Resuming orders the two as well; this one is ours to rely on.
        _ = word.load(ordering: .acquiring)
        return places.withLock { _ in place.outcome ?? .granted }
    }

    /// Gives the turn to the task that has waited longest, if one waits. Only the holder calls this.
    func pass() {
        // SYNC: turn (pairs with `takeAtOnce` and `take`): what this holder did comes before.
        if word.compareExchange(expected: .taken, desired: .free, successOrdering: .releasing, failureOrdering: .relaxed).exchanged {
            return
        }
        let next = unsafe places.withLock { places -> UnsafeContinuation<Void, Never>? in
            guard !places.isEmpty else {
                word.store(.free, ordering: .releasing)
                return nil
            }
            let place = places.removeFirst()
            place.outcome = .granted
            word.store(places.isEmpty ? .taken : .contended, ordering: .releasing)
            return unsafe place.continuation.take()
        }
        unsafe next?.resume()
    }

    /// How many tasks wait for their turn. For tests.
    var count: Int { places.withLock { $0.count } }

    private func line(up place: Place, _ continuation: UnsafeContinuation<Void, Never>) {
        let isDecided = places.withLock { places in
            if place.outcome != nil { return true }  // cancelled, or too late, before it came here
            // The holder may pass the turn on at any moment without the lock, as long as the word does not say `contended`.
            while true {
                if takeAtOnce() {
                    place.outcome = .granted
                    return true
                }
                // Relaxed: it hands nothing over, and says only that the lock is to be taken.
                let found = word.compareExchange(expected: .taken, desired: .contended, ordering: .relaxed)
                if found.exchanged || found.original == .contended { break }
            }
            unsafe place.continuation = continuation
            places.append(place)
            return false
        }
        if isDecided { unsafe continuation.resume() }
    }

    /// Takes a place out of the queue, unless its turn has come.
    private func leave(_ place: Place, _ outcome: Outcome) {
        let continuation = unsafe places.withLock { places -> UnsafeContinuation<Void, Never>? in
            guard place.outcome == nil else { return nil }
            place.outcome = outcome
            places.removeAll { $0 === place }
            return unsafe place.continuation.take()
        }
        unsafe continuation?.resume()
    }

    /// A task of its own sleeps until the deadline. It holds no thread.
    private func expire(_ place: Place, at deadline: Deadline) -> Task<Void, Never> {
        Task.detached {
            guard (try? await Task.sleep(nanoseconds: deadline.nanosecondsLeft)) != nil else { return }
            self.leave(place, .timedOut)
        }
    }
}

extension Deadline {
    var isNever: Bool { nanoseconds == .max }

    /// 0 if it has passed.
    var nanosecondsLeft: UInt64 {
        let (left, overflows) = nanoseconds.subtractingReportingOverflow(sr_now_ns())
        return overflows ? .max : UInt64(max(0, left))
    }

    /// The same as a timeout; nil: never.
    var remaining: Duration? { isNever ? nil : .nanoseconds(Int64(clamping: nanosecondsLeft)) }
}

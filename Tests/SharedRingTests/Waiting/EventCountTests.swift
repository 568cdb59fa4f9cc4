import CSharedRing
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

/// A word that many sleep on, in this process's memory, and how its sleepers wait.
private final class Shared: @unchecked Sendable {
    let word = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
    private let sleeps = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

    init(word value: UInt32 = 0) {
        word.initialize(to: value)
        sleeps.initialize(to: 0)
    }

    deinit {
        word.deallocate()
        sleeps.deallocate()
    }

    var value: UInt32 { sr_load_acquire_u32(word) }

    /// Nothing but a wake ends its sleep before the test's patience does.
    func sleeper(_ barrier: Sleeper.Barrier = .symmetric, _ strategy: WaitStrategy = .sleep) -> Sleeper {
        Sleeper(
            word: .eventCount(word), barrier: barrier, strategy: strategy, checkInterval: longCheckInterval.wholeNanoseconds,
            cancelFlag: CancelFlag(word: .eventCount(word), keeping: self), sleeps: sleeps, ring: "r")
    }

    /// What a waker does behind its commit.
    func wakeIfAnyoneSleeps(_ barrier: Sleeper.Barrier) {
        switch barrier {
        case .symmetric: sr_fence_full()
        case .membarrier: sr_fence_compiler()
        }
        if EventCount.isAnyoneAsleep(word) { EventCount.wake(word) }
    }
}

/// Ready once a number is reached.
private final class Numbered: Awaited, @unchecked Sendable {
    let watch: Watch
    private let number: @Sendable () -> Bool

    init(_ sleeper: Sleeper, isReady: @escaping @Sendable () -> Bool) {
        watch = Watch(sleeper)
        number = isReady
    }

    func prepareToWait() {}
    func isReady() -> Bool { number() }
    func isReadyOnCheckingPeers() -> Bool { number() }
    func handOver(saying error: RingError) {}
    func takeBack() {}
}

@Suite("An event count: many sleepers on one word", .oneByOne)
struct EventCountTests {
    @Test("A sleeper sets the lowest bit, a wake adds 1 to it, and the count wraps") func word() {
        let shared = Shared()
        #expect(!EventCount.isAnyoneAsleep(shared.word))
        #expect(EventCount.declareAsleep(shared.word) == 1)
        #expect(EventCount.declareAsleep(shared.word) == 1, "a second sleeper waits for the same value")
        #expect(EventCount.isAnyoneAsleep(shared.word))
        EventCount.wake(shared.word)
        #expect(shared.value == 2)
        #expect(EventCount.declareAsleep(shared.word) == 3)
        EventCount.wake(shared.word)
        EventCount.wake(shared.word)
        #expect(shared.value == 5, "two wakers that saw the same bit leave it set")

        let last = Shared(word: .max)
        #expect(EventCount.declareAsleep(last.word) == .max)
        EventCount.wake(last.word)
        #expect(last.value == 0)
    }

    @Test("One wake ends the sleep of all", arguments: [Sleeper.Barrier.symmetric, .membarrier]) func all(_ barrier: Sleeper.Barrier) throws
    {
        #expect(sr_membarrier_register() == 0)
        let shared = Shared(word: 41)
        let news = Turn()
        let sleepers = (0..<5).map { _ in
            Worker {
                let sleeper = shared.sleeper(barrier)
                try sleeper.wait(until: Deadline(after: patience), for: "news") {
                    news.value == 1 ? () : nil
                } checkPeers: {
                    nil
                }
            }
        }
        #expect(eventually { shared.value & 1 == 1 })
        news.set(1)
        // Of these calls, one finds the bit that the last sleeper has set. A sleeper that sets it later finds the news.
        shared.wakeIfAnyoneSleeps(barrier)
        for sleeper in sleepers { try sleeper.join() }
    }

    @Test("No wakeup is lost: two wakers, four sleepers that must see each commit", arguments: [Sleeper.Barrier.symmetric, .membarrier])
    func soak(_ barrier: Sleeper.Barrier) throws {
        #expect(sr_membarrier_register() == 0)
        let shared = Shared()
        let rounds = Int(soaking: 2_000)
        let commits = [Turn(), Turn()]
        let sleepers = (0..<4).map { number in
            Worker { () throws -> Int in
                let sleeper = shared.sleeper(barrier, number == 0 ? .adaptive : .sleep)
                var (seen, waits) = ([0, 0], 0)
                while seen != [rounds, rounds] {
                    seen = try sleeper.wait(until: Deadline(after: patience), for: "news") {
                        let now = commits.map(\.value)
                        return now == seen ? nil : now
                    } checkPeers: {
                        nil
                    }
                    waits += 1
                }
                return waits
            }
        }
        let wakers = commits.map { commit in
            Worker {
                for round in 1...rounds {
                    // Half the time every sleeper is behind, so one of them is asleep or about to be.
                    if round % 2 == 0 { #expect(eventually { shared.value & 1 == 1 || commit.value == rounds }) }
                    commit.set(round)
                    shared.wakeIfAnyoneSleeps(barrier)
                }
            }
        }
        for waker in wakers { try waker.join() }
        for sleeper in sleepers { #expect(try sleeper.join() > 1) }
    }

    @Test("A canceller ends its own sleeper's wait; the others sleep on until there is news") func cancel() throws {
        let shared = Shared()
        let news = Turn()
        let cancelled = shared.sleeper()
        let canceller = Canceller(cancelled.cancelFlag)
        let (first, second) = (Box(cancelled), Box(shared.sleeper()))
        let cancelledOne = Worker { () -> RingError.Code? in
            do throws(RingError) {
                try first.take().wait(until: Deadline(after: patience), for: "news") {
                    nil as Void?
                } checkPeers: {
                    nil
                }
                return nil
            } catch {
                return error.code
            }
        }
        let other = Worker {
            try second.take().wait(until: Deadline(after: patience), for: "news") {
                news.value == 1 ? () : nil
            } checkPeers: {
                nil
            }
        }
        #expect(eventually { shared.value & 1 == 1 })
        canceller.cancel()
        #expect(try cancelledOne.join() == .cancelled)
        #expect(eventually { shared.value & 1 == 1 }, "the other sleeps again")
        news.set(1)
        shared.wakeIfAnyoneSleeps(.symmetric)
        try other.join()
    }

    @Test("A sleeper stores nothing when its wait ends, by its deadline or by news: the bit may be another sleeper's")
    func leavesBit() throws {
        let shared = Shared(word: 6)
        // Another sleeper, behind its last look.
        let expected = EventCount.declareAsleep(shared.word)
        let sleeper = shared.sleeper()
        expectError(.timedOut) { () throws(RingError) in
            try sleeper.wait(until: Deadline(after: .milliseconds(1)), for: "news") {
                nil as Void?
            } checkPeers: {
                nil
            }
        }
        #expect(shared.value == expected)
        // The news come between its first look and the one behind its barrier.
        var looks = 0
        try sleeper.wait(until: Deadline(after: patience), for: "news") {
            looks += 1
            return looks > 1 ? () : nil
        } checkPeers: {
            nil
        }
        #expect(shared.value == expected && looks == 2)
    }

    @Test("A value that no protocol stores is slept on like any other", arguments: [UInt32.max, 0xdead_beef, 0x8000_0000])
    func anyValue(_ value: UInt32) throws {
        let shared = Shared(word: value)
        let news = Turn()
        let box = Box(shared.sleeper())
        let worker = Worker {
            try box.take().wait(until: Deadline(after: patience), for: "news") {
                news.value == 1 ? () : nil
            } checkPeers: {
                nil
            }
        }
        #expect(eventually { shared.value & 1 == 1 })
        news.set(1)
        shared.wakeIfAnyoneSleeps(.symmetric)
        try worker.join()
    }

    @Test("A waiter thread sleeps for several endpoints on one word", arguments: [Sleeper.Barrier.symmetric, .membarrier])
    func waiterThread(_ barrier: Sleeper.Barrier) async throws {
        #expect(sr_membarrier_register() == 0)
        let shared = Shared(word: 6)
        let news = Turn()
        let endpoints = (0..<3).map { _ in Numbered(shared.sleeper(barrier)) { news.value == 1 } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for endpoint in endpoints {
                group.addTask {
                    try endpoint.watch.occupy(endpoint)
                    try await endpoint.watch.ready(endpoint, until: Deadline(after: asyncPatience), "news")
                }
            }
            #expect(await eventually(within: asyncPatienceSeconds) { shared.value & 1 == 1 })
            news.set(1)
            shared.wakeIfAnyoneSleeps(barrier)
            try await group.waitForAll()
        }
    }
}

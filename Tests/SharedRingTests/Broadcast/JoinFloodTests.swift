import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// The short form. `SHAREDRING_JOINS=200000 swift test --filter JoinFloodTests` joins as often as one likes.
@Suite("Joining under a publisher that never pauses, in the smallest ring", .oneByOne)
struct JoinFloodTests {
    private static let joins = ProcessInfo.processInfo.environment["SHAREDRING_JOINS"].flatMap { Int($0) } ?? Int(soaking: 800)

    @Test("A joiner is in within a few tries, and what it then gets has no gap", arguments: BroadcastTests.barriers)
    func joins(_ barrier: RingOptions.Barrier) throws {
        var options = RingOptions(capacity: 4096)
        options.barrier = barrier
        let ring = try BroadcastRing.anonymous(subscribers: 4, options: options)
        let box = Box(try ring.makePublisher(options: EndpointOptions(checkInterval: .milliseconds(1))))
        let isOver = Turn()
        let sender = Worker { () throws -> UInt64 in
            var publisher = box.take()
            var number: UInt64 = 0
            while isOver.value == 0 {
                try publisher.send(value: number, timeout: patience)
                number += 1
            }
            return number
        }
        defer { isOver.set(1) }
        var most = 0
        for _ in 0..<Self.joins {
            var subscriber = try ring.makeSubscriber()
            most = max(most, subscriber.core.subscription!.tries)
            var expected = subscriber.sentBefore.messages
            for _ in 0..<8 {
                let number = try subscriber.next(timeout: patience)?.integer(as: UInt64.self)
                try #require(number == expected, "a gap before \(expected)")
                expected += 1
            }
            try subscriber.close()
        }
        isOver.set(1)
        #expect(try sender.join() > 0)
        // A try fails only if this thread loses the processor in it, so the bound is no matter of speed; but it may lose it again and again.
        #expect(most <= 10, "a joiner needed \(most) tries")
    }
}

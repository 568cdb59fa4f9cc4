import Foundation
import TestPeer
import Testing

/// The short form of `TestPeer wakeups`, which see. `SHAREDRING_SOAK_SECONDS` multiplies the messages.
@Suite("No wakeup is lost by any way of sending, acknowledging or cancelling", .serialized)
struct WakeupSoakTests {
    @Test("Slices of ten minutes", arguments: WakeupSoak.all) func soak(_ plan: WakeupSoak) throws {
        var plan = plan
        plan.messages = Int(500 * WakeupTests.factor)
        let tally = try plan.run(within: 40 + 2 * WakeupTests.factor)
        #expect(tally.received == plan.producers * plan.messages)
        // Or nothing was tried.
        #expect(tally.consumerSleeps > 0 && tally.producerSleeps > 0, "\(tally)")
    }
}

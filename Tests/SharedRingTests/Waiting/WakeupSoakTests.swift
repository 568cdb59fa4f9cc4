import Foundation
import TestPeer
import TestSupport
import Testing

/// The short form of `TestPeer wakeups`, which see. `SHAREDRING_SOAK_SECONDS` multiplies the messages.
@Suite("No wakeup is lost by any way of sending, acknowledging or cancelling", .oneByOne, .serialized)
struct WakeupSoakTests {
    @Test("Check intervals of ten minutes", arguments: WakeupSoak.all) func soak(_ plan: WakeupSoak) throws {
        var plan = plan
        plan.messages = Int(soaking: 200)
        // Who waits adaptively may find something every time before it would sleep, and then nothing was tried: once more.
        var tried = WakeupSoak.Tally()
        for _ in 0..<50 {
            let tally = try plan.run(within: WakeupTests.bound)
            #expect(tally.received == plan.producers * plan.messages, "\(plan)")
            tried += tally
            if tried.consumerSleeps > 0 && tried.producerSleeps > 0 { break }
            plan.seed += 1
        }
        #expect(tried.consumerSleeps > 0 && tried.producerSleeps > 0, "\(tried)")
    }
}

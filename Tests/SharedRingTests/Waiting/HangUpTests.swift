import CSharedRing
import TestSupport
import Testing

@testable import SharedRing

@Suite("A link's hang-up ends the wait of an endpoint that was not asleep yet", .oneByOne)
struct HangUpTests {
    @Test("Behind its barrier a sleeper checks on a peer that hung up before", arguments: [RingOptions.Barrier.symmetric, .automatic])
    func beforeSleep(barrier: RingOptions.Barrier) throws {
        var options = RingOptions(capacity: 4096)
        options.barrier = barrier
        let consumer = try SPSCRing.anonymous(options: options).makeConsumer(
            waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        let sleeper = consumer.core.role.sleeper
        consumer.core.role.cancelFlag.noteHangUp()  // its wake found no sleeper
        // The word is 1 behind the barrier, and 0 where the deadline has passed.
        let word = try sleeper.wait(until: Deadline(after: patience), for: "message") { () throws(RingError) -> UInt32? in
            nil
        } checkPeers: { () throws(RingError) in
            sr_load_acquire_u32(sleeper.doorbell)
        }
        #expect(word == 1)
        withExtendedLifetime(consumer) {}
    }
}

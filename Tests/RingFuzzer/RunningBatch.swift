import CSharedRing
import Glibc
import SharedRing
import Synchronization

/// Honest ends in their own threads, while an untrusted peer writes into the same memory as fast as it can.
enum RunningBatch {
    static func run(seed: UInt64, seconds: Int, memory: UnsafeMutableRawPointer) throws(RingError) {
        let end = sr_now_ns() + Int64(seconds) * 1_000_000_000
        var choices = Choices(seed: seed)
        let victims = try AttachCase.victims()
        // A quarter of a second each, so that a batch sees rings of several kinds.
        while sr_now_ns() < end {
            let victim = victims[choices.below(victims.count)]
            victim.restore(choices.below(victim.stateCount))
            try RunningCase(victim, seed: choices.word(), memory: memory).run()
        }
    }
}

/// A quarter of a second of it.
private final class RunningCase: Sendable {

    nonisolated(unsafe) private let victim: Victim
    private let threads: LiveThreads

    init(_ victim: Victim, seed: UInt64, memory: UnsafeMutableRawPointer) {
        self.victim = victim
        threads = LiveThreads(seed: seed, memory: memory)
    }

    func run() throws(RingError) {
        // Opened before the untrusted peer writes: what a damaged file is refused with is the affair of `attach`.
        if victim.isMerging {
            let ring = try victim.openMPSC()
            startUntrustedPeer()
            for slot in 1...2 {
                threads.start(slot) { [self] in
                    produce(&$0, $1) { () throws(RingError) in
                        try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(1)))
                    }
                }
            }
            threads.start(3) { [self] in merge(&$0, $1, ring) }
        } else {
            let ring = try victim.openSPSC()
            startUntrustedPeer()
            threads.start(1) { [self] in
                produce(&$0, $1) { () throws(RingError) in try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(1)))
                }
            }
            threads.start(2) { [self] in consume(&$0, $1, ring) }
        }
        threads.start(4) { [self] in lookOn(&$0, $1) }
        threads.join("a ring with \(victim.lanes) lanes")
    }

    /// It has the first slot: the parent looks there whether anything moves.
    private func startUntrustedPeer() { threads.start(0) { [self] in disturb(&$0, $1) } }

    // MARK: The untrusted peer

    /// A burst; then, mostly, a pause, or the ends would never get as far as to work.
    private func disturb(_ choices: inout Choices, _ tally: Tally) {
        let untrusted = UntrustedPeer(victim: victim, tally: tally, isVerbose: false)
        for _ in 0...choices.below(64) { untrusted.mutateQuickly(&choices) }
        if choices.once(in: 4) { victim.restore(choices.below(victim.stateCount)) }
        if choices.below(4) > 0 { sr_sleep_ns(Int64(choices.below(50_000))) }
    }

    private func lookOn(_ choices: inout Choices, _ tally: Tally) {
        guard let inspector = Inspector(victim, tally: tally, isVerbose: false, disturb: { _ in }) else {
            sr_sleep_ns(1_000_000)
            return
        }
        for _ in 0...choices.below(50) where !threads.isOver { inspector.act(&choices) }
    }

    // MARK: Honest ends

    private func seated<End: ~Copyable>(_ tally: Tally, _ make: () throws(RingError) -> End) -> End? {
        do throws(RingError) {
            let end = try make()
            tally.add(.attached)
            return end
        } catch {
            tally.add(.turnedAway)
            return nil
        }
    }

    private func produce(_ choices: inout Choices, _ tally: Tally, _ make: () throws(RingError) -> Producer) {
        guard var producer = seated(tally, make) else { return }
        let actions = Actions(tally: tally, disturb: { _ in })
        for _ in 0...choices.below(200) where !threads.isOver { actions.act(&producer, &choices) }
        guard choices.once(in: 2) else { return }
        do throws(RingError) { try producer.close() } catch { actions.failed(error) }
    }

    private func consume(_ choices: inout Choices, _ tally: Tally, _ ring: SPSCRing) {
        let acknowledgement: Acknowledgement = choices.once(in: 3) ? .manual : .automatic
        guard
            var consumer = seated(
                tally,
                { () throws(RingError) in
                    try ring.makeConsumer(acknowledgement: acknowledgement, options: EndpointOptions(checkInterval: .milliseconds(1)))
                })
        else { return }
        let actions = Actions(tally: tally, disturb: { _ in })
        for _ in 0...choices.below(200) where !threads.isOver { actions.act(&consumer, &choices) }
        guard choices.once(in: 2) else { return }
        do throws(RingError) { try consumer.close() } catch { actions.failed(error) }
    }

    private func merge(_ choices: inout Choices, _ tally: Tally, _ ring: MPSCRing) {
        let ending: MergingConsumer.Ending = choices.once(in: 2) ? .whenAllEnded() : .never
        guard
            var consumer = seated(
                tally,
                { () throws(RingError) in
                    try ring.makeConsumer(ending: ending, options: EndpointOptions(checkInterval: .milliseconds(1), budget: 16))
                })
        else { return }
        let actions = Actions(tally: tally, disturb: { _ in })
        for _ in 0...choices.below(200) where !threads.isOver { actions.act(&consumer, &choices) }
        guard choices.once(in: 2) else { return }
        do throws(RingError) { try consumer.close() } catch { actions.failed(error) }
    }
}

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
            try Skirmish(victim, seed: choices.word(), memory: memory).run()
        }
    }
}

/// A quarter of a second of it. The threads outlive it only if one hangs, and then the process ends.
private final class Skirmish: Sendable {
    private static let nanoseconds: Int64 = 250_000_000
    private static let patience: Int64 = 15_000_000_000

    nonisolated(unsafe) private let victim: Victim
    nonisolated(unsafe) private let memory: UnsafeMutableRawPointer
    private let seed: UInt64
    private let end = sr_now_ns() + Skirmish.nanoseconds
    private let running = Atomic(0)

    init(_ victim: Victim, seed: UInt64, memory: UnsafeMutableRawPointer) {
        self.victim = victim
        self.seed = seed
        self.memory = memory
    }

    private var isOver: Bool { sr_now_ns() >= end }

    func run() throws(RingError) {
        // Opened before the untrusted peer writes: what a damaged file is refused with is the affair of `attach`.
        if victim.isMerging {
            let ring = try victim.openMPSC()
            startUntrustedPeer()
            for slot in 1...2 {
                start(slot) { [self] in
                    produce(&$0, $1) { () throws(RingError) in
                        try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(1)))
                    }
                }
            }
            start(3) { [self] in merge(&$0, $1, ring) }
        } else {
            let ring = try victim.openSPSC()
            startUntrustedPeer()
            start(1) { [self] in
                produce(&$0, $1) { () throws(RingError) in try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(1)))
                }
            }
            start(2) { [self] in consume(&$0, $1, ring) }
        }
        start(4) { [self] in lookOn(&$0, $1) }
        while running.load(ordering: .acquiring) > 0 {
            if sr_now_ns() > end + Self.patience {
                say("FAILED: an honest end of a ring with \(victim.lanes) lanes did not come back within 15 s; seed \(seed)")
                exit(3)
            }
            sr_sleep_ns(1_000_000)
        }
    }

    /// It has the first slot: the parent looks there whether anything moves.
    private func startUntrustedPeer() { start(0) { [self] in disturb(&$0, $1) } }

    private func start(_ slot: Int, _ body: @escaping @Sendable (inout Choices, Tally) -> Void) {
        running.add(1, ordering: .relaxed)
        let run: () -> Void = { [self] in
            var choices = Choices(seed: seed &+ UInt64(slot))
            let tally = Tally(memory, slot: slot)
            while !isOver {
                body(&choices, tally)
                tally.add(.cases)
            }
            running.subtract(1, ordering: .releasing)
        }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(run as AnyObject).toOpaque()
        let created = pthread_create(
            &thread, nil,
            { context in
                (Unmanaged<AnyObject>.fromOpaque(context!).takeRetainedValue() as! () -> Void)()
                return nil
            }, context)
        precondition(created == 0, "no thread")
        pthread_detach(thread)
    }

    // MARK: The untrusted peer

    /// A burst; then, mostly, a pause, or the ends would never get as far as to work.
    private func disturb(_ choices: inout Choices, _ tally: Tally) {
        let untrusted = UntrustedPeer(victim: victim, tally: tally, isVerbose: false)
        for _ in 0...choices.below(64) { untrusted.mutateQuickly(&choices) }
        if choices.once(in: 4) { victim.restore(choices.below(victim.stateCount)) }
        if choices.below(4) > 0 { sr_sleep_ns(Int64(choices.below(50_000))) }
    }

    private func lookOn(_ choices: inout Choices, _ tally: Tally) {
        guard let onlooker = Onlooker(victim, tally: tally, isVerbose: false, disturb: { _ in }) else {
            sr_sleep_ns(1_000_000)
            return
        }
        for _ in 0...choices.below(50) where !isOver { onlooker.act(&choices) }
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
        for _ in 0...choices.below(200) where !isOver { actions.act(&producer, &choices) }
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
        for _ in 0...choices.below(200) where !isOver { actions.act(&consumer, &choices) }
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
        for _ in 0...choices.below(200) where !isOver { actions.act(&consumer, &choices) }
        guard choices.once(in: 2) else { return }
        do throws(RingError) { try consumer.close() } catch { actions.failed(error) }
    }
}

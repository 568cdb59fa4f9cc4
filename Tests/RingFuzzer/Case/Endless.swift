import CSharedRing
import Glibc
import SharedRing

/// A lane full of records without an end, left by a process that is gone. A consumer must find that no producer can have written them.
///
/// A crash is the verdict if it does not: the batch, and the coverage-guided fuzzer, report the case.
struct Endless {
    /// Laps of the lane that a consumer may take before it finds out. A lane without checkpoints takes one more than another.
    private static let mostLaps = 3

    let victim: Victim
    let isVerbose: Bool

    /// Puts the ring into a state, fills one lane, and receives until the lane is poisoned.
    func run(_ choices: inout Choices) {
        victim.restore(choices.below(victim.stateCount))
        let lane = choices.below(victim.lanes)
        fill(lane, &choices)
        do throws(RingError) {
            let options = EndpointOptions(checkInterval: .milliseconds(100))
            let acknowledgement: Acknowledgement = choices.once(in: 3) ? .manual : .automatic
            if victim.isMerging {
                var consumer = try victim.openMPSC().makeConsumer(acknowledgement: acknowledgement, options: options)
                receive(from: &consumer, lane, &choices) { (consumer) throws(RingError) in
                    guard case .message(let message) = try consumer.poll() else { return nil }
                    return message.lane
                }
            } else {
                var consumer = try victim.openSPSC().makeConsumer(acknowledgement: acknowledgement, options: options)
                receive(from: &consumer, lane, &choices) { (consumer) throws(RingError) in
                    guard case .message(let message) = try consumer.poll() else { return nil }
                    return message.lane
                }
            }
        } catch {
            fatalError("a consumer of a lane full of records: \(error)")
        }
    }

    /// A small record at every place. The words are those of the state, or of producers that keep no checkpoints.
    private func fill(_ lane: Int, _ choices: inout Choices) {
        let present = UInt64(SR_RECORD_PRESENT)
        // A ticket of a total order counts as bytes of the record.
        let header = present | UInt64(victim.isTotallyOrdered ? 8 : choices.below(victim.alignment))
        let words = victim.lane(lane)
        if choices.once(in: 2) { sr_store_release_u64(sr_checkpoint_turn(words), 0) }
        if choices.once(in: 3) { sr_store_release_u32(sr_producer_epoch(words), 0) }
        victim.control.pointee.lanes_used.0 |= 1 << UInt64(lane)
        if isVerbose {
            say("  lane \(lane): header 0x\(String(header, radix: 16)) without an end, checkpoint \(words.pointee.checkpoint_turn)")
        }
        for offset in stride(from: 0, to: victim.capacity, by: victim.alignment) {
            victim.data(lane).storeBytes(of: header, toByteOffset: offset, as: UInt64.self)
        }
    }

    private func receive<Source: MessageSource & ~Copyable>(
        from source: inout Source, _ lane: Int, _ choices: inout Choices, poll: (inout Source) throws(RingError) -> Int?
    ) {
        let most = Self.mostLaps * victim.capacity / victim.alignment
        let way = choices.below(4)
        var count = 0
        // Ends of earlier streams, and deaths, come first.
        var vain = 0
        while vain < 64 {
            do throws(RingError) {
                var found: Int?
                switch way {
                case 0: if let message = try source.next(timeout: .zero) { found = message.lane }
                case 1: found = try poll(&source)
                case 2: if let message = source.nextIfAvailable() { found = message.lane } else { found = try poll(&source) }
                default:
                    var taken = 0
                    source.drain { if $0.lane == lane { taken += 1 } }
                    if taken > 0 {
                        count += taken - 1
                        found = lane
                    } else {
                        found = try poll(&source)
                    }
                }
                if found == lane { count += 1 }
                if found == nil { vain += 1 }
            } catch {
                if error.code == .poisoned { return }
                vain += 1
            }
            if count > most { fatalError("lane \(lane) goes on after \(count) records, and its producers are gone") }
        }
        // In a total order a message may wait for smaller tickets; that is no end, but it is not received for ever either.
        if !victim.isTotallyOrdered { fatalError("lane \(lane) ends after \(count) records and is not poisoned") }
    }
}

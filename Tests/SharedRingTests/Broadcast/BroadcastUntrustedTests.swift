import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

private let quick = EndpointOptions(checkInterval: .milliseconds(10))

@Suite("Whatever an untrusted peer writes into a broadcast: typed errors, no trap, no hang", .oneByOne)
struct BroadcastUntrustedTests {
    private let ring: BroadcastRing

    init() throws { ring = try BroadcastRing.anonymous(subscribers: 4, options: RingOptions(capacity: 4096)) }

    private func control(_ publisher: borrowing Producer) -> UnsafeMutablePointer<sr_broadcast_control> {
        publisher.core.attachment.broadcast
    }

    /// The newest checkpoint's words.
    private func newest(_ control: UnsafeMutablePointer<sr_broadcast_control>) -> UnsafeMutablePointer<UInt64> {
        let turn = sr_load_acquire_u64(sr_broadcast_turn(control))
        return UnsafeMutableRawPointer(control).advanced(by: 512 + Int(turn % 16) * 32).assumingMemoryBound(to: UInt64.self)
    }

    @Test("Any head in any slot: it holds nothing back, or no longer than a check interval") func heads() throws {
        var publisher = try ring.makePublisher(options: quick)
        let control = control(publisher)
        var random = SystemRandomNumberGenerator()
        sr_store_release_u64(sr_slots_used(control, 0), .max)
        for round in 0..<2_000 {
            let tail = publisher.writer.pointee.tail
            let heads: [UInt64] = [
                1, 7, tail &+ 8, tail &- 4104, tail &- 4096, tail &- 8, tail, .max &- 7, .max, random.next(), random.next() & ~7,
                tail &- UInt64(round % 5000),
            ]
            sr_store_release_u64(sr_subscriber_head(sr_subscriber(control, UInt32(round % 4))), heads[round % heads.count])
            for _ in 0..<(round % 7) { try publisher.send([UInt8](repeating: 1, count: round % 900), timeout: patience) }
            try #require(publisher.checkInvariants() == nil)
        }
    }

    @Test("Any bits of slots, any event count, any epochs and counts of who has joined") func otherWords() throws {
        var publisher = try ring.makePublisher(options: quick)
        var subscriber = try ring.makeSubscriber(options: quick)
        let control = control(publisher)
        var random = SystemRandomNumberGenerator()
        for round in 0..<500 {
            for word: UInt32 in [0, 64, 128, 192] { sr_store_release_u64(sr_slots_used(control, word), random.next() | 1) }
            sr_store_release_u32(sr_broadcast_events(control), UInt32.random(in: 0 ... .max))
            for slot in 1..<UInt32(4) {
                sr_store_release_u32(sr_subscriber_epoch(sr_subscriber(control, slot)), UInt32.random(in: 0 ... .max))
                sr_store_release_u32(sr_subscriber_joined(sr_subscriber(control, slot)), UInt32.random(in: 0 ... .max))
            }
            try publisher.send("\(round)", timeout: patience)
            #expect(try subscriber.next(timeout: patience)?.text == "\(round)")
        }
        expectError(.timedOut) { () throws(RingError) in try publisher.waitForSubscribers(4, timeout: .milliseconds(30)) }
    }

    @Test("A checkpoint that no publisher publishes poisons whoever begins by it", arguments: [0, 1])
    func checkpoints(which: Int) throws {
        var publisher = try ring.makePublisher(options: quick)
        var lossy = try ring.makeSubscriber(.lossy, options: quick)
        try publisher.send("one")
        let words = newest(control(publisher))
        if which == 0 { words[0] ^= 2 } else { words[3] = (words[0] & ~1) &+ 4104 }
        for delivery in [Subscriber.Delivery.reliable, .lossy] {
            expectError(.poisoned, saying: "checkpoint") { () throws(RingError) in _ = try ring.makeSubscriber(delivery) }
        }
        expectError(.poisoned, saying: "checkpoint") { () throws(RingError) in _ = try lossy.next(timeout: patience) }
        try publisher.close()
        // The close has published a sound one.
        _ = try ring.makePublisher()
        let attachment = try ring.makePublisher().core.attachment
        withExtendedLifetime(attachment) {
            let words = newest(attachment.broadcast)
            if which == 0 { words[0] ^= 2 } else { words[3] = (words[0] & ~1) &+ 4104 }
        }
        expectError(.poisoned, saying: "checkpoint") { () throws(RingError) in _ = try ring.makePublisher() }
    }

    @Test("A turn that never holds still keeps nobody for ever") func restlessTurn() throws {
        let publisher = try ring.makePublisher(options: quick)
        var lossy = try ring.makeSubscriber(.lossy, options: quick)
        let turn = UInt(bitPattern: sr_broadcast_turn(control(publisher)))
        let isOver = Turn()
        let storm = Worker {
            var value: UInt64 = 0
            while isOver.value == 0 {
                sr_store_release_u64(UnsafeMutablePointer<UInt64>(bitPattern: turn)!, value)
                value &+= 0x1234_5678_9abc_def1
            }
        }
        for _ in 0..<200 {
            do throws(RingError) { _ = try lossy.next(timeout: .milliseconds(1)) == nil } catch {}
        }
        for _ in 0..<3 { _ = try? ring.makeSubscriber(.reliable, timeout: .milliseconds(20)) }
        isOver.set(1)
        try storm.join()
        withExtendedLifetime(publisher) {}
    }

    @Test("Records that no publisher writes poison each kind of subscriber", arguments: [Subscriber.Delivery.reliable, .lossy])
    func records(_ delivery: Subscriber.Delivery) throws {
        let present = UInt64(SR_RECORD_PRESENT)
        for bits in [5, 5 << 32, present | 4073, present | 0x7fff_fffe, 0x6f6c_6c65_6821_2121] as [UInt64] {
            var publisher = try ring.makePublisher(options: quick)
            var subscriber = try ring.makeSubscriber(delivery, options: quick)
            try publisher.send("good")
            let place = publisher.writer.pointee.cursor
            sr_store_release_u64(place, bits)
            #expect(try subscriber.next(timeout: patience)?.text == "good")
            expectError(.poisoned, saying: "record header") { () throws(RingError) in _ = try subscriber.next(timeout: patience) }
            sr_store_release_u64(place, 0)
        }
    }

    @Test("A lane full of records that no publisher can have written comes to an end", arguments: [Subscriber.Delivery.reliable, .lossy])
    func endless(_ delivery: Subscriber.Delivery) throws {
        let publisher = try ring.makePublisher(options: quick)
        var subscriber = try ring.makeSubscriber(delivery, options: quick)
        let data = publisher.writer.pointee.data
        for offset in stride(from: 0, to: 4096, by: 16) { sr_store_release_u64(data + offset, RecordHeader(byteCount: 8, tag: 0).bits) }
        var received = 0
        expectError(.poisoned) { () throws(RingError) in
            while received < 100_000, try subscriber.next(timeout: patience) != nil { received += 1 }
        }
        #expect(received < 2_000)
        withExtendedLifetime(publisher) {}
    }

    @Test("What is forged of a lossy subscriber's past is poisoned, and not counted") func forgedCounts() throws {
        var publisher = try ring.makePublisher(options: quick)
        var lossy = try ring.makeSubscriber(.lossy, options: quick)
        for i in 0..<2_000 { try publisher.send(value: UInt64(i)) }
        newest(control(publisher))[1] = 1 << 40
        expectError(.poisoned, saying: "can't be counted") { () throws(RingError) in _ = try lossy.next(timeout: patience) }
        #expect(lossy.missed.messages < 3_000)
    }
}

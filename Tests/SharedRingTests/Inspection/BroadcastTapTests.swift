import Foundation
import TestPeer
import TestSupport
import Testing

@testable import SharedRing

/// What a case sends: message number n is known by its number alone.
private struct NumberedStream: Sendable {
    let seed: UInt64

    func size(_ number: UInt32) -> Int {
        var random = SplitMix(seed: seed &+ UInt64(number))
        let drawn = random.next()
        // Most are small, and some are larger than what the publisher's write limit usually reaches ahead.
        return 4 + Int(drawn >> 8 % (drawn % 16 == 0 ? 1200 : 90))
    }

    func bytes(_ number: UInt32) -> [UInt8] {
        withUnsafeBytes(of: number) { Array($0) } + [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: size(number) - 4)
    }

    func send(_ numbers: Range<UInt32>, through publisher: inout Producer) throws {
        for number in numbers { try publisher.send(bytes(number), timeout: patience) }
    }
}

@Suite("A tap of a broadcast shows each message, or counts it as missed", .oneByOne)
struct BroadcastTapTests {
    let place = Place()

    /// What a tap has said of a stream until now, and whether each word of it was true.
    private struct Account {
        let stream: NumberedStream
        /// The number of the next message; nil: where the tap began is not known yet.
        var next: UInt32?
        var shown = 0
        var missed = 0

        /// Takes in what one look found. How much that was.
        mutating func look(_ tap: inout RingTap) throws -> Int {
            let events = try tap.poll()
            for event in events {
                switch event {
                case .message(let message):
                    let number = message.bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
                    #expect(number == next ?? number, "seed \(stream.seed)")
                    #expect(message.bytes == stream.bytes(number), "seed \(stream.seed), message \(number)")
                    next = number + 1
                    shown += 1
                case .missed(let miss):
                    let count = UInt32(try #require(miss.messages))
                    // Before the first message that it shows, what it missed is known from where it began only.
                    guard let first = next else { continue }
                    let bytes = (first..<first + count).reduce(0) { $0 + stream.size($1) }
                    #expect(miss.messageBytes == UInt64(bytes), "seed \(stream.seed), \(count) from \(first)")
                    next = first + count
                    missed += Int(count)
                case .ended: break
                case .damaged(let damage): Issue.record("seed \(stream.seed): \(damage)")
                }
            }
            return events.count
        }
    }

    /// The publisher waits for no tap: it is polled now and then, in the middle of sending, so that much is written over before. The publisher is there
    /// before the tap or comes after it, or the tap comes while it sends; and some publishers have successors.
    @Test("What is shown and what is missed is together what was sent, message by message", arguments: 0..<60)
    func sums(seed: Int) throws {
        var random = SplitMix(seed: UInt64(seed))
        let stream = NumberedStream(seed: random.next())
        let name = "sums-\(seed)"
        var options = place.options(capacity: 4096 << (seed % 3))
        options.firstPosition = seed % 4 == 0 ? UInt64.max - 8191 : 0
        let ring = try BroadcastRing.create(name, subscribers: 2, options: options)
        defer { try? BroadcastRing.remove(name, options: options) }

        // So many messages were sent before the tap comes, at least.
        let early = seed % 3 == 0 ? 0 : UInt32(random.next() % 300)
        let total = early + 1 + UInt32(random.next() % 4000)
        let first: Box<Producer>?
        if seed % 3 == 0 {
            first = nil
        } else {
            var publisher = try ring.makePublisher()
            try stream.send(0..<early, through: &publisher)
            first = Box(publisher)
        }
        func startSending() -> Worker<Void> {
            Worker {
                var random = SplitMix(seed: stream.seed)
                var publisher: Producer
                if let first { publisher = first.take() } else { publisher = try ring.makePublisher() }
                var sent = early
                while sent < total {
                    let end = min(total, sent + 1 + UInt32(random.next() % 1500))
                    try stream.send(sent..<end, through: &publisher)
                    sent = end
                    if sent < total, random.next() % 2 == 0 {
                        try publisher.close()
                        publisher = try ring.makePublisher()
                    }
                }
                try publisher.close()
            }
        }

        let isMidStream = seed % 5 == 0
        let beginsAtTail = seed % 2 == 0
        let beginning = isMidStream ? startSending() : nil
        var tap = try RingTap(name, from: beginsAtTail ? .tail : .head, options: options)
        var account = Account(stream: stream)
        if !isMidStream {
            if beginsAtTail || early == 0 { account.next = early }
            // Nothing is sent meanwhile: all that is there is shown, to the last.
            while try account.look(&tap) > 0 {}
            #expect(account.missed == 0 && account.next == early, "seed \(seed)")
            #expect((account.shown == 0) == (beginsAtTail || early == 0), "seed \(seed)")
        }
        let sender = beginning ?? startSending()
        for _ in 0..<random.next() % 20 {
            _ = try account.look(&tap)
            usleep(UInt32(random.next() % 300))
        }
        try sender.join()
        while try account.look(&tap) > 0 {}
        #expect(account.next ?? total == total, "seed \(seed)")
    }

    @Test("A tap that can't keep up misses much, and still counts all of it") func overtaken() throws {
        let stream = NumberedStream(seed: 1)
        let options = place.options()
        let ring = try BroadcastRing.create("r", subscribers: 1, options: options)
        var tap = try RingTap("r", options: options)
        var publisher = try ring.makePublisher()
        var account = Account(stream: stream, next: 0)
        var sent: UInt32 = 0
        for count in [1, 10, 1000, 3, 500, 100] as [UInt32] {
            try stream.send(sent..<sent + count, through: &publisher)
            sent += count
            while try account.look(&tap) > 0 {}
            #expect(account.next == sent)
        }
        // No more than a capacity of each lap can be shown.
        #expect(account.missed > 1000 && account.shown > 0 && account.shown + account.missed == Int(sent))
        try publisher.close()
    }
}

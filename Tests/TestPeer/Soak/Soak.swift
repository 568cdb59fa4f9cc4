import CSharedRing
import Foundation
import SharedRing

/// Sending and receiving with random pauses, for races between "I sleep" and "I stored something".
public enum Soak {
    public struct Mismatch: Error {
        public let index: Int
        public init(index: Int) { self.index = index }
    }

    /// A pause around the length of the races looked for: mostly nothing, sometimes a yield, rarely long enough for the
    /// other side to fall asleep.
    static func pause(_ random: inout SplitMix) {
        let bits = random.next()
        switch bits & 63 {
        case 0: usleep(UInt32((bits >> 8) % 120))
        case 1...8: sched_yield()
        case 9...30: for _ in 0..<((bits >> 8) % 400) { sr_pause() }
        default: break
        }
    }

    public static func send(_ producer: consuming Producer, count: Int, seed: UInt64, largest: Int) throws {
        var pattern = Pattern(seed: seed, largest: largest)
        var random = SplitMix(seed: seed ^ 0xa)
        var remaining = count
        while remaining > 0 {
            if random.next() & 15 == 0 {
                var batch = producer.batch()
                for _ in 0..<min(remaining, 5) {
                    pattern.advance()
                    try pattern.withBytes { (bytes) throws(RingError) in try batch.append(bytes.bytes, tag: pattern.tag) }
                    remaining -= 1
                }
                batch.commit()
            } else {
                pattern.advance()
                try pattern.withBytes { (bytes) throws(RingError) in try producer.send(bytes, tag: pattern.tag) }
                remaining -= 1
            }
            pause(&random)
        }
        try producer.close()
    }

    /// Receives to the end of the stream; returns how many came.
    public static func receive(_ consumer: consuming Consumer, seed: UInt64, largest: Int) throws -> Int {
        var pattern = Pattern(seed: seed, largest: largest)
        var random = SplitMix(seed: seed ^ 0xb)
        var count = 0
        while let message = try consumer.next() {
            pattern.advance()
            guard pattern.matches(message) else { throw Mismatch(index: count) }
            count += 1
            pause(&random)
        }
        try consumer.close()
        return count
    }
}

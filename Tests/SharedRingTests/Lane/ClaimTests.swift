import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A claim is written in place, and exists only when committed", .oneByOne)
struct ClaimTests {
    @Test("Commit whole, shorter, and to nothing") func commit() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            for count in [16, 9, 8, 1, 0] {
                var claim = try producer.claim(byteCount: 16)
                #expect(claim.byteCount == 16)
                var bytes = claim.bytes
                for i in 0..<16 { bytes.storeBytes(of: UInt8(i), toByteOffset: i, as: UInt8.self) }
                try claim.commit(byteCount: count, tag: UInt32(count))
                guard let message = try consumer.next(timeout: .zero) else { return }
                #expect(message.array == (0..<count).map { UInt8($0) })
                #expect(message.tag == UInt32(count))
            }
            var claim = try producer.claim(byteCount: 2)
            var bytes = claim.bytes
            bytes.storeBytes(of: 0x4141, as: UInt16.self)
            claim.commit(tag: 3)
            #expect(try consumer.pollText() == "AA")
        }
    }

    @Test("Committing a negative count or more than was claimed throws and sends nothing") func wrongCounts() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            for count in [-1, 17, .min, .max] {
                expectError(.messageTooLarge, saying: "\(count)", "16") { () throws(RingError) in
                    let claim = try producer.claim(byteCount: 16)
                    try claim.commit(byteCount: count)
                }
            }
            #expect(try consumer.pollText() == "(empty)")
            try producer.send("still fine")
            #expect(try consumer.pollText() == "still fine")
        }
    }

    /// Payloads of all ones look like headers, should a stale one be read as such.
    private func fill(_ producer: inout Producer, _ consumer: inout Consumer) throws {
        for _ in 0..<8 {
            while try producer.trySend([UInt8](repeating: 0xff, count: 56)) {}
            consumer.drain { _ in }
        }
    }

    @Test("A dropped claim leaves no trace, whatever was written into it") func dropped() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            try fill(&producer, &consumer)
            for size in [0, 8, 100, producer.largestMessage] {
                let tail = producer.writer.pointee.tail
                do {
                    var claim = try producer.claim(byteCount: size)
                    var bytes = claim.bytes
                    for i in 0..<size { bytes.storeBytes(of: 0xff, toByteOffset: i, as: UInt8.self) }
                }
                #expect(producer.writer.pointee.tail == tail)
                #expect(try consumer.pollText() == "(empty)")
                try producer.send("next")
                #expect(try consumer.pollText() == "next")
                #expect(try consumer.pollText() == "(empty)")
            }
        }
    }

    @Test("A claim committed shorter leaves nothing of its rest to be read") func shortened() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            try fill(&producer, &consumer)
            for count in [0, 1, 8, 9, 200] {
                var claim = try producer.claim(byteCount: 400)
                var bytes = claim.bytes
                for i in 0..<400 { bytes.storeBytes(of: 0xff, toByteOffset: i, as: UInt8.self) }
                try claim.commit(byteCount: count)
                #expect(consumer.drain { _ in } == 1)
                #expect(try consumer.pollText() == "(empty)")
            }
        }
    }

    @Test("tryClaim is nil when the ring is full, and claim waits no longer than its timeout") func full() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            while try producer.trySend(value: UInt64(0)) {}
            if let claim = try producer.tryClaim(byteCount: 1) {
                Issue.record("a full ring had room")
                claim.commit()
            }
            expectError(.timedOut, saying: "room") { () throws(RingError) in _ = try producer.claim(byteCount: 1, timeout: .milliseconds(2))
            }
            consumer.drain { _ in }
            if let claim = try producer.tryClaim(byteCount: producer.largestMessage) { claim.commit() } else { Issue.record("no room") }
        }
    }
}

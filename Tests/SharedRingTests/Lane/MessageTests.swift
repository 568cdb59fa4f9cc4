import CSharedRing
import Foundation
import TestPeer
import TestSupport
import Testing

@testable import SharedRing

@Suite("What is sent is received: every size, alignment and position", .oneByOne)
struct MessageTests {
    static let alignments = [8, 16, 32, 64, 128]

    @Test("Sizes around the header's, and the largest; one byte more is refused", arguments: alignments) func sizes(alignment: Int) throws {
        var options = RingOptions(capacity: 4096)
        options.recordAlignment = alignment
        try SPSCRing.withEndpoints(options) { producer, consumer in
            let largest = producer.largestMessage
            #expect(largest == 4096 - 8 - 2 * alignment)
            for size in [0, 1, 7, 8, 9, 15, 16, 17, alignment - 8, alignment - 7, largest - 1, largest, 0, largest] {
                let sent = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ size) }
                try producer.send(sent, tag: UInt32(size), timeout: .zero)
                guard let message = try consumer.next(timeout: .zero) else { return }
                #expect(message.tag == UInt32(size))
                #expect(message.lane == 0)
                #expect(message.array == sent)
            }
            let bytes = [UInt8](repeating: 0, count: largest + 1)
            expectError(.messageTooLarge, saying: "\(largest + 1)", "\(largest)") { () throws(RingError) in try producer.send(bytes) }
            expectError(.messageTooLarge) { () throws(RingError) in _ = try producer.trySend(bytes) }
            expectError(.messageTooLarge) { () throws(RingError) in _ = try producer.claim(byteCount: largest + 1) }
            expectError(.messageTooLarge) { () throws(RingError) in _ = try producer.tryClaim(byteCount: .max) }
            expectError(.messageTooLarge) { () throws(RingError) in _ = try producer.claim(byteCount: -1) }
            expectError(.messageTooLarge) { () throws(RingError) in _ = try producer.tryClaim(byteCount: .min) }
            let state = try consumer.pollText()
            #expect(state == "(empty)", "a refused message leaves nothing")
        }
    }

    @Test("Every overload sends the same bytes") func overloads() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            let bytes: [UInt8] = [1, 2, 3]
            try producer.send(bytes)
            try producer.send(bytes.span)
            try producer.send(bytes.span.bytes)
            try bytes.withUnsafeBytes { try producer.send($0) }
            var sent = try producer.trySend(bytes)
            sent = try producer.trySend(bytes.span) && sent
            sent = try producer.trySend(bytes.span.bytes) && sent
            sent = try bytes.withUnsafeBytes { try producer.trySend($0) } && sent
            #expect(sent)
            var count = 0
            consumer.drain { message in count += message.array == bytes ? 1 : 0 }
            #expect(count == 8)

            try producer.send("größer", tag: 9)
            #expect(try consumer.pollText() == "größer")
            try producer.send(value: UInt32(0xdead_beef))
            _ = try producer.trySend(value: SIMD4<Float>(1, 2, 3, 4))
            if let message = try consumer.next() {
                #expect(message.integer(as: UInt32.self) == 0xdead_beef)
                #expect(message.integer(as: UInt64.self) == nil)
            }
            if let message = try consumer.next() { #expect(message.value(as: SIMD4<Float>.self) == [1, 2, 3, 4]) }
            try producer.send([UInt8]())
            try producer.send(UnsafeRawBufferPointer(start: nil, count: 0))
            consumer.drain { message in #expect(message.byteCount == 0) }
        }
    }

    private struct Point: AnyBytes, Equatable {
        var x: Double
        var y: Int32
        var z: UInt16
        var padding: UInt16 = 0
    }

    @Test("A value of any type comes back, from any address; of another size it is nil, and never a trap") func values() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            func passes<Value: AnyBytes & Equatable>(_ value: Value) throws {
                try producer.send(value: value)
                guard let message = try consumer.next() else {
                    Issue.record("no message")
                    return
                }
                let (safe, other) = (message.value(as: Value.self), message.unsafeValue(as: Value.self))
                #expect(safe == value && other == value)
            }
            for offset in 0..<3 {
                try producer.send(value: UInt64(offset))  // so that the others stand at odd multiples of 8
                consumer.drain { _ in }
                try passes(Int8(-3))
                try passes(UInt16(9))
                try passes(Int.min)
                try passes(UInt128.max)
                try passes(1.5)
                try passes(Float(2.5))
                try passes(Point(x: 1, y: 2, z: 3))
            }
            let numbers: InlineArray<3, UInt16> = [1, 2, 3]
            try producer.send(value: numbers)
            if let message = try consumer.next() {
                #expect(message.value(as: InlineArray<3, UInt16>.self)?[2] == 3)
                #expect(OwnedMessage(message).value(as: InlineArray<3, UInt16>.self)?[1] == 2)
                #expect(message.value(as: InlineArray<2, UInt16>.self) == nil)
            }
            for count in [0, 1, 7, 9, 15, 17, 4000] {
                try producer.send([UInt8](repeating: 0xff, count: count))
                if let message = try consumer.next() {
                    #expect(message.value(as: Int.self) == nil && message.value(as: Point.self) == nil)
                    #expect(message.value(as: SIMD2<Double>.self) == nil)
                    #expect(message.unsafeValue(as: Int.self) == nil && message.unsafeValue(as: Point.self) == nil)
                    #expect(OwnedMessage(message).value(as: Int.self) == nil)
                    #expect(OwnedMessage(message).value(as: SIMD2<Double>.self) == nil)
                }
            }
        }
    }

    @Test("Millions of bytes through 4 KiB, over every offset", arguments: alignments) func wrap(alignment: Int) throws {
        var options = RingOptions(capacity: 4096)
        options.recordAlignment = alignment
        try SPSCRing.withEndpoints(options) { producer, consumer in
            var sending = Pattern(seed: UInt64(alignment), largest: producer.largestMessage)
            var receiving = sending
            var (sent, received, bytes, mismatches) = (0, 0, 0, 0)
            var offsets = Set<UInt64>()
            sending.advance()
            while bytes < 2_000_000 {
                while try sending.withBytes({ (b) throws(RingError) in try producer.trySend(b, tag: sending.tag) }) {
                    sending.advance()
                    sent += 1
                }
                try #require(sent > received, "an empty ring has room for any message")
                received += consumer.drain(limit: 1 + sent % 7) { message in
                    receiving.advance()
                    if !receiving.matches(message) { mismatches += 1 }
                    bytes += message.byteCount
                    offsets.insert(message.sequence % 4096)
                }
            }
            #expect(mismatches == 0)
            #expect(offsets.count == 4096 / alignment, "a record has started at every offset")
        }
    }

    @Test(
        "Positions may start anywhere: near 2^32, 2^63 and 2^64 nothing changes",
        arguments: [1 << 32, 1 << 63, 0, 1 << 31] as [UInt64], [4096, 8, 2048] as [UInt64])
    func positions(boundary: UInt64, before: UInt64) throws {
        var options = RingOptions(capacity: 4096)
        options.firstPosition = boundary &- before
        let ring = try SPSCRing.anonymous(options: options)
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        var sending = Pattern(seed: before, largest: 1000)
        var receiving = sending
        var mismatches = 0
        for _ in 0..<20 {
            // A new producer each time: its walk crosses the boundary too.
            var producer = try ring.makeProducer()
            if producer.freeBytes < 1000 { #expect(Bool(false), "the ring was emptied") }
            sending.advance()
            while try sending.withBytes({ (b) throws(RingError) in try producer.trySend(b, tag: sending.tag) }) { sending.advance() }
            let refused = sending
            try producer.close()
            let again = try ring.makeProducer()
            try again.close()
            consumer.drain { message in
                receiving.advance()
                if !receiving.matches(message) { mismatches += 1 }
            }
            #expect(try consumer.pollText() == "(ended)")
            #expect(try consumer.next(timeout: patience) == nil, "the second close, whose mark was left out")
            // The message that did not fit is sent first next time.
            var producer2 = try ring.makeProducer()
            try refused.withBytes { (b) throws(RingError) in try producer2.send(b, tag: refused.tag, timeout: .zero) }
            consumer.drain { message in
                receiving.advance()
                if !receiving.matches(message) { mismatches += 1 }
            }
            try producer2.close()
            #expect(try consumer.pollText() == "(ended)")
        }
        #expect(mismatches == 0)
    }

    @Test("Order and tags are the sender's") func order() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            var last: UInt64?
            for i in 0..<UInt64(1000) {
                try producer.send(value: i, tag: UInt32.max - UInt32(i), timeout: .zero)
                if i % 50 != 49 { continue }
                var expected = i - 49
                consumer.drain { message in
                    #expect(message.integer(as: UInt64.self) == expected)
                    #expect(message.tag == UInt32.max - UInt32(expected))
                    if let last { #expect(message.sequence > last) }
                    last = message.sequence
                    expected += 1
                }
                #expect(expected == i + 1)
            }
        }
    }
}

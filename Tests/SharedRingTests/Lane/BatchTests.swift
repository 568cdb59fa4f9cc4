import CSharedRing
import Foundation
import TestPeer
import TestSupport
import Testing

@testable import SharedRing

extension Consumer {
    /// The next message, as "tag:text".
    fileprivate mutating func receiveTagged() throws -> String? {
        guard let message = nextIfAvailable() else { return nil }
        return "\(message.tag):\(message.text)"
    }
}

@Suite("A batch becomes visible at once, or not at all", .oneByOne)
struct BatchTests {
    @Test("Nothing is visible before commit, everything in order after") func commit() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            for count in [1, 2, 3, 50] {
                var batch = producer.batch()
                for i in 0..<count { try batch.append(value: UInt64(i), tag: UInt32(i)) }
                #expect(batch.count == count)
                #expect(try consumer.pollText() == "(empty)")
                batch.commit()
                var next: UInt64 = 0
                let drained = consumer.drain { message in
                    #expect(message.integer(as: UInt64.self) == next && UInt64(message.tag) == next)
                    next += 1
                }
                #expect(drained == count)
            }
        }
    }

    @Test("A dropped batch and an empty one leave no trace") func dropped() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            for _ in 0..<100 {
                do {
                    var batch = producer.batch()
                    for _ in 0..<7 { try batch.append([UInt8](repeating: 0xff, count: 33)) }
                }
                producer.batch().commit()
                #expect(try consumer.pollText() == "(empty)")
                try producer.send("next")
                #expect(try consumer.pollText() == "next")
                #expect(try consumer.pollText() == "(empty)")
            }
        }
    }

    @Test("flush sends what there is; the rest may still be dropped") func flush() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            do {
                var batch = producer.batch()
                batch.flush()
                try batch.append(Array("a".utf8))
                try batch.append(Array("b".utf8))
                batch.flush()
                #expect(batch.count == 0)
                #expect(try consumer.pollText() == "a")
                try batch.append(Array("c".utf8))
                #expect(batch.count == 1)
            }
            #expect(try consumer.pollText() == "b")
            #expect(try consumer.pollText() == "(empty)")
        }
    }

    @Test("tryAppend is false when the ring is full, and keeps what the batch has") func full() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            var batch = producer.batch()
            let bytes = [UInt8](repeating: 1, count: 8)
            var count = 0
            while try batch.tryAppend(bytes.span.bytes) { count += 1 }
            #expect(count == 255)
            #expect(batch.count == 255)
            #expect(try consumer.pollText() == "(empty)")
            batch.commit()
            #expect(consumer.drain { _ in } == 255)
        }
    }

    @Test("A batch that overflows commits what it has before it waits; a timeout loses only the message that did not fit")
    func overflowTimeout() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            var batch = producer.batch()
            var appended = 0
            do throws(RingError) {
                while true {
                    try batch.append(value: UInt64(appended), timeout: .zero)
                    appended += 1
                }
            } catch {
                #expect(error.code == .timedOut)
            }
            #expect(appended == 255)
            #expect(batch.count == 0)
            #expect(consumer.drain { _ in } == 255)
            try batch.append(value: UInt64(0), timeout: .zero)
            batch.commit()
            #expect(consumer.drain { _ in } == 1)
        }
    }

    @Test("Messages written in place stand between others, and impossible sizes are refused before the body is called") func inPlace()
        async throws
    {
        try SPSCRing.withEndpoints { producer, consumer in
            var batch = producer.batch()
            try batch.append(Array("a".utf8))
            try batch.append(byteCount: 3, tag: 7) { bytes in
                for index in 0..<3 { bytes.storeBytes(of: 98, toByteOffset: index, as: UInt8.self) }
            }
            var calls = 0
            for size in [-1, Int.min, 4096 - 23, .max] {
                expectError(.messageTooLarge, saying: "\(size) bytes") { () throws(RingError) in
                    try batch.append(byteCount: size) { _ in calls += 1 }
                }
                expectError(.messageTooLarge) { () throws(RingError) in _ = try batch.tryAppend(byteCount: size) { _ in calls += 1 } }
            }
            #expect(calls == 0 && batch.count == 2)
            let isAppended = try batch.tryAppend(byteCount: 0) { bytes in calls += bytes.byteCount + 1 }
            #expect(isAppended && calls == 1)
            batch.commit()
            #expect(try consumer.pollText() == "a")
            let second = try consumer.receiveTagged()
            #expect(second == "7:bbb")
            #expect(try consumer.pollText() == "")
            #expect(try consumer.pollText() == "(empty)")
        }
    }

    @Test("A message too large for any ring is refused and the batch goes on") func tooLarge() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            let large = [UInt8](repeating: 0, count: producer.largestMessage + 1)
            var batch = producer.batch()
            try batch.append(Array("a".utf8))
            do throws(RingError) {
                try batch.append(large)
                Issue.record("accepted")
            } catch {
                #expect(error.code == .messageTooLarge)
            }
            #expect(batch.count == 1)
            try batch.append(Array("b".utf8))
            batch.commit()
            #expect(try consumer.pollText() == "a")
            #expect(try consumer.pollText() == "b")
        }
    }

    @Test("A batch many times the ring's size goes through to a consumer in another thread") func larger() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let box = Box(try ring.makeProducer(options: EndpointOptions(checkInterval: .seconds(600))))
        let worker = Worker {
            var producer = box.take()
            var pattern = Pattern(seed: 5, largest: 3000)
            var batch = producer.batch()
            for _ in 0..<2000 {
                pattern.advance()
                try pattern.withBytes { (bytes) throws(RingError) in try batch.append(bytes.bytes, tag: pattern.tag) }
            }
            batch.commit()
            try producer.close()
        }
        var consumer = try ring.makeConsumer()
        var pattern = Pattern(seed: 5, largest: 3000)
        var (count, mismatches) = (0, 0)
        while let message = try consumer.next(timeout: patience) {
            pattern.advance()
            if !pattern.matches(message) { mismatches += 1 }
            count += 1
        }
        try worker.join()
        #expect(count == 2000)
        #expect(mismatches == 0)
    }
}

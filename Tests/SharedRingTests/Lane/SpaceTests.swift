import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A full ring refuses or waits, and room comes back when messages are acknowledged", .oneByOne)
struct SpaceTests {
    @Test("A full ring: trySend is false and changes nothing; after a receive there is room") func full() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            var sent = 0
            while try producer.trySend(value: UInt64(sent)) { sent += 1 }
            // 16 bytes each, one alignment for the terminator and one for the end.
            #expect(sent == (4096 - 16) / 16)
            for _ in 0..<10 { #expect(try !producer.trySend(value: UInt64(0))) }
            expectError(.timedOut, saying: "room") { () throws(RingError) in try producer.send(value: UInt64(0), timeout: .zero) }
            expectError(.timedOut) { () throws(RingError) in try producer.send(value: UInt64(0), timeout: .milliseconds(5)) }
            var received: UInt64 = 0
            let count = consumer.drain { message in
                #expect(message.integer(as: UInt64.self) == received)
                received += 1
            }
            #expect(count == sent)
            #expect(try producer.trySend(value: UInt64(7)))
        }
    }

    @Test("freeBytes is exactly what fits, down to none", arguments: [8, 16, 128]) func freeBytes(alignment: Int) throws {
        var options = RingOptions(capacity: 4096)
        options.recordAlignment = alignment
        try SPSCRing.withEndpoints(options) { producer, consumer in
            #expect(producer.freeBytes == producer.largestMessage)
            var random = SystemRandomNumberGenerator()
            for _ in 0..<300 {
                let free = producer.freeBytes
                if free < producer.largestMessage {
                    let tooMuch = try producer.trySend([UInt8](repeating: 0, count: free + 1))
                    #expect(!tooMuch || free == 0)
                }
                if free > 0 {
                    let size = random.next() & 7 == 0 ? free : Int.random(in: 0...free)
                    let fitted = try producer.trySend([UInt8](repeating: 0, count: size))
                    #expect(fitted)
                }
                if random.next() & 3 == 0 { consumer.drain { _ in } }
            }
        }
    }

    @Test("Space comes back in eighths while messages keep coming, and all of it as soon as nothing is left")
    func lag() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            while try producer.trySend(value: UInt64(1)) {}
            let head = { (reader: UnsafeMutablePointer<LaneReader>) in sr_load_acquire_u64(sr_head(reader.pointee.control)) }
            var stores = Set([head(consumer.reader)])
            for _ in 0..<254 {
                if let message = try consumer.next() { _ = message.byteCount }
                let published = head(consumer.reader)
                #expect(consumer.reader.pointee.head - published < 512, "never more than an eighth behind")
                stores.insert(published)
            }
            #expect(stores.count == 1 + 254 * 16 / 512, "once in an eighth")
            if let message = try consumer.next() { _ = message.byteCount }
            #expect(head(consumer.reader) == 255 * 16, "the last message gives everything back, before the next call")
            #expect(producer.freeBytes == producer.largestMessage)
        }
    }

    @Test("A drain that its body ends by throwing gives back what it had taken, though that is less than an eighth")
    func drainThrows() throws {
        struct TestError: Error {}
        func body(_ count: inout Int) throws(TestError) {
            if count == 10 { throw TestError() }
            count += 1
        }
        var taken = 0
        try SPSCRing.withEndpoints { producer, consumer in
            while try producer.trySend(value: UInt64(1)) {}
            #expect(throws: TestError.self) { try consumer.drain { (_: borrowing Message) throws(TestError) in try body(&taken) } }
            #expect(sr_load_acquire_u64(sr_head(consumer.reader.pointee.control)) == 160)
            #expect(try producer.trySend([UInt8](repeating: 0, count: 152)))
        }
        taken = 0
        let ring = try MPSCRing.anonymous(lanes: 2, options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        while try producer.trySend(value: UInt64(1)) {}
        #expect(throws: TestError.self) { try consumer.drain { (_: borrowing Message) throws(TestError) in try body(&taken) } }
        #expect(try producer.trySend([UInt8](repeating: 0, count: 152)))
    }

    @Test("A producer that waits for all the room gets it when the last message ends, though that is less than an eighth")
    func wokenBelowLag() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        var consumer = try ring.makeConsumer()
        try producer.send("small")
        let box = Box(producer)
        let worker = Worker {
            var producer = box.take()
            try producer.send([UInt8](repeating: 3, count: producer.largestMessage))
            try producer.close()
        }
        #expect(eventually { sr_load_acquire_u32(sr_space_doorbell(consumer.reader.pointee.control)) == 1 }, "it sleeps")
        #expect(try consumer.pollText() == "small")
        try worker.join()
        #expect(try consumer.receive(timeout: .zero)?.count == 4096 - 24)
    }

    @Test("Manual acknowledgement: nothing comes back before acknowledge, everything after") func manual() throws {
        try SPSCRing.withEndpoints(acknowledgement: .manual) { producer, consumer in
            while try producer.trySend(value: UInt64(1)) {}
            #expect(consumer.drain { _ in } == 255)
            #expect(try !producer.trySend(value: UInt64(1)))
            #expect(producer.freeBytes == 0)
            expectError(.timedOut, saying: "acknowledgement") { () throws(RingError) in try producer.waitUntilAcknowledged(timeout: .zero) }
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(1)) }
            #expect(try !producer.trySend(value: UInt64(1)), "waiting is no acknowledgement")
            try consumer.acknowledge()
            try producer.waitUntilAcknowledged(timeout: .zero)
            #expect(producer.freeBytes == producer.largestMessage)
            try consumer.acknowledge()  // nothing to do
        }
    }

    @Test("waitUntilAcknowledged returns when everything was used up, and at once when nothing was sent") func acknowledged() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .seconds(600)))
        try producer.waitUntilAcknowledged(timeout: .zero)
        try producer.send("a")
        try producer.send("b")
        let box = Box(producer)
        let worker = Worker {
            var producer = box.take()
            try producer.waitUntilAcknowledged()
        }
        var consumer = try ring.makeConsumer()
        #expect(try consumer.pollText() == "a")
        #expect(try consumer.pollText() == "b")
        try worker.join()
    }

    @Test("Sizes that no message can have are refused, with room or without", arguments: [Int.min, -8, -1, 4096 - 23, 1 << 31, .max])
    func impossibleSizes(size: Int) async throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        for _ in 0..<2 {
            expectError(.messageTooLarge) { () throws(RingError) in _ = try producer.claim(byteCount: size) }
            expectError(.messageTooLarge) { () throws(RingError) in _ = try producer.tryClaim(byteCount: size) }
            let code = await asyncCode { () async throws(RingError) in try await producer.waitUntilReady(for: size) }
            #expect(code == .messageTooLarge)
            while try producer.trySend([UInt8]()) {}
        }
    }

    @Test("A lane of more than 2 GiB: no message is larger than its header can say, wherever the lane was begun and whatever a batch holds")
    func hugeLane() throws {
        var options = RingOptions(capacity: 4096)
        options.barrier = .symmetric
        var header = try SegmentHeader(.spsc, options: options, ring: "huge")
        header.lanes.laneCapacity = 1 << 33
        let shape = LaneShape(header)
        #expect(shape.largestMessage == (1 << 31) - 2)
        // Twice the lane, of which the kernel gives what is touched.
        let size = 1 << 34
        let data = try #require(mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
        #expect(data != MAP_FAILED)
        defer { munmap(data, size) }
        let control = UnsafeMutablePointer<sr_lane_control>.allocate(capacity: 1)
        defer { control.deallocate() }
        let doorbell = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
        doorbell.initialize(to: 0)
        defer { doorbell.deallocate() }
        for start in [0, 1 << 32, 0 &- 4096] as [UInt64] {
            control.initialize(to: sr_lane_control())
            sr_store_release_u64(sr_head(control), start)
            var writer = try LaneWriter(
                data: data, shape: shape, control: control, doorbell: doorbell, tickets: nil, usesAsymmetricBarrier: true, ring: "huge",
                lane: 0)
            let largest = shape.largestMessage
            for turn in 0..<3 {
                var place = writer.cursor
                let isRoom = try writer.makeRoom(for: largest, at: &place)
                let fits = writer.fits(largest, at: place)
                #expect(isRoom && fits)
                for tooLarge in [largest + 1, largest + 2, 1 << 32, (1 << 32) + 8, .max] {
                    let fits = writer.fits(tooLarge, at: place) || writer.isReady(for: tooLarge)
                    #expect(!fits)
                    expectError(.messageTooLarge) { () throws(RingError) in _ = try writer.makeRoom(for: tooLarge) }
                }
                // As a batch goes on.
                place += Int(shape.spacing(8))
                let stillFits = writer.fits(largest + 1, at: place)
                #expect(!stillFits)
                expectError(.messageTooLarge) { () throws(RingError) in _ = try writer.makeRoom(for: largest + 1, at: &place) }
                // And as messages are sent.
                writer.commit(byteCount: 8, tag: 0)
                let tail = writer.tail
                #expect(tail == start &+ 16 &* UInt64(turn + 1))
            }
            // A batch that went far and was dropped leaves no more room to a single message than that may take.
            var far = writer.cursor
            for _ in 0..<3 {
                _ = try writer.makeRoom(for: largest, at: &far)
                far += Int(shape.spacing(largest))
            }
            _ = try writer.makeRoom(for: largest, at: &far)
            for tooLarge in [largest + 1, largest + 2, 1 << 32] {
                let isReady = writer.isReady(for: tooLarge)
                #expect(!isReady, "\(tooLarge)")
            }
            // The room is all there, in pieces.
            writer.book(messages: 0, byteCount: 0, to: writer.place(at: start &+ (1 << 33) &- 4096))
            let free = writer.freeBytes()
            #expect(free == 4096 - 24)
        }
    }

    @Test("A message too large for the buffer stays, and fits a larger one") func receiveInto() throws {
        try SPSCRing.withEndpoints { producer, consumer in
            try producer.send("12345678", tag: 5)
            var bytes = [UInt8](repeating: 0, count: 8)
            for size in [0, 7] {
                bytes.withUnsafeMutableBytes { buffer in
                    let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<size])
                    expectError(.sizeMismatch, saying: "8 bytes", "\(size)") { () throws(RingError) in _ = try consumer.receive(into: part)
                    }
                }
            }
            var span = bytes.mutableSpan
            var raw = span.mutableBytes
            let received = try consumer.receive(into: &raw)
            #expect(received?.byteCount == 8)
            #expect(received?.tag == 5)
            #expect(received?.sequence == 0)
            #expect(bytes == Array("12345678".utf8))
            try producer.send([UInt8]())
            let empty = try consumer.receive(into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
            #expect(empty?.byteCount == 0)
        }
    }

    @Test("putBack leaves the message; drain's throwing body too, and limit is a limit") func putBack() throws {
        struct Refused: Error {}
        try SPSCRing.withEndpoints { producer, consumer in
            for text in ["a", "b", "c"] { try producer.send(text) }
            if let message = try consumer.next() { message.putBack() }
            #expect(consumer.drain(limit: 0) { _ in } == 0)
            var seen: [String] = []
            #expect(consumer.drain(limit: 1) { seen.append($0.text) } == 1)
            #expect(throws: Refused.self) {
                try consumer.drain { message throws(Refused) in
                    seen.append(message.text)
                    if message.text == "c" { throw Refused() }
                }
            }
            #expect(try consumer.pollText() == "c")
            #expect(seen == ["a", "b", "c"])
            #expect(consumer.drain { _ in } == 0)
        }
    }
}

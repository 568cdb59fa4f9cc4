import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// What an untrusted peer could make a consumer go round with, past every deadline.
@Suite("No call goes round for ever, whatever stands in the lane", .oneByOne)
struct EndlessTests {
    /// An end record at every place of the lane. The consumer never writes there, so it would meet them again and again.
    private func fill(_ data: UnsafeMutableRawPointer, epoch: UInt32) {
        for offset in stride(from: 0, to: 4096, by: 8) { sr_store_release_u64(data + offset, RecordHeader.end(epoch: epoch).bits) }
    }

    @Test("A lane full of end records is poisoned", arguments: [3, 4] as [UInt32])
    func marks(epoch: UInt32) throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        fill(producer.writer.pointee.data, epoch: epoch)
        var codes: [RingError.Code] = []
        // A closed stream may be reported as often as it stands there; a death once.
        for _ in 0..<3 {
            do throws(RingError) { _ = try consumer.next(timeout: patience) } catch { codes.append(error.code) }
        }
        #expect(epoch % 2 == 0 ? codes.isEmpty : codes == [.peerDied, .poisoned, .poisoned])
        withExtendedLifetime(producer) {}
    }

    @Test("So it is among many lanes, and the others go on", arguments: [MPSCRing.Order.perProducer, .total])
    func marksAmongLanes(order: MPSCRing.Order) throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: order, options: RingOptions(capacity: 4096))
        let hostile = try ring.makeProducer()
        var honest = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        fill(hostile.writer.pointee.data, epoch: 2)
        try honest.send("hello")
        var texts: [String] = []
        var codes: [RingError.Code] = []
        for _ in 0..<3 {
            do throws(RingError) {
                if let message = try consumer.next(timeout: .milliseconds(10)) { texts.append(message.text) }
            } catch { codes.append(error.code) }
        }
        #expect(texts == ["hello"])
        #expect(codes == [.poisoned, .timedOut])
        withExtendedLifetime(hostile) {}
    }

    @Test("Draining a lane that looks full of messages for ever ends", arguments: [1, 2])
    func messages(lanes: Int) throws {
        let ring = try MPSCRing.anonymous(lanes: lanes, options: RingOptions(capacity: 4096))
        let hostile = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        let header = RecordHeader(byteCount: 0, tag: 0)
        for offset in stride(from: 0, to: 4096, by: 8) { sr_store_release_u64(hostile.writer.pointee.data + offset, header.bits) }
        #expect(consumer.drain { _ in } == 512)
        withExtendedLifetime(hostile) {}
    }

    // MARK: A lane full of records, and no process that could have written them

    /// A record at every place.
    private func carpet(_ data: UnsafeMutableRawPointer) {
        for offset in stride(from: 0, to: 4096, by: 8) {
            sr_store_release_u64(data + offset, RecordHeader(byteCount: 0, tag: 0).bits)
        }
    }

    /// What its lane's producers are: none ever, by the words; closed; gone without closing; there, and idle.
    enum Author: CaseIterable { case none, closed, died, idle, publishesNothing }

    /// How a consumer takes what is there.
    enum Way: CaseIterable { case next, poll, nextIfAvailable, drain }

    private func take<Source: MessageSource & ~Copyable>(_ source: inout Source, _ way: Way) throws(RingError) -> Int {
        switch way {
        case .next: return try source.next(timeout: patience) == nil ? 0 : 1
        case .poll:
            guard case .message(let message) = try source.poll() else { return 0 }
            return message.byteCount + 1
        case .nextIfAvailable:
            if source.nextIfAvailable() != nil { return 1 }
            return try source.next(timeout: patience) == nil ? 0 : 1
        case .drain:
            let count = source.drain { _ in }
            if count > 0 { return count }
            return try source.next(timeout: patience) == nil ? 0 : 1
        }
    }

    /// Makes the lane's words what that author leaves.
    private func leave(_ producer: consuming Producer, _ author: Author) throws -> Producer? {
        let control = producer.writer.pointee.control
        switch author {
        case .none:
            _ = consume producer
            return nil
        case .closed:
            try producer.close()
            return nil
        case .died:
            _ = consume producer
            return nil
        case .idle: return producer
        case .publishesNothing:
            sr_store_release_u64(sr_checkpoint_turn(control), 0)
            _ = consume producer
            return nil
        }
    }

    @Test("A lane full of records that no producer can have written is poisoned within two laps", arguments: Author.allCases, Way.allCases)
    func noAuthor(author: Author, way: Way) throws {
        for acknowledgement in [Acknowledgement.automatic, .manual] {
            let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
            // Its mappings and words, for us, while others come and go.
            let descriptor = Descriptor(try ring.duplicateDescriptor())
            let segment = try Segment.open(descriptor, ring: "r", owners: .sameUser)
            let data = try Mapping.lane(0, of: segment, writable: true, prefault: true, ring: "r")
            let words = try Mapping.control(of: segment, ring: "r").mapping
            let lane = sr_lane(words.base.assumingMemoryBound(to: sr_lanes_control.self), 0)
            let producer = try leave(try ring.makeProducer(), author)
            if author == .none {
                sr_store_release_u32(sr_producer_epoch(lane), 0)
                sr_store_release_u64(sr_checkpoint_turn(lane), 0)
            }
            carpet(data.base)
            var consumer = try ring.makeConsumer(
                acknowledgement: acknowledgement, options: EndpointOptions(checkInterval: .milliseconds(10)))
            var count = 0
            var code: RingError.Code?
            // 512 a lap. A death that its byte has to prove takes one lap more.
            while code == nil, count <= 3 * 512 {
                do throws(RingError) { count += try take(&consumer, way) } catch { code = error.code }
            }
            #expect(code == .poisoned, "\(author) \(way) \(acknowledgement)")
            #expect(count <= (author == .publishesNothing ? 2 : 1) * 512 + 64 + 512 / 8, "\(author) \(way): \(count)")
            expectError(.poisoned) { () throws(RingError) in _ = try consumer.next(timeout: .zero) }
            let isNothing = consumer.nextIfAvailable() == nil
            #expect(isNothing && consumer.drain { _ in } == 0)
            withExtendedLifetime((data, words)) {}
            _ = producer?.largestMessage
        }
    }

    @Test("So it is among many lanes, once, and the others go on", arguments: Way.allCases, [true, false])
    func noAuthorAmongLanes(way: Way, isAlive: Bool) throws {
        let ring = try MPSCRing.anonymous(lanes: 2, options: RingOptions(capacity: 4096))
        let producer = try ring.makeProducer()
        let data = producer.writer.pointee.data
        let victim = Box(producer)
        var honest = try ring.makeProducer()
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        carpet(data)
        if !isAlive { _ = victim.take() }
        var count = 0
        var poisoned = 0
        while poisoned == 0, count <= 4 * 512 {
            do throws(RingError) { count += try take(&consumer, way) } catch {
                #expect(error.code == .poisoned, "\(error)")
                poisoned += 1
            }
        }
        #expect(poisoned == 1 && count <= 2 * 512, "\(count)")
        for number in 0..<3 {
            try honest.send(value: number)
            let message = try consumer.receive(timeout: patience)
            #expect(message?.count == MemoryLayout<Int>.size)
        }
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .zero) }
        withExtendedLifetime(victim) {}
    }

    @Test("A producer that publishes no checkpoint may send for as many laps as it likes", arguments: [1, 8])
    func noCheckpoint(messages: Int) throws {
        try SPSCRing.withEndpoints { producer, consumer in
            let control = producer.writer.pointee.control
            for lap in 0..<2000 {
                for _ in 0..<messages { try producer.send(value: lap) }
                sr_store_release_u64(sr_checkpoint_turn(control), 0)  // as if it had published nothing
                for _ in 0..<messages {
                    let number = try consumer.next(timeout: patience)?.integer(as: Int.self)
                    #expect(number == lap)
                }
            }
        }
    }

    @Test("Two lanes with the same ticket are both delivered")
    func equalTickets() throws {
        let ring = try MPSCRing.anonymous(lanes: 2, order: .total, options: RingOptions(capacity: 4096))
        var one = try ring.makeProducer()
        var other = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        try one.send("one")
        try other.send("other")
        sr_store_release_u64(other.writer.pointee.data + 8, 0)  // its ticket was 1
        var texts: [String] = []
        for _ in 0..<2 {
            guard let message = try consumer.next(timeout: patience) else { break }
            texts.append(message.text)
        }
        #expect(texts.sorted() == ["one", "other"])
    }

    @Test("A text is whole although its bytes change while it is read")
    func flippingText() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        let size = 1000
        try producer.send([UInt8](repeating: 65, count: size))
        nonisolated(unsafe) let place = producer.writer.pointee.data + 8 + size / 2
        let untrusted = Worker {
            for turn in 0..<200_000 { sr_store_relaxed_u64(place, turn % 2 == 0 ? .max : 0x4141_4141_4141_4141) }
        }
        guard let message = try consumer.next(timeout: .zero) else { return }
        for _ in 0..<2000 {
            let text = message.text
            #expect(String(validating: Array(text.utf8), as: UTF8.self) == text)
        }
        try untrusted.join()
    }
}

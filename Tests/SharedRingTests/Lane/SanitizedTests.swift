import CSharedRing
import Foundation
import TestPeer
import TestSupport
import Testing

@testable import SharedRing

/// Both sides of a lane over one mapping, in two threads, so that a thread sanitizer sees both at the same addresses (in a
/// real ring each endpoint has a mapping of its own):
///
///     swift test --sanitize=thread --scratch-path .build-tsan --filter Sanitized
///
/// Without a sanitizer these run as plain tests.
@Suite("Sanitized: two threads over one mapping", .oneByOne, .serialized)
struct SanitizedTests {
    /// A segment's mappings and the two sides of its lane.
    private final class Lane: @unchecked Sendable {
        let data: Mapping
        let control: Mapping
        let writer: UnsafeMutablePointer<LaneWriter>
        let reader: UnsafeMutablePointer<LaneReader>
        let shape: LaneShape

        init(isManual: Bool = false, asymmetric: Bool = false) throws {
            let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
            let descriptor = Descriptor(try ring.duplicateDescriptor())
            let segment = try Segment.open(descriptor, ring: "lane", owners: .sameUser)
            data = try Mapping.lane(0, of: segment, writable: true, prefault: true, ring: "lane")
            control = try Mapping.control(of: segment, ring: "lane").mapping
            let words = control.base.assumingMemoryBound(to: sr_lanes_control.self)
            shape = LaneShape(segment.header)
            writer = .allocate(capacity: 1)
            writer.initialize(
                to: try LaneWriter(
                    data: data.base, shape: shape, control: sr_lane(words, 0), doorbell: sr_consumer_doorbell(sr_lanes_consumer(words)),
                    tickets: nil,
                    usesAsymmetricBarrier: asymmetric, ring: "lane", lane: 0))
            reader = .allocate(capacity: 1)
            reader.initialize(
                to: try LaneReader(
                    data: UnsafeRawPointer(data.base), shape: shape, control: sr_lane(words, 0), usesAsymmetricBarrier: asymmetric,
                    isManual: isManual, ring: "lane", lane: 0,
                    lock: try RoleLock(of: segment.descriptor)))
        }

        deinit {
            writer.deinitialize(count: 1)
            writer.deallocate()
            reader.deinitialize(count: 1)
            reader.deallocate()
        }

        /// As `Producer.send` does it, but yielding for room.
        func send(_ pattern: Pattern, using step: (UnsafeRawBufferPointer) -> Void) throws {
            let patience = Patience()
            while try !writer.pointee.makeRoom(for: pattern.size) { try patience.yield() }
            pattern.withBytes(step)
        }
    }

    private static let count = 5_000

    /// Receives everything, comparing, until the end record; returns how many came and how many were wrong.
    private func receive(_ lane: Lane, acknowledgeEvery: Int = 0) throws -> (Int, Int) {
        let patience = Patience()
        var pattern = Pattern(seed: 9, largest: 1000)
        var (count, wrong) = (0, 0)
        while true {
            let header = lane.reader.pointee.poll()
            if header.isAbsent {
                if acknowledgeEvery > 0, lane.reader.pointee.published != lane.reader.pointee.head { lane.reader.pointee.publish() }
                try patience.yield()
                continue
            }
            if header.isEnd {
                lane.reader.pointee.finish(spacing: Int(lane.shape.spacingOfEnd))
                return (count, wrong)
            }
            guard lane.shape.admits(header) else { return (count, -1) }
            pattern.advance()
            let message = UnsafeRawBufferPointer(start: lane.reader.pointee.payload, count: header.byteCount)
            let isRight = pattern.withBytes { Self.isEqual($0, message) }
            if !isRight || header.tag != pattern.tag { wrong += 1 }
            count += 1
            lane.reader.pointee.finish(spacing: Int(lane.shape.spacing(header.byteCount)))
            if acknowledgeEvery > 0 && count % acknowledgeEvery == 0 { lane.reader.pointee.publish() }
        }
    }

    private func exchange(_ lane: Lane, acknowledgeEvery: Int = 0, _ send: @escaping @Sendable (Lane, inout Pattern) throws -> Void) throws
    {
        let sender = Worker {
            var pattern = Pattern(seed: 9, largest: 1000)
            for _ in 0..<Self.count {
                pattern.advance()
                try send(lane, &pattern)
            }
            lane.writer.pointee.commitEnd(epoch: 2)
        }
        let receiver = Worker { try receive(lane, acknowledgeEvery: acknowledgeEvery) }
        let (count, wrong) = try receiver.join()
        try sender.join()
        #expect(count == Self.count)
        #expect(wrong == 0)
    }

    // Byte by byte through typed pointers: these accesses are instrumented, while those made by the standard library,
    // and by memcpy in this toolchain, are not.

    private static func copy(_ bytes: UnsafeRawBufferPointer, to place: UnsafeMutableRawPointer) {
        let target = place.assumingMemoryBound(to: UInt8.self)
        for i in 0..<bytes.count { target[i] = bytes[i] }
    }

    private static func isEqual(_ expected: UnsafeRawBufferPointer, _ found: UnsafeRawBufferPointer) -> Bool {
        guard expected.count == found.count else { return false }
        let source = found.baseAddress!.assumingMemoryBound(to: UInt8.self)
        for i in 0..<expected.count where source[i] != expected[i] { return false }
        return true
    }

    @Test("Sanitized send", arguments: [false, true]) func send(asymmetric: Bool) throws {
        try exchange(Lane(asymmetric: asymmetric)) { lane, pattern in
            try lane.send(pattern) { bytes in
                Self.copy(bytes, to: lane.writer.pointee.payload(at: lane.writer.pointee.tail))
                lane.writer.pointee.commit(byteCount: bytes.count, tag: pattern.tag)
            }
        }
    }

    @Test("Sanitized claim, committed shorter") func claim() throws {
        try exchange(Lane()) { lane, pattern in
            let patience = Patience()
            while try !lane.writer.pointee.makeRoom(for: 1500) { try patience.yield() }
            pattern.withBytes { bytes in
                Self.copy(bytes, to: lane.writer.pointee.payload(at: lane.writer.pointee.tail))
                lane.writer.pointee.commit(byteCount: bytes.count, tag: pattern.tag)
            }
        }
    }

    @Test("Sanitized manual acknowledgement") func manual() throws {
        try exchange(Lane(isManual: true), acknowledgeEvery: 10) { lane, pattern in
            try lane.send(pattern) { bytes in
                Self.copy(bytes, to: lane.writer.pointee.payload(at: lane.writer.pointee.tail))
                lane.writer.pointee.commit(byteCount: bytes.count, tag: pattern.tag)
            }
        }
    }

    @Test("Sanitized batch: as Batch appends and flushes") func batch() throws {
        let lane = try Lane()
        let sender = Worker {
            var pattern = Pattern(seed: 9, largest: 1000)
            var place = lane.writer.pointee.cursor
            var first: RecordHeader?
            func flush() {
                guard let header = first else { return }
                LaneWriter.terminate(place)
                lane.writer.pointee.publish(batch: header, to: place, count: 1, byteCount: 0)
                first = nil
            }
            for number in 0..<Self.count {
                let patience = Patience()
                pattern.advance()
                while try !lane.writer.pointee.makeRoom(for: pattern.size, at: &place) {
                    flush()
                    try patience.yield()
                }
                pattern.withBytes { Self.copy($0, to: place + lane.shape.messageOffset) }
                let header = RecordHeader(byteCount: pattern.size, tag: pattern.tag)
                if first == nil {
                    first = header
                } else {
                    sr_store_relaxed_u64(place, header.bits)
                }
                place += Int(lane.shape.spacing(pattern.size))
                if number % 13 == 0 { flush() }
            }
            flush()
            lane.writer.pointee.commitEnd(epoch: 2)
        }
        let receiver = Worker { try receive(lane) }
        let (count, wrong) = try receiver.join()
        try sender.join()
        #expect(count == Self.count)
        #expect(wrong == 0)
    }

    @Test("Sanitized endpoints: the whole library, with its own mappings") func endpoints() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        for round in 0..<5 {
            let producer = Box(try ring.makeProducer())
            let consumer = Box(try ring.makeConsumer())
            let sender = Worker { try Soak.send(producer.take(), count: 2000, seed: UInt64(round), largest: 1000) }
            let receiver = Worker { try Soak.receive(consumer.take(), seed: UInt64(round), largest: 1000) }
            try sender.join()
            #expect(try receiver.join() == 2000)
        }
    }
}

import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// A publisher and a subscriber of a broadcast over one mapping, in two threads: see `SanitizedTests`.
@Suite("Sanitized: a broadcast's publisher and subscribers, over one mapping and with their own", .oneByOne, .serialized)
struct SanitizedBroadcastTests {
    private static let count = 3000
    private static let size = 40

    /// A broadcast's mappings, with the publisher's side and what a subscriber's side is made of.
    private final class Lane: @unchecked Sendable {
        let attachment: SharedRing.Attachment
        let data: Mapping
        let shape: LaneShape
        let writer: UnsafeMutablePointer<LaneWriter>

        init(isAsymmetric: Bool) throws {
            var options = RingOptions(capacity: 4096)
            options.barrier = isAsymmetric ? .automatic : .symmetric
            let ring = try BroadcastRing.anonymous(subscribers: 2, options: options)
            attachment = try ring.handle.attach(.slot(.any), EndpointOptions())
            data = try Mapping.lane(0, of: attachment.segment, writable: true, prefault: true, ring: "lane")
            shape = LaneShape(attachment.header)
            let heads = SubscriberHeads(
                attachment.broadcast, attachment.header, lock: try RoleLock(of: attachment.segment.descriptor),
                checkInterval: longCheckInterval.wholeNanoseconds, patience: longCheckInterval.wholeNanoseconds)
            writer = .allocate(capacity: 1)
            writer.initialize(
                to: try LaneWriter(
                    data: data.base, shape: shape, broadcast: attachment.broadcast, heads: heads,
                    usesAsymmetricBarrier: attachment.header.usesAsymmetricBarrier, ring: "lane"))
        }

        deinit {
            writer.deinitialize(count: 1)
            writer.deallocate()
        }

        var slot: SubscriberSlot { SubscriberSlot(attachment, slot: 0) }
        var broadcast: UnsafeMutablePointer<sr_broadcast_control> { attachment.broadcast }

        /// Sends numbered messages, each as far as `mayBegin` lets it.
        func publish(_ count: Int, mayBegin: (Int) -> Bool) throws {
            let patience = Patience()
            for number in 1...count {
                while !mayBegin(number) { try patience.yield() }
                while try !writer.pointee.makeRoom(for: size) { try patience.yield() }
                // Through typed pointers, which are instrumented.
                let target = writer.pointee.payload(at: writer.pointee.tail).assumingMemoryBound(to: UInt8.self)
                for index in 0..<size { target[index] = UInt8(truncatingIfNeeded: number) }
                writer.pointee.commit(byteCount: size, tag: UInt32(number))
            }
            writer.pointee.publishCheckpoint()
        }
    }

    /// Whether a message is as it was sent.
    private static func isRight(_ reader: UnsafeMutablePointer<LaneReader>, _ header: RecordHeader) -> Bool {
        let bytes = reader.pointee.payload.assumingMemoryBound(to: UInt8.self)
        return header.byteCount == size && (0..<size).allSatisfy { bytes[$0] == UInt8(truncatingIfNeeded: header.tag) }
    }

    @Test("Sanitized publish and reliable receive: the head that is stored gives the room back", arguments: [false, true])
    func reliable(isAsymmetric: Bool) throws {
        let lane = try Lane(isAsymmetric: isAsymmetric)
        let joined = try lane.slot.join(from: .now, until: .never)
        let reader = UnsafeMutablePointer<LaneReader>.allocate(capacity: 1)
        reader.initialize(
            to: try LaneReader(
                data: UnsafeRawPointer(lane.data.base), shape: lane.shape, control: sr_publisher(lane.broadcast),
                usesAsymmetricBarrier: isAsymmetric, isManual: false, firstPolls: 1, ring: "lane", lane: 0,
                lock: lane.attachment.lock, head: sr_subscriber_head(lane.slot.words), wakes: sr_subscriber_wakes(lane.slot.words),
                checkpoints: .broadcast(lane.broadcast)))
        defer {
            reader.deinitialize(count: 1)
            reader.deallocate()
        }
        #expect(joined.position == 0)
        let place = UInt(bitPattern: reader)
        let publisher = Worker { try lane.publish(Self.count) { _ in true } }
        let subscriber = Worker { () throws -> Int in
            let reader = UnsafeMutablePointer<LaneReader>(bitPattern: place)!
            let patience = Patience()
            var wrong = 0
            var received = 0
            while received < Self.count {
                let header = reader.pointee.poll()
                if header.isAbsent {
                    try patience.yield()
                    continue
                }
                received += 1
                if header.tag != UInt32(received) || !Self.isRight(reader, header) { wrong += 1 }
                reader.pointee.finish(spacing: Int(lane.shape.spacing(header.byteCount)))
            }
            return wrong
        }
        try publisher.join()
        #expect(try subscriber.join() == 0)
    }

    @Test("Sanitized publish and copying receive, without a place and with a soft gate's", arguments: [false, true])
    func copying(isSoft: Bool) throws {
        let lane = try Lane(isAsymmetric: true)
        let feed = try LossyFeed(
            data: UnsafeRawPointer(lane.data.base), shape: lane.shape, checkpoints: .broadcast(lane.broadcast), start: .now, until: .never,
            ring: "lane")
        let reader = UnsafeMutablePointer<LaneReader>.allocate(capacity: 1)
        reader.initialize(
            to: try LaneReader(
                data: LaneReader.endOfAddresses - 2 * Int(lane.shape.capacity), shape: lane.shape, control: feed.words,
                usesAsymmetricBarrier: true,
                isManual: false, firstPolls: 0, ring: "lane", lane: 0, lock: lane.attachment.lock))
        defer {
            reader.deinitialize(count: 1)
            reader.deallocate()
        }
        feed.empty(&reader.pointee)
        if isSoft { lane.slot.enterSoftly(at: feed.position) }
        let place = UInt(bitPattern: reader)
        // How far the subscriber is. The publisher writes nothing over that is being copied: the protocol judges such a copy afterwards, but the sanitizer
        // does not know that. It is behind the copies, so it orders nothing that a header is to order.
        let received = Turn()
        let publisher = Worker {
            try lane.publish(Self.count) { number in number < received.value + 20 }
        }
        let subscriber = Worker { () throws -> Int in
            let reader = UnsafeMutablePointer<LaneReader>(bitPattern: place)!
            let patience = Patience()
            var wrong = 0
            while received.value < Self.count {
                let header = reader.pointee.poll()
                if header.isAbsent {
                    try feed.refill(&reader.pointee)
                    if isSoft { lane.slot.storeSoftHead(feed.position) }
                    if reader.pointee.poll().isAbsent { try patience.yield() }
                    continue
                }
                if header.tag != UInt32(received.value + 1) || !Self.isRight(reader, header) { wrong += 1 }
                reader.pointee.finish(spacing: Int(lane.shape.spacing(header.byteCount)))
                received.set(received.value + 1)
            }
            return wrong
        }
        try publisher.join()
        #expect(try subscriber.join() == 0)
        #expect(feed.missed == LossyReader.Totals())
    }

    @Test("Sanitized endpoints: a publisher, and subscribers of each kind in threads and in a task, with their own mappings")
    func endpoints() async throws {
        let ring = try BroadcastRing.anonymous(subscribers: 4, options: RingOptions(capacity: 4096))
        let last = UInt64(Self.count)
        let publisher = try ring.makePublisher()
        let workers = try [Subscriber.Delivery.reliable, .lossy, .softGated, .durable].map { delivery in
            let name: String? = if case .durable = delivery { "kept" } else { nil }
            let box = Box(try ring.makeSubscriber(delivery, as: name, waiting: .sleep))
            return Worker { () throws -> UInt64 in
                var subscriber = box.take()
                var sum: UInt64 = 0
                while let value = try subscriber.next(timeout: patience)?.value(as: UInt64.self) { sum += value > 0 ? 1 : 0 }
                return sum + subscriber.missed.messages
            }
        }
        let box = Box(try await ring.makeSubscriber())
        let task = Task { () async throws -> UInt64 in
            var subscriber = box.take()
            var sum: UInt64 = 0
            while let value = try await subscriber.next(timeout: asyncPatience)?.value(as: UInt64.self) { sum += value > 0 ? 1 : 0 }
            return sum
        }
        for number in 1...last { try await publisher.send(value: number, timeout: asyncPatience) }
        try publisher.close()
        for worker in workers { #expect(try worker.join() == last) }
        #expect(try await task.value == last)
    }
}

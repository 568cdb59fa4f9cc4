import CSharedRing
import Foundation
import TestSupport
import Testing
import TestPeer

@testable import SharedRing

/// Positions only ever grow. A ring would have to carry 16 EiB to come to the last; here it begins shortly before.
@Suite("Positions pass 2^32, 2^63 and 2^64 as if nothing were there", .oneByOne)
struct PositionTests {
    let place = Place()

    static let boundaries: [UInt64] = [1 << 32, 1 << 63, 0]

    private func options(before boundary: UInt64, by distance: UInt64 = 3 * 4096) -> RingOptions {
        var options = place.options()
        options.firstPosition = boundary &- distance
        return options
    }

    @Test("Messages of all sizes, a claim, a batch, streams that end and producers that die", arguments: boundaries)
    func traffic(boundary: UInt64) throws {
        let ring = try SPSCRing.create("r", options: options(before: boundary))
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        var random = SplitMix(seed: boundary ^ 5)
        for round in 0..<120 {
            var producer = try ring.makeProducer()
            var sent: [[UInt8]] = []
            for _ in 0..<Int(random.next() % 3) + 1 {
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: Int(random.next() % 400))
                switch random.next() % 3 {
                case 0: try producer.send(bytes)
                case 1:
                    var claim = try producer.claim(byteCount: 500)
                    var span = claim.bytes
                    for (place, byte) in bytes.enumerated() { span.storeBytes(of: byte, toByteOffset: place, as: UInt8.self) }
                    try claim.commit(byteCount: bytes.count)
                default:
                    var batch = producer.batch()
                    for _ in 0..<2 { try batch.append(bytes) }
                    batch.commit()
                    sent.append(bytes)
                }
                sent.append(bytes)
            }
            let check = try RingCheck("r", options: place.options())
            #expect(check.damage.isEmpty && check.messages == sent.count && !check.isMoving)
            if round % 2 == 0 { try producer.close() } else { _ = consume producer }
            for bytes in sent { #expect(try consumer.receive(timeout: patience) == bytes) }
            if round % 2 == 0 {
                #expect(try consumer.receive(timeout: patience) == nil)
            } else {
                expectError(.peerDied) { () throws(RingError) in _ = try consumer.receive(timeout: patience) }
            }
        }
        let head = consumer.reader.pointee.head
        #expect(head &- boundary < 1 << 20, "it was passed: \(head)")
    }

    @Test("A full ring across it: room is counted right, and a waiting producer is woken", arguments: boundaries)
    func full(boundary: UInt64) throws {
        let ring = try SPSCRing.create("r", options: options(before: boundary, by: 2048))
        var producer = try ring.makeProducer()
        var count = 0
        while try producer.trySend(value: UInt64(count)) { count += 1 }
        #expect(count == 4096 / 16 - 1 && producer.freeBytes == 0)
        #expect(try RingCheck("r", options: place.options()).messages == count)
        let box = Box(producer)
        let last = count
        let sender = Worker {
            var producer = box.take()
            for i in last..<last + 1000 { try producer.send(value: UInt64(i), timeout: patience) }
            try producer.waitUntilAcknowledged(timeout: patience)
            try producer.close()
        }
        var consumer = try ring.makeConsumer()
        var next: UInt64 = 0
        while let message = try consumer.next(timeout: patience) {
            let value = message.integer(as: UInt64.self)
            #expect(value == next)
            next += 1
        }
        #expect(next == UInt64(last + 1000))
        try sender.join()
    }

    @Test("Merged lanes, in either order; and successors of killed processes take over across it", arguments: boundaries, [false, true])
    func merged(boundary: UInt64, isTotal: Bool) throws {
        let options = options(before: boundary, by: 4096)
        let ring = try MPSCRing.create("r", lanes: 2, order: isTotal ? .total : .perProducer, options: options)
        var sent: UInt64 = 0
        var received: [[UInt64]] = [[], []]
        var inOrder: [UInt64] = []
        for round in 0..<40 {
            var first = try ring.makeProducer()
            var second = try ring.makeProducer()
            var consumer = try ring.makeConsumer()
            for _ in 0..<20 {
                for _ in 0..<3 {
                    try first.send(value: sent)
                    try second.send(value: sent + 1)
                    sent += 2
                }
                for _ in 0..<6 {
                    guard let message = try consumer.next(timeout: patience), let value = message.integer(as: UInt64.self) else {
                        Issue.record("no message")
                        return
                    }
                    received[message.lane].append(value)
                    inOrder.append(value)
                }
            }
            if round % 2 == 0 {
                try first.close()
                try second.close()
                try consumer.close()
            }
        }
        #expect(received[0].elementsEqual(stride(from: 0, to: sent, by: 2)) && received[1].elementsEqual(stride(from: 1, to: sent, by: 2)))
        if isTotal { #expect(inOrder.elementsEqual(0..<sent)) }
        let check = try RingCheck("r", options: place.options())
        #expect(check.damage.isEmpty && check.messages == 0)
        #expect(check.lanes.allSatisfy { $0.tail &- boundary < 1 << 20 })
    }
}

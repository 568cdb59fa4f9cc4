import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A role's epoch is never 0 again, however many have had the role", .oneByOne)
struct EpochTests {
    private let place = Place()

    @Test(
        "Odd follows as odd, even as even, and a close is its attachment's successor",
        arguments: [0, 1, 2, 0x7fff_ffff, 0xffff_fffc] as [UInt32])
    func steps(start: UInt32) {
        var epoch = start
        for _ in 0..<8 {
            let before = epoch
            epoch = sr_epoch_at_attach(epoch)
            #expect(epoch & 1 == 1 && epoch != .max)
            #expect(sr_epoch_attachments_since(epoch, before) == 1, "\(before) \(epoch)")
            #expect(Int32(bitPattern: epoch &- before) > 0, "\(before) \(epoch)")
            let closed = sr_epoch_at_close(epoch)
            #expect(closed == epoch + 1 && closed != 0)
            #expect(sr_epoch_attachments_since(closed, before) == 1)
            if epoch % 4 == 1 { epoch = closed }  // and otherwise it dies
        }
    }

    /// Sets the words as they stand when so many have come and gone, and their ends were reported.
    private func age(_ ring: String, to epoch: UInt32) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: place.path(ring)))
        defer { try? file.close() }
        let header = try file.read(upToCount: MemoryLayout<sr_header>.size)!
        let control = header.withUnsafeBytes { $0.load(as: sr_header.self).control_offset }
        let lane = control + sr_lane_offset(0)
        for offset in [
            control + sr_lanes_consumer_offset() + UInt64(MemoryLayout<sr_consumer_control>.offset(of: \.epoch)!),
            lane + UInt64(MemoryLayout<sr_lane_control>.offset(of: \.producer_epoch)!),
            lane + UInt64(MemoryLayout<sr_lane_control>.offset(of: \.reported_end)!),
        ] {
            try file.seek(toOffset: offset)
            try file.write(contentsOf: withUnsafeBytes(of: epoch) { Data($0) })
        }
    }

    @Test(
        "Where an epoch begins anew, each stream comes with its end, and the ring is known to be used",
        arguments: [0xffff_fffa, 0xffff_fffe] as [UInt32])
    func streams(epoch: UInt32) throws {
        let ring = try SPSCRing.create("r", options: place.options())
        try age("r", to: epoch)
        for number in 0..<6 {
            var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
            var producer = try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))
            try producer.send("\(number)")
            try consumer.waitForPeer(timeout: patience)
            try producer.waitForPeer(timeout: patience)
            #expect(try consumer.pollText() == "\(number)")
            if number % 2 == 0 {
                try producer.close()
                #expect(try consumer.receive(timeout: patience) == nil)
            } else {
                do { _ = consume producer }
                expectError(.peerDied) { () throws(RingError) in _ = try consumer.receive(timeout: patience) }
            }
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.receive(timeout: .milliseconds(1)) }
            let report = try RingReport("r", options: place.options())
            #expect(report.lanes.count == 1 && report.lanes[0].producer.presence == (number % 2 == 0 ? .closed : .died))
            #expect(report.consumer.presence == .attached)
            try consumer.close()
        }
    }

    @Test("The end of all streams counts across it")
    func allStreams() throws {
        let ring = try MPSCRing.create("r", lanes: 2, options: place.options())
        do { try ring.makeProducer().close() }
        try age("r", to: 0xffff_fffc)
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: 3), options: EndpointOptions(checkInterval: .milliseconds(10)))
        for number in 0..<3 {
            expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .zero) }
            var producer = try ring.makeProducer()
            try producer.send(value: number)
            try producer.close()
            if let message = try consumer.next(timeout: patience) { #expect(message.integer(as: Int.self) == number) }
        }
        #expect(try consumer.receive(timeout: patience) == nil)
    }
}

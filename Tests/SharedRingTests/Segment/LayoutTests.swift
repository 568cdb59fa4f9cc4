import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("The layout is the ABI: no size or offset moves unnoticed", .oneByOne)
struct LayoutTests {
    @Test("The header's fields stand where version 2 put them") func headerOffsets() {
        typealias H = MemoryLayout<sr_header>
        let found: [Int?] = [
            H.offset(of: \.magic), H.offset(of: \.major), H.offset(of: \.minor), H.offset(of: \.header_length),
            H.offset(of: \.total_size), H.offset(of: \.page_size), H.offset(of: \.kind), H.offset(of: \.required_features),
            H.offset(of: \.optional_features), H.offset(of: \.layout_hash), H.offset(of: \.control_offset),
            H.offset(of: \.data_offset), H.offset(of: \.created_ns), H.offset(of: \.instance_id), H.offset(of: \.boot_id),
            H.offset(of: \.reserved0), H.offset(of: \.label), H.offset(of: \.lanes), H.offset(of: \.broadcast),
            H.offset(of: \.board), H.offset(of: \.call), H.offset(of: \.later_shapes), H.offset(of: \.reserved1), H.offset(of: \.checksum),
            H.size, H.stride,
        ]
        #expect(
            found == [0, 8, 10, 12, 16, 24, 28, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 192, 224, 256, 288, 320, 352, 504, 512, 512])

        typealias S = MemoryLayout<sr_lanes_shape>
        #expect([S.offset(of: \.lane_count), S.offset(of: \.record_alignment), S.offset(of: \.lane_capacity), S.size] == [0, 4, 8, 32])

        typealias B = MemoryLayout<sr_broadcast_shape>
        #expect([B.offset(of: \.subscriber_count), B.offset(of: \.record_alignment), B.offset(of: \.capacity), B.size] == [0, 4, 8, 32])
    }

    @Test("The blocks of a broadcast stand where they were put first, each hot word 128 bytes from the next") func broadcastOffsets() {
        typealias B = MemoryLayout<sr_broadcast_control>
        let control: [Int?] = [
            B.offset(of: \.segment), B.offset(of: \.events), B.offset(of: \.slots_used), B.offset(of: \.checkpoint_turn),
            B.offset(of: \.checkpoints), B.size,
        ]
        #expect(control == [0, 128, 256, 384, 512, 1024])
        typealias S = MemoryLayout<sr_subscriber_control>
        let slot: [Int?] = [
            S.offset(of: \.head), S.offset(of: \.joined), S.offset(of: \.epoch), S.offset(of: \.durable), S.offset(of: \.soft),
            S.offset(of: \.statistics), S.offset(of: \.holder), S.offset(of: \.name_length), S.offset(of: \.missed_messages), S.size,
        ]
        #expect(slot == [0, 8, 12, 16, 20, 128, 256, 384, 456, 512])
        #expect(sr_publisher_offset() == 1024 && sr_subscriber_offset(0) == 2048 && sr_subscriber_offset(3) == 2048 + 3 * 512)
        #expect(Role.subscriber(0).lockByte == 1 << 62 && Role.subscriber(255).lockByte == 1 << 62 + 255)

        let bytes = UnsafeMutableRawPointer.allocate(byteCount: 2048 + 4 * 512, alignment: 128)
        defer { bytes.deallocate() }
        let broadcast = bytes.assumingMemoryBound(to: sr_broadcast_control.self)
        func offset(_ pointer: UnsafeRawPointer) -> Int { pointer - UnsafeRawPointer(bytes) }
        #expect(offset(sr_broadcast_events(broadcast)) == 128 && offset(sr_slots_used(broadcast, 64)) == 264)
        #expect(offset(sr_broadcast_turn(broadcast)) == 384 && offset(sr_publisher(broadcast)) == 1024)
        let subscriber = sr_subscriber(broadcast, 3)
        #expect(offset(subscriber) == 2048 + 3 * 512)
        #expect(offset(sr_subscriber_head(subscriber)) == 3584 && offset(sr_subscriber_joined(subscriber)) == 3592)
        #expect(offset(sr_subscriber_epoch(subscriber)) == 3596 && offset(sr_subscriber_holder(subscriber)) == 3584 + 256)
    }

    @Test("The control blocks' words stand where version 2 put them, each hot one 128 bytes from the next") func controlOffsets() {
        typealias S = MemoryLayout<sr_segment_control>
        #expect([S.offset(of: \.persistent), S.offset(of: \.clean), S.offset(of: \.boot_id), S.size] == [0, 4, 8, 128])

        typealias R = MemoryLayout<sr_lanes_control>
        let ring: [Int?] = [
            R.offset(of: \.segment), R.offset(of: \.tickets), R.offset(of: \.lanes_used), R.offset(of: \.lanes_marked), R.size,
        ]
        #expect(ring == [0, 128, 256, 384, 1024])

        typealias C = MemoryLayout<sr_consumer_control>
        let consumer: [Int?] = [
            C.offset(of: \.doorbell), C.offset(of: \.epoch), C.offset(of: \.unreported_death), C.offset(of: \.statistics),
            C.offset(of: \.holder), C.size,
        ]
        #expect(consumer == [0, 128, 132, 256, 384, 1024])

        typealias L = MemoryLayout<sr_lane_control>
        let lane: [Int?] = [
            L.offset(of: \.ticket_floor), L.offset(of: \.producer_epoch), L.offset(of: \.checkpoint_turn), L.offset(of: \.checkpoints),
            L.offset(of: \.producer_statistics),
            L.offset(of: \.head), L.offset(of: \.reported_end), L.offset(of: \.space_doorbell), L.offset(of: \.producer_holder),
            L.offset(of: \.consumer_statistics), L.size,
        ]
        #expect(lane == [0, 8, 128, 136, 200, 256, 264, 384, 512, 640, 1024])

        typealias H = MemoryLayout<sr_holder>
        let holder: [Int?] = [
            H.offset(of: \.pid), H.offset(of: \.start_time), H.offset(of: \.attached_ns), H.offset(of: \.name), H.size,
        ]
        #expect(holder == [0, 8, 16, 24, 128])
    }

    @Test("The address functions agree with the offsets") func accessors() {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: 2048 + 3 * 1024, alignment: 128)
        defer { bytes.deallocate() }
        let ring = bytes.assumingMemoryBound(to: sr_lanes_control.self)
        func offset(_ pointer: UnsafeRawPointer) -> Int { pointer - UnsafeRawPointer(bytes) }
        let segment = sr_lanes_segment(ring)
        #expect(offset(sr_persistent(segment)) == 0 && offset(sr_clean(segment)) == 4 && offset(sr_boot_words(segment)) == 8)
        #expect(offset(sr_tickets(ring)) == 128)
        #expect(offset(sr_lanes_used(ring, 63)) == 256)
        #expect(offset(sr_lanes_used(ring, 64)) == 264)
        let consumer = sr_lanes_consumer(ring)
        #expect(offset(consumer) == 1024 && sr_lanes_consumer_offset() == 1024)
        #expect(offset(sr_consumer_doorbell(consumer)) == 1024)
        #expect(offset(sr_consumer_epoch(consumer)) == 1024 + 128)
        #expect(offset(sr_unreported_death(consumer)) == 1024 + 132)
        #expect(offset(sr_consumer_sleeps(consumer)) == 1024 + 256)
        #expect(offset(sr_consumer_holder(consumer)) == 1024 + 384)
        let lane = sr_lane(ring, 2)
        #expect(offset(lane) == 2048 + 2 * 1024 && sr_lane_offset(2) == 4096)
        #expect(offset(sr_producer_epoch(lane)) == 4096 + 8)
        #expect(offset(sr_checkpoint_turn(lane)) == 4096 + 128)
        #expect(offset(sr_checkpoint(lane, 0)) == 4096 + 136 && offset(sr_checkpoint(lane, .max)) == 4096 + 168)
        #expect(offset(sr_head(lane)) == 4096 + 256)
        #expect(offset(sr_space_doorbell(lane)) == 4096 + 384)
        #expect(offset(sr_producer_holder(lane)) == 4096 + 512)
    }

    @Test("Magic, record bits, lock bytes and the layout hashes are version 2's") func constants() {
        #expect(UInt64(SR_MAGIC) == 0x676e_6952_6472_6853)
        #expect(withUnsafeBytes(of: UInt64(SR_MAGIC)) { Array($0) } == Array("ShrdRing".utf8))
        #expect(SR_LAYOUT_MAJOR == 2)
        #expect(UInt64(SR_RECORD_PRESENT) == 1 << 31)
        #expect(UInt64(SR_RECORD_END) == 1 << 31 - 1)
        #expect(sr_lock_first() == 1 << 62)
        #expect(Role.consumer.lockByte == 1 << 62)
        #expect(Role.lane(0).lockByte == 1 << 62 + 1 << 20)
        #expect(Role.lane(1023).lockByte == 1 << 62 + 1 << 20 + 1023)
        #expect(sr_layout_hash(UInt32(SR_KIND_SPSC)) == 0x7d62_422b_d11f_7f6b)
        #expect(sr_layout_hash(UInt32(SR_KIND_MPSC)) == sr_layout_hash(UInt32(SR_KIND_SPSC)), "they use the same blocks")
        #expect(sr_layout_hash(UInt32(SR_KIND_BROADCAST)) == 0xc91d_305f_bc14_4248)
        #expect(sr_layout_hash(UInt32(SR_KIND_BOARD)) == 0x330d_8164_e803_adf1)
        #expect(sr_layout_hash(77) == 0, "an unknown kind has none")
    }

    /// A header whose every field is chosen.
    private func golden() throws -> sr_header {
        var options = RingOptions(capacity: 65536)
        options.recordAlignment = 64
        options.label = "golden"
        options.barrier = .symmetric
        var header = try SegmentHeader(.spsc, options: options, ring: "golden")
        header.instance = .init(high: 0x0706_0504_0302_0100, low: 0x0f0e_0d0c_0b0a_0908)
        header.createdNanoseconds = 0x1122_3344_5566_7788
        return header.stored
    }

    @Test("A header is written with these very bytes", .enabled(if: SegmentHeader.pageSize == 4096)) func goldenBytes() throws {
        let header = try golden()
        let bytes = withUnsafeBytes(of: header) { Array($0) }
        func words(_ range: Range<Int>) -> String { bytes[range].map { String(format: "%02x", $0) }.joined() }
        #expect(words(0..<16) == "5368726452696e67" + "0200" + "0000" + "00020000")
        #expect(words(16..<32) == "0020010000000000" + "00100000" + "01000000")
        #expect(words(32..<48) == String(repeating: "0", count: 32))
        #expect(words(56..<72) == "0010000000000000" + "0020000000000000")
        #expect(words(72..<112) == "8877665544332211" + "000102030405060708090a0b0c0d0e0f" + String(repeating: "0", count: 32))
        #expect(words(128..<136) == "676f6c64656e0000")
        #expect(words(192..<208) == "01000000" + "40000000" + "0000010000000000")
        for range in [112..<128, 136..<192, 208..<504] { #expect(bytes[range].allSatisfy { $0 == 0 }) }
        #expect(header.checksum == 0x1fd2_f0e3_0c39_9115)
    }

    @Test("The checksum is FNV-1a of all bytes before it, and every one of them counts") func checksum() throws {
        let header = try golden()
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        let bytes = withUnsafeBytes(of: header) { Array($0) }
        for byte in bytes[..<504] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        #expect(header.checksum == hash)
        for i in 0..<504 {
            var other = header
            withUnsafeMutableBytes(of: &other) { $0[i] ^= 1 }
            #expect(SegmentHeader.checksum(of: other) != header.checksum)
        }
    }

    @Test("What was written reads back the same") func roundTrip() throws {
        var options = RingOptions(capacity: 5000)
        options.label = "größer"
        let header = try SegmentHeader(RingShape(kind: .mpsc, laneCount: 3, isTotallyOrdered: false), options: options, ring: "r")
        let again = try SegmentHeader(checking: header.stored, fileSize: UInt64(header.totalSize), ring: "r")
        #expect(again == header)
        #expect(again.label == "größer")
        #expect(again.laneCapacity == 8192)
    }
}

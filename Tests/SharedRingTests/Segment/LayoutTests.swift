import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("The layout is the ABI: no size or offset moves unnoticed", .oneByOne)
struct LayoutTests {
    @Test("The header's fields stand where version 1 put them") func headerOffsets() {
        typealias H = MemoryLayout<sr_header>
        let found: [Int?] = [
            H.offset(of: \.magic), H.offset(of: \.abi_major), H.offset(of: \.abi_minor), H.offset(of: \.header_length),
            H.offset(of: \.total_size), H.offset(of: \.page_size), H.offset(of: \.ring_kind), H.offset(of: \.lane_count),
            H.offset(of: \.record_alignment), H.offset(of: \.lane_capacity), H.offset(of: \.control_offset),
            H.offset(of: \.data_offset), H.offset(of: \.required_features), H.offset(of: \.optional_features),
            H.offset(of: \.layout_hash), H.offset(of: \.instance_id), H.offset(of: \.boot_id), H.offset(of: \.created_ns),
            H.offset(of: \.label), H.offset(of: \.reserved), H.offset(of: \.checksum), H.size, H.stride,
        ]
        #expect(
            found == [0, 8, 10, 12, 16, 24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 88, 104, 120, 128, 192, 248, 256, 256])
    }

    @Test("The control blocks' words stand where version 1 put them, each hot one 128 bytes from the next") func controlOffsets() {
        typealias R = MemoryLayout<sr_ring_control>
        let ring: [Int?] = [
            R.offset(of: \.data_doorbell), R.offset(of: \.tickets), R.offset(of: \.lane_bitmap), R.offset(of: \.consumer_epoch),
            R.offset(of: \.untold_death), R.offset(of: \.consumer_statistics), R.offset(of: \.consumer_card), R.offset(of: \.persistent),
            R.offset(of: \.clean), R.size,
        ]
        #expect(ring == [0, 128, 256, 384, 388, 512, 640, 768, 772, 2048])

        typealias L = MemoryLayout<sr_lane_control>
        let lane: [Int?] = [
            L.offset(of: \.pend), L.offset(of: \.producer_epoch), L.offset(of: \.account_turn), L.offset(of: \.accounts),
            L.offset(of: \.producer_statistics),
            L.offset(of: \.head), L.offset(of: \.told_end), L.offset(of: \.space_doorbell), L.offset(of: \.producer_card),
            L.offset(of: \.consumer_statistics), L.size,
        ]
        #expect(lane == [0, 8, 128, 136, 200, 256, 264, 384, 512, 640, 1024])

        typealias C = MemoryLayout<sr_owner_card>
        let card: [Int?] = [
            C.offset(of: \.pid), C.offset(of: \.start_time), C.offset(of: \.attached_ns), C.offset(of: \.name), C.size,
        ]
        #expect(card == [0, 8, 16, 24, 128])
    }

    @Test("The address functions agree with the offsets") func accessors() {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: 2048 + 3 * 1024, alignment: 128)
        defer { bytes.deallocate() }
        let ring = bytes.assumingMemoryBound(to: sr_ring_control.self)
        func offset(_ pointer: UnsafeRawPointer) -> Int { pointer - UnsafeRawPointer(bytes) }
        #expect(offset(sr_data_doorbell(ring)) == 0)
        #expect(offset(sr_lane_bitmap(ring, 63)) == 256)
        #expect(offset(sr_lane_bitmap(ring, 64)) == 264)
        #expect(offset(sr_consumer_epoch(ring)) == 384)
        #expect(offset(sr_consumer_card(ring)) == 640)
        #expect(offset(sr_persistent(ring)) == 768)
        let lane = sr_lane(ring, 2)
        #expect(offset(lane) == 2048 + 2 * 1024)
        #expect(offset(sr_producer_epoch(lane)) == 4096 + 8)
        #expect(offset(sr_account_turn(lane)) == 4096 + 128)
        #expect(offset(sr_account(lane, 0)) == 4096 + 136 && offset(sr_account(lane, .max)) == 4096 + 168)
        #expect(offset(sr_head(lane)) == 4096 + 256)
        #expect(offset(sr_space_doorbell(lane)) == 4096 + 384)
        #expect(offset(sr_producer_card(lane)) == 4096 + 512)
    }

    @Test("Magic, record bits, lock bytes and the layout hash are version 1's") func constants() {
        #expect(UInt64(SR_MAGIC) == 0x676e_6952_6472_6853)
        #expect(withUnsafeBytes(of: UInt64(SR_MAGIC)) { Array($0) } == Array("ShrdRing".utf8))
        #expect(SR_ABI_MAJOR == 1)
        #expect(UInt64(SR_RECORD_PRESENT) == 1 << 31)
        #expect(UInt64(SR_RECORD_END) == 1 << 31 - 1)
        #expect(Role.consumer.lockByte == 1 << 62)
        #expect(Role.lane(0).lockByte == 1 << 62 + 1)
        #expect(Role.lane(1023).lockByte == 1 << 62 + 1024)
        #expect(sr_layout_hash() == 0xe25b_7424_95b7_30fe)
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
        #expect(words(0..<16) == "5368726452696e67" + "0100" + "0000" + "00010000")
        #expect(words(16..<40) == "0020010000000000" + "00100000" + "01000000" + "01000000" + "40000000")
        #expect(words(40..<64) == "0000010000000000" + "0010000000000000" + "0020000000000000")
        #expect(words(64..<80) == String(repeating: "0", count: 32))
        #expect(words(88..<120) == "000102030405060708090a0b0c0d0e0f" + String(repeating: "0", count: 32))
        #expect(words(120..<136) == "8877665544332211" + "676f6c64656e0000")
        #expect(bytes[136..<248].allSatisfy { $0 == 0 })
        #expect(header.checksum == 0x70f7_9dc6_648d_1a0e)
    }

    @Test("The checksum is FNV-1a of all bytes before it, and every one of them counts") func checksum() throws {
        let header = try golden()
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        let bytes = withUnsafeBytes(of: header) { Array($0) }
        for byte in bytes[..<248] { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        #expect(header.checksum == hash)
        for i in 0..<248 {
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

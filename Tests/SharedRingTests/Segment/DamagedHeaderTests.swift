import CSharedRing
import Foundation
import TestPeer
import TestSupport
import Testing

@testable import SharedRing

@Suite("A header is believed only as far as it is checked", .oneByOne)
struct DamagedHeaderTests {
    /// A whole ring's file with a changed header; the checksum made to fit unless asked otherwise.
    private func refuse(
        _ code: RingError.Code, _ facts: String..., recompute: Bool = true, sourceLocation: SourceLocation = #_sourceLocation,
        _ change: (inout sr_header) -> Void
    ) {
        let place = Place()
        let options = place.options()
        expectError(code, sourceLocation: sourceLocation) { () throws(RingError) in
            _ = try SPSCRing.create("a", options: options)
            let file = Glibc.open(place.path("a"), O_RDWR)
            defer { close(file) }
            var header = sr_header()
            pread(file, &header, MemoryLayout<sr_header>.size, 0)
            change(&header)
            if recompute { header.checksum = SegmentHeader.checksum(of: header) }
            pwrite(file, &header, MemoryLayout<sr_header>.size, 0)
            do throws(RingError) {
                _ = try SPSCRing.open("a", options: options).makeProducer()
            } catch {
                for fact in facts { #expect(error.description.contains(fact), "\(error)", sourceLocation: sourceLocation) }
                throw error
            }
        }
    }

    @Test("Magic, byte order, version, checksum") func identity() {
        refuse(.notARing, "starts with", recompute: false) { $0.magic ^= 1 }
        refuse(.incompatible, "big-endian", recompute: false) { $0.magic = $0.magic.byteSwapped }
        refuse(.incompatible, "'a'", "version 3.0", "2.0", "programs of layout 3", recompute: false) { $0.major = 3 }
        refuse(.incompatible, "version 0.0") { $0.major = 0 }
        refuse(.damaged, "checksum", recompute: false) { $0.checksum ^= 1 }
        refuse(.damaged, "checksum", recompute: false) { $0.created_ns += 1 }
        refuse(.incompatible, "layout") { $0.layout_hash ^= 1 }
        for length in [0, 511, 4097, .max] as [UInt32] { refuse(.damaged, "header's length is \(length)") { $0.header_length = length } }
    }

    @Test("Features: an unknown required one is refused, an optional one and a newer minor version are not") func features() throws {
        refuse(.incompatible, "0x8000000000000000") { $0.required_features |= 1 << 63 }
        refuse(.damaged, "total order") { $0.required_features |= UInt64(SR_FEATURE_TOTAL_ORDER) }
        refuse(.incompatible, "features") { $0.required_features |= 8 }
        // Of no boot of this machine, and not flushed.
        refuse(.notFlushed, "restarted") { $0.required_features |= UInt64(SR_FEATURE_FILE_BACKED) }
        var stored = try SegmentHeader(.spsc, options: RingOptions(), ring: "r").stored
        stored.optional_features = .max
        stored.minor = 9
        stored.checksum = SegmentHeader.checksum(of: stored)
        _ = try SegmentHeader(checking: stored, fileSize: stored.total_size, ring: "r")
    }

    @Test("Kind and lane counts") func lanes() {
        refuse(.incompatible, "kind is 0") { $0.kind = 0 }
        refuse(.incompatible, "kind is 77") { $0.kind = 77 }
        refuse(.incompatible, "mpsc") { $0.kind = UInt32(SR_KIND_MPSC) }
        for count in [0, 2, 1025, .max] as [UInt32] { refuse(.damaged, "\(count) lanes") { $0.lanes.lane_count = count } }
        refuse(.damaged, "do not fit") { header in
            header.kind = UInt32(SR_KIND_MPSC)
            header.lanes.lane_count = 2
        }
        refuse(.damaged, "1025 lanes") { header in
            header.kind = UInt32(SR_KIND_MPSC)
            header.lanes.lane_count = 1025
        }
    }

    @Test("Alignment and capacity") func shape() {
        for alignment in [0, 1, 4, 7, 12, 24, 256, 1 << 31, .max] as [UInt32] {
            refuse(.damaged, "alignment is \(alignment)") { $0.lanes.record_alignment = alignment }
        }
        for capacity in [0, 1, 4095, 4097, 6144, 12288, 1 << 41, 1 << 63, .max] as [UInt64] {
            refuse(.damaged, "capacity is \(capacity)") { $0.lanes.lane_capacity = capacity }
        }
        refuse(.damaged, "do not fit") { $0.lanes.lane_capacity = 8192 }
        refuse(.damaged, "do not fit") { $0.lanes.lane_capacity = 1 << 40 }
    }

    @Test("Sizes and offsets, also such that sums overflow") func offsets() {
        for size in [0, 12287, 12289, .max] as [UInt64] { refuse(.damaged, "says \(size)") { $0.total_size = size } }
        for offset in [0, 8192, 12288, 1 << 63, .max - 4095] as [UInt64] {
            refuse(.damaged, "offsets") { $0.control_offset = offset }
        }
        for offset in [0, 4096, 12288, 1 << 63, .max - 4095] as [UInt64] {
            refuse(.damaged, "offsets") { $0.data_offset = offset }
        }
        for offset in [1, 4097, .max] as [UInt64] {
            refuse(.damaged, "multiples") { $0.control_offset = offset }
            refuse(.damaged, "multiples") { $0.data_offset = offset }
        }
        refuse(.damaged, "offsets") { header in
            header.control_offset = .max - 4095
            header.data_offset = 4096
        }
        refuse(.incompatible, "pages of 65536") { header in
            header.page_size = 65536
            header.control_offset = 512
        }
    }

    @Test("Any header of noise behind the right magic is refused, not trapped on") func noise() {
        var random = SplitMix(seed: 3)
        for _ in 0..<3000 {
            var header = sr_header()
            withUnsafeMutableBytes(of: &header) { bytes in
                for i in 0..<bytes.count / 8 { bytes.storeBytes(of: random.next(), toByteOffset: 8 * i, as: UInt64.self) }
            }
            header.magic = UInt64(SR_MAGIC)
            header.major = UInt16(SR_LAYOUT_MAJOR)
            header.header_length = 512
            header.required_features &= 1
            header.kind = UInt32(random.next() % 3)
            header.layout_hash = sr_layout_hash(header.kind)
            header.lanes.lane_count = UInt32(random.next() % 3)
            header.lanes.record_alignment = 8 << UInt32(random.next() % 6)
            header.lanes.lane_capacity = 1 << (random.next() % 64)
            if random.next() & 1 == 0 { header.control_offset = 4096 }
            header.data_offset &= ~4095
            let size = random.next() >> (random.next() % 64)
            header.total_size = size
            header.checksum = SegmentHeader.checksum(of: header)
            do throws(RingError) {
                let accepted = try SegmentHeader(checking: header, fileSize: size, ring: "r")
                #expect(UInt64(accepted.dataOffset + accepted.laneCount * accepted.laneCapacity) <= size)
            } catch {
                #expect([.damaged, .incompatible].contains(error.code))
            }
        }
    }
}

import CSharedRing

/// A reservation of address space with parts of a segment mapped into it, and a page without access on each side.
///
/// Nothing of it is inherited by a forked child (`MADV_DONTFORK`); in one, `deinit` leaves the addresses alone, since
/// they may mean something else there by then.
@safe
final class Mapping: @unchecked Sendable {
    private let reservation: UnsafeMutableRawPointer
    private let reservedCount: Int
    private let generation = sr_fork_generation()

    /// The first usable byte.
    let base: UnsafeMutableRawPointer

    /// `unit`: what the base is a multiple of, a page or a huge page.
    private init(reserving count: Int, unit: Int, ring: String) throws(RingError) {
        reservedCount = count + 2 * unit + (unit > SegmentHeader.pageSize ? unit : 0)
        let address = sr_reserve(UInt64(reservedCount))
        guard address > 0, let pointer = unsafe UnsafeMutableRawPointer(bitPattern: Int(address)) else {
            throw RingError(.system, ring: ring, errno: Int32(-address), "no address space for \(count) bytes")
        }
        unsafe reservation = pointer
        unsafe base = (pointer + unit).alignedUp(toMultipleOf: unit)
    }

    deinit {
        // SAFETY: the reservation is ours alone, and everything that points into it holds a reference to this object.
        if generation == sr_fork_generation() { _ = unsafe sr_unmap(reservation, UInt64(reservedCount)) }
    }

    private func map(
        at place: Int, _ count: Int, of segment: Segment, from offset: Int, writable: Bool, prefault: Bool, ring: String
    ) throws(RingError) {
        // SAFETY: `place + count` lies inside the reservation; see the two callers.
        let result = segment.descriptor.withNumber {
            unsafe sr_map_over(base + place, UInt64(count), $0, UInt64(offset), writable ? 1 : 0, prefault ? 1 : 0)
        }
        guard result == 0 else { throw RingError(.system, ring: ring, errno: -result, "\(count) bytes of it can't be mapped") }
    }

    /// Twice a lane in a core dump, for each endpoint, is time that a dead process keeps its role. A kernel that can't leave it out dumps it.
    private func leaveOutOfDumps(_ count: Int) {
        // SAFETY: the bytes lie inside the reservation; what they hold and who may touch them stays as it is.
        _ = unsafe sr_leave_out_of_dumps(base, UInt64(count))
    }

    /// The control blocks, and where in the mapping they start.
    static func control(
        of segment: Segment, writable: Bool = true, ring: String
    ) throws(RingError) -> (mapping: Mapping, offset: Int) {
        let header = segment.header
        // A huge page can't be mapped in part: the header comes along.
        let start = segment.isHuge ? 0 : header.controlOffset
        // No more than the blocks need: what an untrusted header leaves free behind them may be large.
        let end = header.controlEnd
        let count = (end - start + segment.unit - 1) / segment.unit * segment.unit
        let mapping = try Mapping(reserving: count, unit: segment.unit, ring: ring)
        try mapping.map(at: 0, count, of: segment, from: start, writable: writable, prefault: true, ring: ring)
        return (mapping, header.controlOffset - start)
    }

    /// All of the data, once.
    static func data(of segment: Segment, writable: Bool, prefault: Bool, ring: String) throws(RingError) -> Mapping {
        let count = (segment.header.shape.dataSize + segment.unit - 1) / segment.unit * segment.unit
        let mapping = try Mapping(reserving: count, unit: segment.unit, ring: ring)
        try mapping.map(at: 0, count, of: segment, from: segment.header.dataOffset, writable: writable, prefault: prefault, ring: ring)
        if !segment.isDataDumped { mapping.leaveOutOfDumps(count) }
        return mapping
    }

    /// A lane's data, twice, back to back: a record that starts before the end goes on behind it, in one piece.
    static func lane(
        _ lane: Int, of segment: Segment, writable: Bool, prefault: Bool, ring: String
    ) throws(RingError) -> Mapping {
        let capacity = segment.header.laneCapacity
        let mapping = try Mapping(reserving: 2 * capacity, unit: segment.unit, ring: ring)
        for copy in 0..<2 {
            try mapping.map(
                at: copy * capacity, capacity, of: segment, from: segment.header.dataOffset + lane * capacity,
                writable: writable, prefault: prefault, ring: ring)
        }
        if !segment.isDataDumped { mapping.leaveOutOfDumps(2 * capacity) }
        return mapping
    }
}

extension Segment {
    var isHuge: Bool { facts.huge_page != 0 }
    /// What its maps begin and end at.
    var unit: Int { isHuge ? Int(facts.huge_page) : SegmentHeader.pageSize }
}

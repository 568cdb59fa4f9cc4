/// Counts of durations in ticks, in buckets that are at most a thousandth of their value wide.
///
/// Below 2048 each value has its own bucket; above, each power of two has 1024. Recording allocates nothing.
final class Histogram {
    private static let bucketCount = 1024 * 56
    private let buckets: UnsafeMutablePointer<UInt32>
    private(set) var count = 0
    private(set) var largest: UInt64 = 0

    init() {
        buckets = .allocate(capacity: Self.bucketCount)
        buckets.initialize(repeating: 0, count: Self.bucketCount)  // and every page is touched
    }

    deinit { buckets.deallocate() }

    func reset() {
        buckets.update(repeating: 0, count: Self.bucketCount)
        count = 0
        largest = 0
    }

    @inline(__always)
    func record(_ ticks: UInt64) {
        let shift = max(0, 53 &- ticks.leadingZeroBitCount)
        buckets[shift &<< 10 &+ Int(truncatingIfNeeded: ticks &>> UInt64(shift))] &+= 1
        count &+= 1
        if ticks > largest { largest = ticks }
    }

    /// The value that `fraction` of all do not exceed: the middle of its bucket, never more than the largest.
    func value(at fraction: Double) -> UInt64 {
        let rank = max(1, Int((fraction * Double(count)).rounded(.up)))
        var seen = 0
        for index in 0..<Self.bucketCount {
            seen += Int(buckets[index])
            if seen >= rank {
                guard index >= 2048 else { return min(UInt64(index), largest) }
                let shift = UInt64(index >> 10) - 1
                let low = UInt64(index - Int(shift) << 10) << shift
                return min(low + (1 << shift) / 2, largest)
            }
        }
        return largest
    }
}

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

    /// The duration that `fraction` of all do not exceed, never more than the largest.
    ///
    /// The counter may advance in steps (of 26 ticks, give or take one, on one EPYC), so that all durations are multiples of
    /// the step. The true ones are taken to lie evenly within a step around each multiple.
    func value(at fraction: Double, step: Int) -> Double {
        let rank = max(1, (fraction * Double(count)).rounded(.up))
        var seen = 0.0
        for index in 0..<Self.bucketCount {
            let inBucket = Double(buckets[index])
            guard inBucket == 0 || seen + inBucket < rank else {
                guard index < 2048 else {
                    let shift = index >> 10 - 1
                    return min(Double((index - shift << 10) << shift) + Double(1 << shift) / 2, Double(largest))
                }
                return min(interpolated(rank: rank, at: index, seen: seen, step: step), Double(largest))
            }
            seen += inBucket
        }
        return Double(largest)
    }

    /// Within the multiple of the step that bucket `index` belongs to.
    private func interpolated(rank: Double, at index: Int, seen: Double, step: Int) -> Double {
        let multiple = max(0, index - step / 4)...min(2047, index + step / 4)
        let before = multiple.prefix { $0 < index }.reduce(seen) { $0 - Double(buckets[$1]) }
        let inside = multiple.reduce(0.0) { $0 + Double(buckets[$1]) }
        let middle = multiple.reduce(0.0) { $0 + Double($1) * Double(buckets[$1]) } / inside
        return max(0, middle + Double(step) * ((rank - before) / inside - 0.5))
    }
}

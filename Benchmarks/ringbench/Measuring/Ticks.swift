import BenchReport
import CBench
import CSharedRing

/// The measuring clock: the processor's cycle counter where all cores share its rate, else `CLOCK_MONOTONIC`.
struct Ticks {
    let perNanosecond: Double
    /// What the counter advances by, in ticks.
    let step: Int

    init() {
        perNanosecond = Self.measureRate()
        step = Self.measureStep()
    }

    func nanoseconds(_ ticks: Double) -> Double { ticks / perNanosecond }

    /// The commonest difference of two reads, if the differences of other reads are multiples of it, give or take one;
    /// otherwise 1.
    private static func measureStep() -> Int {
        func differences(pauses: Int) -> [Int] {
            (0..<1000).map { turn in
                let before = cb_ticks()
                for _ in 0..<turn * pauses % 7 { sr_pause() }
                return Int(truncatingIfNeeded: cb_ticks() &- before)
            }
        }
        let step = Int(median(differences(pauses: 0).map(Double.init)))
        guard step > 3 else { return 1 }
        let multiples = differences(pauses: 1).count { ($0 + 1) % step <= 2 }
        return multiples > 900 ? step : 1
    }

    /// Compares the counter with `CLOCK_MONOTONIC` over 50 ms, which is exact to some millionths.
    private static func measureRate() -> Double {
        guard cb_counts_cycles() != 0 else { return 1 }
        let (firstTicks, firstTime) = pair()
        while sr_now_ns() - firstTime < 50_000_000 { sr_pause() }
        let (ticks, time) = pair()
        return Double(ticks - firstTicks) / Double(time - firstTime)
    }

    /// Both clocks at once: of several tries the one that was interrupted least.
    private static func pair() -> (UInt64, Int64) {
        var best: (ticks: UInt64, time: Int64, width: UInt64) = (0, 0, .max)
        for _ in 0..<20 {
            let before = cb_ticks()
            let time = sr_now_ns()
            let after = cb_ticks()
            if after - before < best.width { best = (before + (after - before) / 2, time, after - before) }
        }
        return (best.ticks, best.time)
    }
}

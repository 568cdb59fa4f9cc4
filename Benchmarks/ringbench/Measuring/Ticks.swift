import CBench
import CSharedRing

/// The measuring clock: the processor's cycle counter where all cores share its rate, else `CLOCK_MONOTONIC`.
enum Ticks {
    /// Compares the counter with `CLOCK_MONOTONIC` over 50 ms, which is exact to some millionths.
    static func measureRate() -> Double {
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

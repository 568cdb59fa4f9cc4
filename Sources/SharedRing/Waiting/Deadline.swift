import CSharedRing

/// A moment of `CLOCK_MONOTONIC`, in nanoseconds, made once from a caller's timeout.
struct Deadline {
    static let never = Deadline(nanoseconds: .max)

    let nanoseconds: Int64

    private init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// `nil` is never; zero or less is now. Saturates instead of overflowing.
    init(after timeout: Duration?) {
        guard let timeout else {
            self = .never
            return
        }
        let parts = timeout.components
        let (whole, overflow) = parts.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow {
            self = parts.seconds < 0 ? Deadline(nanoseconds: 0) : .never
            return
        }
        let (sum, overflows) = whole.addingReportingOverflow(parts.attoseconds / 1_000_000_000)
        let (moment, passes) = sr_now_ns().addingReportingOverflow(sum)
        nanoseconds = overflows || passes ? (whole < 0 ? 0 : .max) : moment
    }

    func isPassed(at now: Int64) -> Bool { now >= nanoseconds }
}

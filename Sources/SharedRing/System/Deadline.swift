import CSharedRing

/// A moment of `CLOCK_MONOTONIC`, in nanoseconds, made once from a caller's timeout.
struct Deadline {
    static let never = Deadline(nanoseconds: .max)
    /// For what is not to wait at all.
    static let passed = Deadline(nanoseconds: 0)

    let nanoseconds: Int64

    fileprivate init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

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

/// How far a call that waits has come, as one word: the caller keeps it from one try to the next.
@frozen
@usableFromInline
struct Patience: Equatable {
    /// A moment as in `Deadline`, or one of these.
    @usableFromInline let word: Int64

    @inlinable
    init(word: Int64) { self.word = word }

    /// Nothing was tried yet.
    @inlinable static var fresh: Patience { Patience(word: 0) }
    /// It looked a few times.
    static var watched: Patience { Patience(word: 1) }
    /// There is nothing to wait for any more.
    @inlinable static var ended: Patience { Patience(word: -1) }

    @inlinable
    static func == (one: Patience, other: Patience) -> Bool { one.word == other.word }

    init(_ deadline: Deadline) { word = max(2, deadline.nanoseconds) }

    /// Made once: a peer that shows a record and hides it must not start it anew.
    func deadline(after timeout: Duration?) -> Deadline {
        word > 1 ? Deadline(nanoseconds: word) : Deadline(after: timeout)
    }
}

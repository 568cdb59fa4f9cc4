/// How long to wait for the other side without progress.
struct Patience {
    /// Nil: for ever.
    let limit: Duration?
    /// How the limit was written, for people.
    let word: String

    init(_ arguments: Arguments) throws {
        limit = try arguments.value("--timeout", "duration, like 500ms, 2s or 1m", DurationNotation.duration)
        let written = arguments.text("--timeout") ?? "ever"
        word = Double(written) == nil ? written : "\(written) s"
    }

    /// How often a waiting endpoint looks whether the other side lives: several times before the limit is reached, or a
    /// death would be reported as a timeout.
    var checkInterval: Duration {
        let usual = Duration.milliseconds(100)
        return limit.map { max(.milliseconds(1), min(usual, $0 / 8)) } ?? usual
    }

    /// How long to wait at a time before looking whether there was progress; longer than a check interval.
    var step: Duration? { limit.map { min($0, checkInterval * 3) } }

    func isExhausted(since start: ContinuousClock.Instant) -> Bool {
        limit.map { start.duration(to: .now) >= $0 } ?? false
    }

    /// How long a wait that looks up once in a check interval, for deaths and signals, may still take. Waiting looks round as often anyway.
    func rest(since start: ContinuousClock.Instant) -> Duration {
        let longest = Duration.milliseconds(100)
        return limit.map { max(.zero, min(longest, $0 - start.duration(to: .now))) } ?? longest
    }
}

import SharedRing

/// How many senders make the stream of a `receive`, and which of them count.
struct Senders {
    let count: Int
    /// Whether those count whose end was reported to an earlier receiver.
    let includesEarlier: Bool

    /// Nil: nothing was said about that.
    init?(_ arguments: Arguments) throws {
        let (since, ever) = (try arguments.count("--senders"), try arguments.count("--senders-ever"))
        if since != nil && ever != nil {
            throw ToolFailure.usage("'--senders' and '--senders-ever' exclude each other", of: arguments.command)
        }
        guard let count = since ?? ever else { return nil }
        self.count = count
        includesEarlier = ever != nil
    }

    var ending: MergingConsumer.Ending { .whenAllEnded(atLeast: count, includingEarlier: includesEarlier) }

    /// How many that attached do not count, by a report of when this receiver came.
    func uncounted(in report: RingReport) -> Int { includesEarlier ? 0 : report.endsReported }
}

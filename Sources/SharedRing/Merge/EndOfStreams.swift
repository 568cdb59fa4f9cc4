/// When the merged streams end as a whole, and how that is told. One step a look that found nothing, without a look at any lane.
///
/// Invariants:
/// - An end is told at most once for the same attachments: `attachmentsAtEnd` only grows.
/// - A death is told with the next end, once, and is the newest of those that were noted since.
struct EndOfStreams {
    /// What a look that found nothing comes to.
    enum Verdict {
        /// A message may still come.
        case open
        /// All have ended.
        case ended
        /// All have ended, one of them by death.
        case died(RingError)
        /// All have ended, but what is in some lanes can't be read, and must not be taken for received.
        case unreadable
    }

    /// Nil: the streams never end.
    let expected: ExpectedEnds?
    /// How many attachments there had been when an end was told.
    private(set) var attachmentsAtEnd: UInt64 = 0
    /// A death that is told with the next end.
    private(set) var death: RingError?

    init(_ expected: ExpectedEnds?) { self.expected = expected }

    mutating func note(_ death: RingError) { self.death = death }

    /// - Parameters:
    ///   - attachments: how many there have been, if every one is over and every lane is quiet; else nil.
    ///   - isReadable: whether every lane that is in use can be read.
    mutating func step(attachments: UInt64?, isReadable: Bool) -> Verdict {
        guard let expected, let attachments, attachments > attachmentsAtEnd, attachments >= UInt64(max(expected.atLeast, 1)) else {
            return .open
        }
        attachmentsAtEnd = attachments
        guard isReadable else { return .unreadable }
        guard let death else { return .ended }
        self.death = nil
        return .died(death)
    }
}

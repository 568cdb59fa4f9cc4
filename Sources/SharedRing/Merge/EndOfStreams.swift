/// When the merged streams end as a whole. A step for each look that found nothing, and one when an end is handed out; neither looks at a lane.
///
/// Between the two the end is found and not reported: the caller may acknowledge, close or be killed meanwhile, and its successor is to find the
/// same end.
///
/// Invariants:
/// - An end is found at most once for the same attachments: `attachmentsAtEnd` only grows.
/// - A death is reported with the next end, once, and is the newest of those that were noted since.
/// - A death is forgotten when it is reported, and not before. No look passes an end that was found, so none is noted between the two.
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
    /// How many attachments there had been when an end was found.
    private(set) var attachmentsAtEnd: UInt64 = 0
    /// A death that is reported with the next end.
    private(set) var death: RingError?
    /// The end that was found and not handed out yet; otherwise `open`.
    private var found = Verdict.open

    init(_ expected: ExpectedEnds?) { self.expected = expected }

    mutating func note(_ death: RingError) { self.death = death }

    /// Whether an end was found that was not handed out yet.
    var isUnreported: Bool { if case .open = found { false } else { true } }

    /// The end that was found is handed out.
    mutating func report() {
        if case .died = found { death = nil }
        found = .open
    }

    /// - Parameters:
    ///   - attachments: how many there have been, if every one is over and every lane is quiet; else nil.
    ///   - isReadable: whether every lane that is in use can be read.
    mutating func step(attachments: UInt64?, isReadable: Bool) -> Verdict {
        guard let expected, let attachments, attachments > attachmentsAtEnd, attachments >= UInt64(max(expected.atLeast, 1)) else {
            return .open
        }
        attachmentsAtEnd = attachments
        found = isReadable ? death.map(Verdict.died) ?? .ended : .unreadable
        return found
    }
}

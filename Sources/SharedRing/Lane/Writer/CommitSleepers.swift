import CSharedRing

/// Whom a commit wakes. Chosen when the writer is made; used when the word that a commit looks at says that somebody may be asleep.
///
/// A lane has one consumer, which sleeps on a doorbell. A segment with many readers adds a case: an event count, whose word is odd while
/// somebody may be asleep. The look tests that bit then, in a doorbell as well; it is as cheap.
@safe
enum CommitSleepers {
    /// One consumer, asleep on this word: 0 awake, 1 asleep.
    case one(doorbell: UnsafeMutablePointer<UInt32>)

    func wake() {
        switch self {
        // SAFETY: the word lies in the control mapping, which the attachment keeps.
        case .one(let doorbell): unsafe Doorbell.wake(doorbell)
        }
    }
}

import CSharedRing

/// The sleepers that a commit wakes. Chosen when the writer is made; used when the word that a commit loads says that there may be one.
///
/// A lane has one consumer, which sleeps on a doorbell. The subscribers of a broadcast sleep on an event count, whose word is odd while there may be a sleeper. A
/// commit tests the lowest bit of either word.
@safe
enum CommitSleepers {
    /// One consumer, asleep on this word: 0 awake, 1 asleep.
    case one(doorbell: UnsafeMutablePointer<UInt32>)
    /// Many subscribers, asleep on this event count.
    case many(events: UnsafeMutablePointer<UInt32>)

    /// The word that says whether there may be a sleeper.
    var word: UnsafeMutablePointer<UInt32> {
        switch self {
        case .one(let doorbell): unsafe doorbell
        case .many(let events): unsafe events
        }
    }

    /// Whether the word says so. Relaxed: the barrier of the commit orders it.
    var mayBeAsleep: Bool {
        switch self {
        // SAFETY: the word lies in the control mapping, which the attachment keeps.
        case .one(let doorbell): unsafe sr_load_relaxed_u32(doorbell) != 0
        case .many(let events): unsafe sr_load_relaxed_u32(events) & 1 != 0
        }
    }

    func wake() {
        switch self {
        // SAFETY: the word lies in the control mapping, which the attachment keeps.
        case .one(let doorbell): unsafe Doorbell.wake(doorbell)
        case .many(let events): unsafe EventCount.wake(events)
        }
    }
}

import CSharedRing

/// The word that an endpoint sleeps on, and what its kind asks of a sleeper and of a waker.
@safe
enum SleepWord {
    /// At most one sleeper: 0 awake, 1 asleep. See ``Doorbell``.
    case doorbell(UnsafeMutablePointer<UInt32>)
    /// Any number of sleepers. See ``EventCount``.
    case eventCount(UnsafeMutablePointer<UInt32>)

    var address: UnsafeMutablePointer<UInt32> {
        switch self {
        case .doorbell(let word), .eventCount(let word): unsafe word
        }
    }

    // SAFETY, for all of these: the word lies in a control mapping that the owner of this value keeps.

    /// Says that a sleeper may be asleep from now on. A full barrier and a check of every condition follow.
    ///
    /// - Returns: the value of the word on which to sleep.
    func declareAsleep() -> UInt32 {
        switch self {
        case .doorbell(let word):
            // SYNC: doorbell, space-doorbell (see Sleeper.declareAsleep). Relaxed: the barrier that follows orders it.
            unsafe sr_store_relaxed_u32(word, 1)
            return 1
        case .eventCount(let word): return unsafe EventCount.declareAsleep(word)
        }
    }

    /// Says that this sleeper is awake, where no other can be asleep.
    func declareAwake() {
        switch self {
        // Relaxed: a late view of it costs a waker one vain system call.
        case .doorbell(let word): unsafe sr_store_relaxed_u32(word, 0)
        // The bit is every sleeper's: to clear it here would lose another's wake.
        case .eventCount: break
        }
    }

    /// Wakes whatever sleeps on the word, without a look at it. A system call.
    func wake() {
        switch self {
        case .doorbell(let word): unsafe Doorbell.wake(word)
        case .eventCount(let word): unsafe EventCount.wake(word)
        }
    }
}

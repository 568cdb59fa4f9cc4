public import CSharedRing

/// A word that any number of sleepers sleep on. Bit 0: there may be a sleeper. Bits 1 to 31: how often there was a wake; they wrap.
///
/// - A sleeper sets bit 0 with a fetch-and-or, passes a full barrier, checks every condition again, and sleeps while the word has that value. It
///   stores nothing afterwards, whatever ended its sleep. Its next wait begins anew.
/// - A waker commits, passes its barrier and loads the word. If the word is odd, one `FUTEX_WAKE_OP` adds 1 to it and wakes all.
/// - A canceller makes that call without a look at the word.
///
/// To add 1 to an odd word clears the bit and counts, in one step under the kernel's lock of the futex. So while a sleeper is in the kernel's queue,
/// the word is odd and has the value that this sleeper waits for. Two wakers that both saw the bit leave the word odd with no sleeper: one vain
/// wake. So does a sleeper that timed out or was killed. A waker that was killed before its call leaves the word odd: the next commit wakes.
///
/// A wake costs the waker time for each sleeper; S sleepers pass S barriers. A word with one sleeper by ownership is a ``Doorbell``.
@usableFromInline
enum EventCount {
    /// Says that a sleeper may be asleep from now on. A full barrier and a check of every condition follow.
    ///
    /// - Returns: the value of the word on which to sleep.
    static func declareAsleep(_ word: UnsafeMutablePointer<UInt32>) -> UInt32 {
        // SYNC: event-count (pairs with a waker's load of the word, `isAnyoneAsleep`): the bit before, all checks after the barrier that follows.
        // SAFETY: a word of a mapping that the caller keeps alive.
        unsafe sr_fetch_or_acq_rel_u32(word, 1) | 1
    }

    /// Whether a sleeper may be asleep. By a waker, behind its commit and its barrier.
    @inlinable
    @inline(__always)
    static func isAnyoneAsleep(_ word: UnsafeMutablePointer<UInt32>) -> Bool {
        // SYNC: event-count (pairs with `declareAsleep`). Relaxed: the barrier before it orders it.
        // SAFETY: as above.
        unsafe sr_load_relaxed_u32(word) & 1 != 0
    }

    /// Counts a wake and wakes all sleepers, in one system call.
    ///
    /// One step, for the reason that ``Doorbell/wake(_:)`` has. Nothing depends on the word's value, which an untrusted peer may have stored.
    @inline(never)
    static func wake(_ word: UnsafeMutablePointer<UInt32>) {
        // SAFETY: as above. Where the word is not mapped, in a forked child or in a truncated file, the kernel finds that out.
        let result = unsafe sr_futex_add_and_wake(word)
        guard result < 0, result != -SystemFailure.badAddress else { return }
        // The call worked at attach and does not now (a seccomp filter installed since). In two steps then: the check interval bounds what a
        // kill between them costs.
        _ = unsafe sr_fetch_add_acq_rel_u32(word, 1)
        _ = unsafe sr_futex_wake(word)
    }
}

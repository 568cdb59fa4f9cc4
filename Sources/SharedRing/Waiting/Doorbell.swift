import CSharedRing

/// The words that sleepers sleep on: 0 awake, 1 asleep, at most one sleeper a word.
@usableFromInline
enum Doorbell {
    /// Clears the word and wakes its sleeper, in one system call.
    ///
    /// One step, because a waker may be killed between two: with "clear, then wake" that would leave 0 behind and the
    /// sleeper asleep, and the next waker would see no sleeper. All are woken, because an untrusted peer might be asleep
    /// there too and eat a single wake.
    @usableFromInline
    @inline(never)
    static func wake(_ word: UnsafeMutablePointer<UInt32>) {
        // SAFETY: a word of a mapping that the caller keeps alive. It may not be there in a forked child, or if its file was truncated: the
        // kernel finds that out, and the word is not touched then.
        let result = unsafe sr_futex_clear_and_wake(word)
        guard result < 0, result != -SystemFailure.badAddress else { return }
        // It worked at attach and does not now (a seccomp filter installed since). In two steps then: the check interval bounds what a kill
        // between them costs.
        unsafe sr_store_release_u32(word, 0)
        _ = unsafe sr_futex_wake(word)
    }
}

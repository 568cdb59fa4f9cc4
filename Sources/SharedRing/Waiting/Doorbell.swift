import CSharedRing

/// The words that sleepers sleep on: 0 awake, 1 asleep, at most one sleeper a word.
@usableFromInline
enum Doorbell {
    /// Wakes who sleeps on the word, and says so in it, in one system call.
    ///
    /// One step, because a waker may be killed between two: with "clear, then wake" that would leave 0 behind and the
    /// sleeper asleep, and the next waker would see nobody to wake. All are woken, because a stranger might be asleep
    /// there too and eat a single wake.
    @usableFromInline
    @inline(never)
    static func wake(_ word: UnsafeMutablePointer<UInt32>) {
        // SAFETY: a word of a mapping that the caller keeps alive. The call fails only for a bad address.
        _ = unsafe sr_futex_clear_and_wake(word)
    }
}

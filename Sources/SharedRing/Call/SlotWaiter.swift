import CSharedRing
import Synchronization

/// A caller that waits until a slot is free.
@safe
final class SlotWaiter: @unchecked Sendable {
    private unowned let pool: ClientPool
    /// A doorbell of this process, and the count of sleeps.
    private let words: OwnWords
    let sleeper: Sleeper
    let watch: Watch
    let cancelFlag: CancelFlag
    /// Written under the pool's lock before `hasSlot`.
    private var slot: ClientSlot?
    private let hasSlot = Atomic(false)

    init(_ pool: ClientPool, waiting: WaitStrategy) {
        self.pool = pool
        words = OwnWords()
        let word: SleepWord = unsafe .doorbell(words.word)
        cancelFlag = CancelFlag(word: word, keeping: words)
        // Open slots become quiet without a word to this process: so it looks at them in moments.
        sleeper = unsafe Sleeper(
            word: word, barrier: .symmetric, strategy: waiting, checkInterval: 5_000_000, cancelFlag: cancelFlag, sleeps: words.sleeps,
            ring: pool.memory.ring, isPolling: true)
        watch = Watch(sleeper)
    }

    var isGranted: Bool { hasSlot.load(ordering: .acquiring) }

    /// Under the pool's lock. `wake` follows.
    func grant(_ slot: ClientSlot) {
        self.slot = slot
        hasSlot.store(true, ordering: .releasing)
    }

    func wake() {
        // The waiter may have gone once it has the grant, and then this is the last reference: the word is this process's own memory.
        defer { withExtendedLifetime(self) {} }
        // SYNC: cancel (see CancelFlag.raise): the grant before, the wake after; the waiter stores its word before and looks at the grant after.
        sr_fence_full()
        sleeper.word.wake()
    }

    /// The slot, once it was granted.
    func granted() -> ClientSlot? { isGranted ? slot : nil }

    func checkPeers() -> ClientSlot? {
        pool.findSlot(for: self)
        return granted()
    }
}

extension SlotWaiter: Awaited {
    func prepareToWait() throws(RingError) {}
    func isReady() -> Bool { isGranted }
    func isReadyOnCheckingPeers() -> Bool { checkPeers() != nil }
    func handOver(saying error: RingError) {}
    func takeBack() {}
}

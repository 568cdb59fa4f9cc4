import CSharedRing
import Synchronization

/// Ends an endpoint's waiting from another thread.
///
/// After ``cancel()`` every call of the endpoint that may wait throws `cancelled`, until ``reset()``: the one under way as soon as it has to
/// wait, the next ones at once, though a message be there, or room. So a receiver or sender that never has to wait ends as well. Nothing is
/// lost by that: messages stay where they are, and calls that never wait (`poll`, `nextIfAvailable`, `drain`, `trySend`, `tryClaim`, `tryAppend`) go on
/// as before. Safe from any thread; not from a signal handler.
public struct Canceller: Sendable {
    private let flag: CancelFlag

    init(_ flag: CancelFlag) { self.flag = flag }

    /// Whether ``cancel()`` was called, and not ``reset()`` since. Neither blocks nor makes a system call.
    public var isCancelled: Bool { flag.isRaised }

    /// Cancels the wait under way, if there is one, and the calls to come that may wait. Two system calls; does not block. In a forked child it does
    /// nothing: the endpoint is the parent's.
    public func cancel() { flag.raise() }

    /// Lets the endpoint wait again.
    public func reset() { flag.lower() }
}

/// The flag behind a ``Canceller``, and the doorbell of the endpoint it belongs to.
///
/// A call that need not wait never comes to look at it. So what the fast path compares is changed under it, in the endpoint's own memory, which this
/// may touch only until the endpoint detaches it.
@safe
final class CancelFlag: @unchecked Sendable {
    private let word: UnsafeMutablePointer<UInt32>
    private let hungUp = Atomic(false)
    private let sleepWord: SleepWord
    /// Keeps the sleep word mapped.
    private let mapping: AnyObject
    private let generation = sr_fork_generation()
    /// The addresses of a copy of the flag, and of the word that closes a fast path. One of each lane.
    private typealias Gate = (flag: UInt, word: UInt)
    /// The lock is held while words are stored, so that they agree, and while gates come and go.
    private let gates = Guarded<[Gate]>([])
    /// Further words that sleepers who look at this flag sleep on, in the same mapping: while they wait.
    private let others = Guarded<[SleepWord]>([])

    /// - Parameter mapping: what keeps the sleep word mapped.
    init(word sleepWord: SleepWord, keeping mapping: AnyObject) {
        unsafe word = .allocate(capacity: 1)
        unsafe word.initialize(to: 0)
        self.sleepWord = sleepWord
        self.mapping = mapping
    }

    convenience init(doorbell: UnsafeMutablePointer<UInt32>, keeping mapping: AnyObject) {
        unsafe self.init(word: .doorbell(doorbell), keeping: mapping)
    }

    deinit { unsafe word.deallocate() }

    private var isInherited: Bool { generation != sr_fork_generation() }

    // SAFETY, for all of these: `word` is ours until `deinit`; the sleep word is mapped while `mapping` lives, except in
    // a forked child, where the wake fails harmlessly with EFAULT.

    /// SYNC: cancel (pairs with Sleeper.declareAsleep): the flag before, the wake after; the sleeper stores its word before and
    /// looks at the flag after.
    func raise() {
        // This may be the last reference to what the sleep word lies in.
        defer { withExtendedLifetime(self) {} }
        guard !isInherited else { return }  // nor is the lock to be trusted there
        gates.withLock { gates in
            store(1, gates)
            // SYNC: cancel-seen (pairs with LaneReader.forgetSizeIfCancelled and LaneWriter.setWindowEnd): the flags before, the words after.
            // Where it fails, or the process is not registered for it, they look again when space is due: within an eighth of the ring, or a lap with manual acknowledgement.
            _ = sr_membarrier_global()
            // SAFETY: as in `store`. Relaxed: they order nothing.
            for gate in gates { unsafe sr_store_relaxed_u64(UnsafeMutablePointer<UInt64>(bitPattern: gate.word)!, .max) }
        }
        sr_fence_full()
        sleepWord.wake()
        others.withLock { for word in $0 { word.wake() } }
    }

    /// Until `forget`, the flag wakes that word as well. It lies in the mapping that the flag keeps.
    ///
    /// SYNC: cancel (pairs with `raise`): the word is here before its sleeper looks at the flag, or `raise` finds it here.
    func alsoWake(_ word: SleepWord) { if !isInherited { others.withLock { $0.append(word) } } }

    func forget(_ word: SleepWord) {
        guard !isInherited else { return }
        others.withLock { words in
            if let index = words.firstIndex(where: { unsafe $0.address == word.address }) { words.remove(at: index) }
        }
    }

    func lower() { if !isInherited { gates.withLock { store(0, $0) } } }

    var isRaised: Bool { unsafe sr_load_acquire_u32(word) != 0 }

    /// Set for good when the other side of a link has hung up. Every sleeper loads this before it sleeps. A wake alone would be lost on
    /// a sleeper that is not asleep yet.
    ///
    /// SYNC: hang-up (pairs with Sleeper.wait and Watch.outcome): this before, the wake after; the sleeper stores its word before and looks here after.
    func noteHangUp() {
        hungUp.store(true, ordering: .sequentiallyConsistent)
        sr_fence_full()
    }

    var isHungUp: Bool { hungUp.load(ordering: .acquiring) }

    private func store(_ value: UInt32, _ gates: [Gate]) {
        unsafe sr_store_release_u32(word, value)
        // SAFETY: the endpoint detaches before that memory is another's. Relaxed: a sleeper decides by `word`.
        for gate in gates { unsafe sr_store_relaxed_u32(UnsafeMutablePointer<UInt32>(bitPattern: gate.flag)!, value) }
    }

    /// From now on the flag is to be seen there, too, and `word` to be made `UInt64.max` when it is raised: that closes a fast path, which looks at the flag
    /// before it opens again.
    func attach(_ flag: UnsafeMutablePointer<UInt32>, closing word: UnsafeMutablePointer<UInt64>) {
        gates.withLock { gates in
            gates.append((UInt(bitPattern: flag), UInt(bitPattern: word)))
            guard isRaised else { return }
            unsafe sr_store_relaxed_u32(flag, 1)
            unsafe sr_store_relaxed_u64(word, .max)
        }
    }

    /// That memory is about to be another's. In a forked child it is the child's own, and the lock may be held by a thread that is not there.
    func detach() { if !isInherited { gates.withLock { $0 = [] } } }
}

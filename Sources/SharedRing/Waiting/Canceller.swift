import CSharedRing

/// Ends an endpoint's waiting from another thread.
///
/// After ``cancel()`` every call of the endpoint that would wait throws `cancelled` instead, until ``reset()``. Calls that
/// need not wait go on as before, so nothing is lost. Safe from any thread; not from a signal handler.
public struct Canceller: Sendable {
    private let flag: CancelFlag

    init(_ flag: CancelFlag) { self.flag = flag }

    /// Cancels the wait under way, if there is one, and those to come. One system call; does not block.
    public func cancel() { flag.raise() }

    /// Lets the endpoint wait again.
    public func reset() { flag.lower() }
}

/// The flag behind a ``Canceller``, and the doorbell of the endpoint it belongs to.
@safe
final class CancelFlag: @unchecked Sendable {
    private let word: UnsafeMutablePointer<UInt32>
    private let doorbell: UnsafeMutablePointer<UInt32>
    /// Keeps the doorbell mapped.
    private let attachment: Attachment

    init(doorbell: UnsafeMutablePointer<UInt32>, attachment: Attachment) {
        unsafe word = .allocate(capacity: 1)
        unsafe word.initialize(to: 0)
        unsafe self.doorbell = doorbell
        self.attachment = attachment
    }

    deinit { unsafe word.deallocate() }

    // SAFETY, for all of these: `word` is ours until `deinit`; the doorbell is mapped while `attachment` lives, except in
    // a forked child, where the wake fails harmlessly with EFAULT.

    /// SYNC: cancel (pairs with Sleeper.declareAsleep): the flag before, the wake after; the sleeper stores its word before and
    /// looks at the flag after.
    func raise() {
        unsafe sr_store_release_u32(word, 1)
        sr_fence_full()
        unsafe Doorbell.wake(doorbell)
    }

    func lower() { unsafe sr_store_release_u32(word, 0) }

    var isRaised: Bool { unsafe sr_load_acquire_u32(word) != 0 }
}

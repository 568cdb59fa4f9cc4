/// A sleep word and a sleep counter outside any segment: for a waiter of this process alone, or one that may not write the segment.
@safe
final class OwnWords: @unchecked Sendable {
    let word: UnsafeMutablePointer<UInt32>
    let sleeps: UnsafeMutablePointer<UInt64>

    init() {
        unsafe word = .allocate(capacity: 1)
        unsafe word.initialize(to: 0)
        unsafe sleeps = .allocate(capacity: 1)
        unsafe sleeps.initialize(to: 0)
    }

    deinit {
        unsafe word.deallocate()
        unsafe sleeps.deallocate()
    }
}

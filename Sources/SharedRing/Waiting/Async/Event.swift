import CSharedRing
import Synchronization

/// The descriptor of an event source, and whose turn it is: the owner's, who looks, or the waiter thread's, who waits.
final class Event: @unchecked Sendable {
    private enum Turn: UInt32, AtomicRepresentable {
        case owner
        case waiter
        /// The waiter thread is done, and the owner has not come back yet.
        case over
    }

    let descriptor: Descriptor
    private let endpoint: any Awaited
    private let watch: Watch
    private let generation = sr_fork_generation()
    private let turn = Atomic(Turn.owner)
    /// Written by the waiter thread before it says `over`.
    private var wasCancelled = false

    init(_ endpoint: any Awaited, _ watch: Watch) throws(RingError) {
        let number = sr_event()
        guard number >= 0 else { throw RingError(.system, ring: watch.sleeper.ring, errno: -number, "no event descriptor") }
        descriptor = Descriptor(number)
        self.endpoint = endpoint
        self.watch = watch
        _ = descriptor.withNumber { sr_event_set($0) }
    }

    /// Whether the owner may look. Takes the endpoint back where the wait is over.
    var isOwned: Bool {
        // SYNC: event-over (pairs with `arm`): the waiter thread's uses of the endpoint come before.
        switch turn.load(ordering: .acquiring) {
        case .owner: return true
        case .waiter: return false
        case .over:
            turn.store(.owner, ordering: .relaxed)  // relaxed: only the owner reads it until the next hand-over
            watch.giveBack(endpoint)
            return true
        }
    }

    /// `isOwned`, for a caller that is no forked child.
    func mayLook() throws(RingError) -> Bool {
        guard sr_fork_generation() == generation else {
            throw RingError(.forked, ring: watch.sleeper.ring, "this event source belongs to the parent of this forked process")
        }
        return isOwned
    }

    /// Nothing is there: the descriptor is not readable from now until something is.
    func arm() throws(RingError) {
        if wasCancelled, watch.sleeper.cancelFlag.isRaised {
            throw RingError(.cancelled, ring: watch.sleeper.ring, "waiting for message was cancelled")
        }
        wasCancelled = false
        // Before the hand-over: whatever comes later is found by the waiter thread's first look, and sets it again.
        _ = descriptor.withNumber { sr_event_clear($0) }
        turn.store(.waiter, ordering: .relaxed)  // relaxed: the pool's lock hands it over
        do throws(RingError) {
            try endpoint.prepareToWait()
            try watch.begin(for: endpoint) { [self] outcome in
                wasCancelled = outcome == .cancelled
                // SYNC: event-over (pairs with `isOwned`). Before the descriptor: who sees that readable finds the endpoint free.
                turn.store(.over, ordering: .releasing)
                _ = descriptor.withNumber { sr_event_set($0) }
            }
        } catch {
            turn.store(.owner, ordering: .relaxed)
            _ = descriptor.withNumber { sr_event_set($0) }
            throw error
        }
    }

    /// Ends the wait. Returns when the endpoint is its owner's again; at once in a forked child, where no thread waits.
    func takeBack() {
        guard sr_fork_generation() == generation else { return }
        while !isOwned {
            watch.abandon()
            sr_sleep_ns(20_000)
        }
    }

    /// The owner has gone.
    func abandon() { if turn.load(ordering: .relaxed) == .waiter, sr_fork_generation() == generation { watch.abandon() } }
}

/// Ends the wait when its event source is dropped: the waiter thread keeps the event itself.
final class EventLease: Sendable {
    let event: Event

    private init(_ event: Event) { self.event = event }

    /// Not inlined: with this in a consuming function, Swift 6.3's optimizer loses track of who owns what, and crashes.
    @inline(never)
    static func of(_ endpoint: any Awaited, _ watch: Watch) throws(RingError) -> EventLease {
        EventLease(try Event(endpoint, watch))
    }

    deinit { event.abandon() }
}

import CSharedRing
import Synchronization

/// The descriptor of an event source, and which side has the endpoint: the owner polls it, or the waiter thread waits on it.
final class Event: Sendable {
    /// What the waiter thread reports the end of a wait to. It does not keep the endpoint, which may end while the thread is still reporting.
    private final class Signal: @unchecked Sendable {
        enum Turn: UInt32, AtomicRepresentable {
            case owner
            case waiter
            /// The waiter thread is done, and the owner has not come back yet.
            case over
        }

        let descriptor: Descriptor
        let turn = Atomic(Turn.owner)
        /// Written by the waiter thread before it says `over`.
        var wasCancelled = false

        init(_ descriptor: Descriptor) { self.descriptor = descriptor }

        func report(_ outcome: Watch.Outcome) {
            wasCancelled = outcome == .cancelled
            // SYNC: event-over (pairs with `isOwned`). Stored before the descriptor becomes readable: an owner that sees it readable
            // finds the endpoint free.
            turn.store(.over, ordering: .releasing)
            _ = descriptor.withNumber { sr_event_set($0) }
        }
    }

    private let signal: Signal
    private let endpoint: any Awaited
    private let watch: Watch
    private let generation = sr_fork_generation()

    var descriptor: Descriptor { signal.descriptor }

    init(_ endpoint: any Awaited, _ watch: Watch) throws(RingError) {
        let number = sr_event()
        guard number >= 0 else { throw RingError(.system, ring: watch.sleeper.ring, errno: -number, "no event descriptor") }
        signal = Signal(Descriptor(number))
        self.endpoint = endpoint
        self.watch = watch
        _ = descriptor.withNumber { sr_event_set($0) }
    }

    /// Whether the owner may look. Takes the endpoint back where the wait is over.
    var isOwned: Bool {
        // SYNC: event-over (pairs with `Signal.report`), for both loads: the waiter thread's uses of the endpoint come before.
        switch signal.turn.load(ordering: .acquiring) {
        case .owner: return true
        case .waiter:
            // The end of the wait before may set the descriptor late, behind the `arm` that followed: it would be readable until the next message. So it
            // is cleared here. Should this wait have ended meanwhile, its own setting may have been cleared; the second look finds that.
            _ = descriptor.withNumber { sr_event_clear($0) }
            guard signal.turn.load(ordering: .acquiring) == .over else { return false }
            _ = descriptor.withNumber { sr_event_set($0) }
            fallthrough
        case .over:
            signal.turn.store(.owner, ordering: .relaxed)  // relaxed: only the owner reads it until the next hand-over
            watch.finishWait(of: endpoint)
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
        if signal.wasCancelled, watch.sleeper.cancelFlag.isRaised {
            throw RingError(.cancelled, ring: watch.sleeper.ring, "waiting for message was cancelled")
        }
        signal.wasCancelled = false
        // Before the hand-over: whatever comes later is found by the waiter thread's first look, and sets it again.
        _ = descriptor.withNumber { sr_event_clear($0) }
        signal.turn.store(.waiter, ordering: .relaxed)  // relaxed: the pool's lock hands it over
        do throws(RingError) {
            try endpoint.prepareToWait()
            try watch.begin(for: endpoint) { [signal] outcome in signal.report(outcome) }
        } catch {
            signal.turn.store(.owner, ordering: .relaxed)
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
}

/// Ends the wait when its event source is dropped, and waits until the waiter thread has let go of the endpoint: what it held is free then.
final class EventLease: Sendable {
    let event: Event

    private init(_ event: Event) { self.event = event }

    /// Not inlined: with this in a consuming function, Swift 6.3's optimizer loses track of who owns what, and crashes.
    @inline(never)
    static func of(_ endpoint: any Awaited, _ watch: Watch) throws(RingError) -> EventLease {
        EventLease(try Event(endpoint, watch))
    }

    deinit { event.takeBack() }
}

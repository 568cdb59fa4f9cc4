import Synchronization

/// Asks a bridge to end in order. A signal handler may raise it.
public final class StopFlag: Sendable {
    private let raised = Atomic<Bool>(false)

    public init() {}

    /// Relaxed: nothing else is handed over with the flag.
    public func raise() { raised.store(true, ordering: .relaxed) }
    public var isRaised: Bool { raised.load(ordering: .relaxed) }
}

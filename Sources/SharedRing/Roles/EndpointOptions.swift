/// How this process uses a ring: what one endpoint does, and no other sees. How a ring is made is in ``RingOptions``.
///
/// ```swift
/// var consumer = try ring.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(1)))
/// ```
public struct EndpointOptions: Sendable {
    /// How often a waiting endpoint checks whether the other side lives; bounds how late a death is reported.
    /// After a long silence the wait of a task or an event source checks once in ten intervals: <doc:Embedding#What-it-costs>.
    public var checkInterval: Duration
    /// How long a subscriber with a soft gate (``Subscriber/Delivery/softGated``) may hold this publisher up while its head does not move; zero: not at all.
    /// A publisher that waits looks once in ``checkInterval``, or in this if it is shorter: it may be held up for one such interval more, and in a task after
    /// ten vain looks for ten.
    /// Other endpoints have no use for it.
    public var softGatePatience: Duration
    /// How many messages a ``MergingConsumer`` takes from a lane before the others get their turn, at least 1. More is faster, fewer is
    /// fairer. A total order, a ring with one lane and producers have no use for it.
    public var budget: Int
    /// Maps all pages at attach, so that no send or receive meets a page fault.
    public var prefault: Bool
    /// Whether the data of lanes that this endpoint maps is part of this process's core dumps. If not, a dump has the ring's control blocks only: it
    /// is smaller by twice the ring's capacity, and done sooner. (While a process is dumped it keeps its roles.)
    public var isDataDumped: Bool
    /// Maps the data of lanes read-only in a consumer. A fault of this process can't overwrite messages then. On some processors messages become slower: a line that
    /// was read through a page that can't be written stays shared with the producer. A consumer's control block is mapped writable in any case, and an
    /// untrusted peer maps as it likes. Subscribers of a broadcast map the data read-only whatever this says.
    public var isDataReadOnly: Bool

    /// Options, each of which has a default.
    ///
    /// - Parameters:
    ///   - checkInterval: see ``checkInterval``.
    ///   - budget: in messages; see ``budget``.
    ///   - prefault: see ``prefault``.
    ///   - isDataDumped: see ``isDataDumped``.
    ///   - isDataReadOnly: see ``isDataReadOnly``.
    ///   - softGatePatience: see ``softGatePatience``.
    public init(
        checkInterval: Duration = .milliseconds(100), budget: Int = 256, prefault: Bool = false, isDataDumped: Bool = false,
        isDataReadOnly: Bool = false, softGatePatience: Duration = .milliseconds(100)
    ) {
        self.checkInterval = checkInterval
        self.softGatePatience = softGatePatience
        self.budget = budget
        self.prefault = prefault
        self.isDataDumped = isDataDumped
        self.isDataReadOnly = isDataReadOnly
    }
}

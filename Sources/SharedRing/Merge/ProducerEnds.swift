/// How producers ended, as far as a consumer has seen.
public struct ProducerEnds: Sendable, Hashable {
    /// Closed their stream.
    public internal(set) var closed = 0
    /// Went away without closing: killed, or dropped.
    public internal(set) var died = 0
}

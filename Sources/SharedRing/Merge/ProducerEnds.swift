/// How producers ended, as far as a consumer has seen.
///
/// Streams without a message that end one after the other in the same lane, before the consumer reads that lane, count as one end.
public struct ProducerEnds: Sendable, Hashable {
    /// Closed their stream.
    public internal(set) var closed = 0
    /// Went away without closing: killed, or dropped.
    public internal(set) var died = 0
}

/// A message that a ``RingTap`` saw: a copy.
public struct TappedMessage: Sendable {
    /// The lane it was sent in.
    public var lane: Int
    /// Where its record stands in the lane's stream.
    public var position: UInt64
    /// What the sender gave with it.
    public var tag: UInt32
    /// Total order: its place among all lanes' messages.
    public var ticket: UInt64?
    /// The payload.
    public var bytes: [UInt8]
}

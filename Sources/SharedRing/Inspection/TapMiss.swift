/// A part of a lane that was overwritten before a ``RingTap`` had seen it, or could have been: its producer had said that it may write there.
public struct TapMiss: Sendable {
    /// The lane's number.
    public var lane: Int
    /// Where the tap was.
    public var position: UInt64
    /// Where it goes on.
    public var nextPosition: UInt64
    /// How many messages were there: with those that were shown before and are shown later, exactly as many as were sent. Nil if it can't be
    /// known: the producer publishes no checkpoints, or its lane's words contradict each other.
    public var messages: UInt64?
    /// The bytes of those messages, without headers and tickets.
    public var messageBytes: UInt64?

    /// ``messages``, or the most that can have been there.
    public var mostMessages: UInt64

    /// The bytes of the lane between the two, headers and gaps included.
    public var byteCount: UInt64 { nextPosition &- position }
}

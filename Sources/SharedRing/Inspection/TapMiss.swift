/// A part of a lane that was overwritten before a ``RingTap`` had seen it, or could have been: its producer had said that it may write there.
public struct TapMiss: Sendable {
    public var lane: Int
    /// Where the tap was.
    public var position: UInt64
    /// Where it goes on.
    public var nextPosition: UInt64
    /// The most messages that can have been there; there was one at least, or the end of a stream.
    public var mostMessages: UInt64

    /// The bytes of the lane between the two, headers and gaps included.
    public var byteCount: UInt64 { nextPosition &- position }
}

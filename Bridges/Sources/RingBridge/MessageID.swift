/// Which message of which ring: the ring's instance, the lane, and the position in it (in a total order: the ticket).
///
/// No two messages have the same: positions and tickets never repeat in a ring's life, and each ring has an instance of its own.
public struct MessageID: Hashable, Sendable, CustomStringConvertible {
    public var instance: String
    public var lane: Int
    public var position: UInt64

    public init(instance: String, lane: Int, position: UInt64) {
        self.instance = instance
        self.lane = lane
        self.position = position
    }

    /// Reads `INSTANCE:LANE:POSITION`. Nil if it is anything else.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, let lane = Int(parts[1]), lane >= 0, let position = UInt64(parts[2]) else { return nil }
        self.init(instance: String(parts[0]), lane: lane, position: position)
    }

    public var description: String { "\(instance):\(lane):\(position)" }
}

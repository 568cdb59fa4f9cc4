/// How one producer ended.
public struct ProducerEnd: Sendable, Equatable, CustomStringConvertible {
    /// The lane it wrote.
    public let lane: Int
    /// Whether it went away without closing: killed, or dropped. Otherwise it closed its stream.
    public let isDeath: Bool
    /// Its holder information, as it stored it; nil if another has taken the lane over since. For people: a hostile peer may have forged it.
    public let holder: HolderInformation?

    /// "lane 3: process 4711 (send) closed".
    public var description: String {
        "lane \(lane): \(holder.map { "\($0)" } ?? "a producer") \(isDeath ? "went away without closing" : "closed")"
    }
}

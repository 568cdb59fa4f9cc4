/// In which order a bridge publishes the messages of several lanes. The first message of a window carries it.
///
/// Between lanes a ring has no order of its own. A bridge that is killed may leave messages on their way to the broker. Its successor publishes in
/// the same order, so each message has one place in the stream, whichever of both wrote it.
public struct WindowPlan: Equatable, Sendable, CustomStringConvertible {
    /// Messages at or before this sequence of the stream are acknowledged in the ring.
    public var acknowledged: UInt64
    /// How many messages of which lane, one run after the other.
    public var runs: [(lane: Int, count: Int)]

    public init(acknowledged: UInt64, runs: [(lane: Int, count: Int)] = []) {
        self.acknowledged = acknowledged
        self.runs = runs
    }

    public mutating func append(lane: Int) {
        if runs.last?.lane == lane { runs[runs.count - 1].count += 1 } else { runs.append((lane, 1)) }
    }

    public var messages: Int { runs.reduce(0) { $0 &+ $1.count } }

    /// The lanes in order, one element a message, without the first `count`.
    public func lanes(after count: Int) -> [Int] {
        Array(runs.flatMap { repeatElement($0.lane, count: $0.count) }.dropFirst(count))
    }

    /// `ACKNOWLEDGED LANE*COUNT LANE*COUNT …`
    public var description: String { ([String(acknowledged)] + runs.map { "\($0.lane)*\($0.count)" }).joined(separator: " ") }

    /// The most messages of a window: a plan from a stream is not believed beyond it.
    public static let mostMessages = 8192
    /// The most runs of a window: a header has room for them.
    public static let mostRuns = 1024

    /// The most bytes that a plan with this many runs has as text.
    static func mostBytes(runs: Int) -> Int { 20 + runs * 12 }

    /// Reads what ``description`` writes. Nil if it is anything else, or larger than a window can be.
    public init?(_ text: some StringProtocol) {
        let words = text.split(separator: " ")
        guard let first = words.first, let acknowledged = UInt64(first), words.count - 1 <= Self.mostRuns else { return nil }
        self.init(acknowledged: acknowledged)
        for word in words.dropFirst() {
            let parts = word.split(separator: "*", omittingEmptySubsequences: false)
            guard parts.count == 2, let lane = Int(parts[0]), lane >= 0, let count = Int(parts[1]), (1...Self.mostMessages).contains(count)
            else { return nil }
            runs.append((lane, count))
        }
        guard messages <= Self.mostMessages else { return nil }
    }

    public static func == (a: WindowPlan, b: WindowPlan) -> Bool {
        a.acknowledged == b.acknowledged && a.runs.elementsEqual(b.runs, by: ==)
    }
}

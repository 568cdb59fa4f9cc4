/// The subjects that a bridge publishes to: one, or one a lane.
public struct SubjectNames: Sendable, Equatable {
    /// The subject; of one a lane, what stands before the lane's number.
    let prefix: String
    public let isPerLane: Bool

    /// - Parameter isPerLane: `SUBJECT.0`, `SUBJECT.1`, and so on, and `SUBJECT.opening` for the first record of a stream.
    public init(_ subject: String, isPerLane: Bool = false) throws(BridgeError) {
        let tokens = subject.split(separator: ".", omittingEmptySubsequences: false)
        guard !subject.isEmpty, !tokens.contains(where: \.isEmpty), !subject.utf8.contains(where: { $0 <= 32 || $0 == 127 }),
            !tokens.contains("*"), !tokens.contains(">")
        else { throw BridgeError(.usage, "'\(subject)' is no subject to publish to") }
        prefix = isPerLane ? subject + "." : subject
        self.isPerLane = isPerLane
    }

    /// A stream's name, which stands in subjects and in answers of the broker.
    public static func check(stream: String) throws(BridgeError) {
        guard !stream.isEmpty, stream.utf8.count <= 255,
            !stream.utf8.contains(where: { $0 <= 32 || $0 == 127 || ".*>/\\\"".utf8.contains($0) })
        else {
            throw BridgeError(
                .usage, "'\(stream)' is no name of a stream: it is empty, too long, or has a dot, a star, a blank or the like")
        }
    }

    func write(lane: Int, into text: inout [CChar], at end: Int) {
        text[isPerLane ? Digits.write(UInt64(lane), into: &text, at: end) : end] = 0
    }
}

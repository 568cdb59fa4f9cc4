/// Why a bridge stopped.
public struct BridgeError: Error, Sendable, CustomStringConvertible {
    /// What kind of reason it is.
    @nonexhaustive
    public enum Code: String, Sendable {
        /// The caller's words make no sense.
        case usage
        /// The broker refuses what can't be helped by another try.
        case broker
        /// The stream is not as it must be: its retention, its subjects, or a record of another writer.
        case stream
        /// A message can't be published, or the ring is broken.
        case message
        /// An end was asked for, and the broker did not acknowledge in time.
        case unfinished
        /// The operating system.
        case system
    }
    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    init(_ failure: LogFailure) { self.init(.broker, failure.description) }
}

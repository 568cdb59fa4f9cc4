/// What a bridge into a ring needs of a replicated log. JetStream is the one implementation.
public protocol StreamFeed: AnyObject {
    /// Opens the place where the bridge's position is kept, and says what it is. *Promise:* a bridge goes on behind what was acknowledged.
    func open() throws(LogFailure) -> FeedPosition

    /// The next message, or nil if none comes in this time. Messages may come twice, and some may be left out: the bridge looks at the sequences.
    func next(milliseconds: Int) throws(LogFailure) -> FeedMessage?

    /// Whether a message is here already, so that ``next(milliseconds:)`` does not wait.
    var hasNext: Bool { get }

    /// The first sequence that the log still has. *Promise:* what has expired is not asked for, one sequence after the other.
    func first() throws(LogFailure) -> UInt64

    /// The last sequence that the log has; it is asked for when requests bring nothing. Throws ``LogFailure/refused(_:)`` if the place of the bridge's
    /// position is gone. *Promise:* what was delivered into a connection that broke, with nothing behind it, is fetched as well.
    func last() throws(LogFailure) -> UInt64

    /// A message by its sequence; nil if there is none. *Promise:* nothing out of sequence: what was left out is fetched.
    func message(at sequence: UInt64) throws(LogFailure) -> FeedMessage?

    /// The log forgets everything up to the last message that ``next(milliseconds:)`` gave: it is committed in the ring. *Promise:* at least once.
    func acknowledge() throws(LogFailure)

    var isConnected: Bool { get }
    var reconnects: Int { get }
    /// How many messages of the log were not delivered yet, when the last one was.
    var pending: UInt64 { get }
}

/// Where the log left off.
public struct FeedPosition: Equatable, Sendable {
    /// Everything at or before this sequence is acknowledged.
    public var acknowledged: UInt64
    /// The last sequence that was delivered, acknowledged or not.
    public var delivered: UInt64
    /// The first sequence that the log still has.
    public var first: UInt64

    public init(acknowledged: UInt64, delivered: UInt64, first: UInt64) {
        (self.acknowledged, self.delivered, self.first) = (acknowledged, delivered, first)
    }
}

/// A message of the log.
public struct FeedMessage: Equatable, Sendable {
    public var sequence: UInt64
    public var tag: UInt32
    public var payload: [UInt8]

    public init(sequence: UInt64, tag: UInt32, payload: [UInt8]) {
        (self.sequence, self.tag, self.payload) = (sequence, tag, payload)
    }
}

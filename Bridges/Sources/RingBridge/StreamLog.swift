/// What a bridge from a ring needs of a replicated log. JetStream is the one implementation.
///
/// Each requirement says which promise of the bridge rests on it. An engine without such an operation can't keep that promise.
public protocol StreamLog: AnyObject {
    /// The largest message that the log takes now, in bytes, headers included. *Promise:* a message that is too large is named, not lost.
    var largestMessage: Int { get }

    /// Whether the log can be reached at this moment. *Promise:* an absent broker shows as a full ring.
    var isConnected: Bool { get }

    /// How often the connection was made anew.
    var reconnects: Int { get }

    /// Throws if the log can't be reached any more, for good. Does not wait. *Promise:* a bridge that can't go on ends, and says why.
    func checkConnection() throws(LogFailure)

    /// The first and the last sequence of the log. *Promise:* a bridge knows, when it starts, where its predecessor ended.
    func end() throws(LogFailure) -> LogEnd

    /// The id and the plan of the record with this sequence; nil if there is none. *Promise:* exactly once, without a time window: the log is
    /// read back, and not only a memory of ids that the broker forgets.
    func record(at sequence: UInt64) throws(LogFailure) -> StoredRecord?

    /// Appends a message if the log's last sequence is `last` when the message comes to its turn, and otherwise not at all. A message with a
    /// ``OutgoingMessage/previous`` also needs that message as the last record. Does not wait: the answer is a receipt, if the message asks for one.
    /// *Promises:* order, no message of a bridge that is gone at any place but its own, and no message behind a gap.
    ///
    /// Throws ``LogFailure/tooLarge(_:)`` if another try is as vain for this message, and only for this one.
    ///
    /// `last` 0 stands for a log that never held a record. The implementation sees to it that this is checked, too.
    func append(_ message: OutgoingMessage, behind last: UInt64) throws(LogFailure)

    /// Whether a log that never held a record needs an opening record: one whose place two bridges can't both take. Without it the first message
    /// is such a record.
    var needsOpening: Bool { get }

    /// Appends the opening record. Does not wait, and has no receipt: ``end()`` shows it.
    func appendOpening() throws(LogFailure)

    /// The next receipt, which comes after the log has stored the message on as many brokers as it is configured for. A message that is stored stands
    /// behind all that it was appended behind, so its receipt is one for these, too. *Promise:* the ring is acknowledged only behind what the broker
    /// has acknowledged.
    ///
    /// - Parameter milliseconds: how long to wait; 0: not at all.
    func nextReceipt(milliseconds: Int) -> Receipt?

    /// Takes no receipt any more of what was appended so far: it will be appended again.
    func forgetReceipts()

    /// Stores a message elsewhere, and waits for the broker's acknowledgement.
    func storeDeadLetter(_ letter: DeadLetter) throws(LogFailure)
}

/// Where a log begins and ends. The last sequence of a log that never held a record is 0.
public struct LogEnd: Equatable, Sendable {
    public var first: UInt64
    public var last: UInt64

    public init(first: UInt64, last: UInt64) {
        self.first = first
        self.last = last
    }
}

/// What the bridge needs to know of a record of the log.
public struct StoredRecord: Equatable, Sendable {
    /// Nil if no bridge wrote it.
    public var id: MessageID?
    public var plan: WindowPlan?
    /// Whether a bridge wrote it to open a log that never held a record.
    public var isOpening: Bool

    public init(id: MessageID?, plan: WindowPlan? = nil, isOpening: Bool = false) {
        self.id = id
        self.plan = plan
        self.isOpening = isOpening
    }
}

/// A message on its way. It is borrowed: `append` copies what it keeps.
public struct OutgoingMessage {
    public var id: MessageID
    public var tag: UInt32
    public var plan: WindowPlan?
    /// The message before it, if that one is on its way, too. Another writer's record may take the place of that one.
    public var previous: MessageID?
    /// Whether the log answers. A log may answer although it is not asked to.
    public var wantsReceipt: Bool
    public var payload: UnsafeRawBufferPointer

    public init(
        id: MessageID, tag: UInt32, plan: WindowPlan?, previous: MessageID? = nil, wantsReceipt: Bool = true,
        payload: UnsafeRawBufferPointer
    ) {
        self.id = id
        self.tag = tag
        self.plan = plan
        self.previous = previous
        self.wantsReceipt = wantsReceipt
        self.payload = payload
    }
}

/// The answer to one append.
public struct Receipt: Sendable {
    public enum Outcome: Sendable, Equatable {
        /// It is in the log, with this sequence.
        case stored(UInt64)
        /// The log's last sequence was another one, or its last record.
        case wrongSequence
        /// The log took it for too large: another try is as vain. Other messages may be taken.
        case refused(String)
        /// The log takes no message of this bridge: it is sealed, or it is another log.
        case closed(String)
        /// The log can't take it now.
        case unavailable(String)
    }
    /// The sequence that the message was to have: one more than it was appended behind.
    public var sequence: UInt64
    public var outcome: Outcome
    /// The log had a record with this id before, and stored nothing. That record may have another plan.
    public var isDuplicate: Bool

    public init(sequence: UInt64, outcome: Outcome, isDuplicate: Bool = false) {
        self.sequence = sequence
        self.outcome = outcome
        self.isDuplicate = isDuplicate
    }
}

/// A message that the log does not take, with the reason.
public struct DeadLetter {
    public var id: MessageID
    public var tag: UInt32
    public var reason: String
    /// The whole payload; what of it fits is stored.
    public var payload: UnsafeRawBufferPointer
}

/// Why an operation of the log failed.
public enum LogFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The broker can't be reached, or does not answer: try again later.
    case unavailable(String)
    /// Another try is as vain.
    case refused(String)
    /// Another try is as vain for this message. Other messages may be taken.
    case tooLarge(String)

    public var description: String {
        switch self {
        case .unavailable(let text), .refused(let text), .tooLarge(let text): text
        }
    }
}

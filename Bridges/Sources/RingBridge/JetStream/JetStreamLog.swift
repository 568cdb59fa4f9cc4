internal import CNATS
import Glibc

/// A stream of JetStream as a ``StreamLog``.
///
/// | what the seam asks for | JetStream's operation |
/// |---|---|
/// | append behind a sequence | publish with `Nats-Expected-Last-Sequence`; on the empty stream `Nats-Expected-Last-Subject-Sequence: 0` |
/// | append behind a message that is on its way | `Nats-Expected-Last-Msg-Id` beside it |
/// | append to this stream | `Nats-Expected-Stream` where no other message is named, and the stream's name in the acknowledgement |
/// | receipt | the publish acknowledgement, sent to an inbox of the bridge: the reply subject asks for it |
/// | end | `STREAM.INFO` |
/// | record | `STREAM.MSG.GET` by sequence |
/// | the message's id | header `Nats-Msg-Id` |
public final class JetStreamLog: StreamLog {
    public let connection: BrokerConnection
    public let stream: String
    private let subjects: SubjectNames
    private let deadLetterSubject: String?
    private let answers: PublishAnswer

    /// The receipts, in the order of their arrival.
    private var receipts: OpaquePointer
    /// The inbox, with a dot behind.
    private let inbox: [CChar]
    /// Receipts of an earlier epoch are of appends that are made again.
    private var epoch: UInt64 = 0
    private var streamLimit: Int?
    /// Messages that were sent, and are not freed yet.
    private var retired: [OpaquePointer] = []
    private var retiredBytes = 0

    /// C strings that are written again with each message.
    private var subjectText: [CChar]
    private var replyText = [CChar](repeating: 0, count: 256)
    private var idText: [CChar]
    private var previousText: [CChar]
    private var numberText = [CChar](repeating: 0, count: 24)

    /// - Parameters:
    ///   - instance: the ring's; ids of messages begin with it.
    ///   - deadLetterSubject: of another stream.
    public init(
        _ connection: BrokerConnection, stream: String, subjects: SubjectNames, instance: String, deadLetterSubject: String? = nil
    ) throws(BridgeError) {
        try SubjectNames.check(stream: stream)
        if let deadLetterSubject { _ = try SubjectNames(deadLetterSubject) }
        answers = PublishAnswer(stream: stream)
        self.connection = connection
        self.stream = stream
        self.subjects = subjects
        self.deadLetterSubject = deadLetterSubject
        var made: UnsafeMutablePointer<natsInbox>?
        try BrokerConnection.check(natsInbox_Create(&made), "inbox")
        let prefix = String(cString: made!)
        natsInbox_Destroy(made)
        inbox = Array((prefix + ".").utf8CString.dropLast())
        var subscription: OpaquePointer?
        let status = natsConnection_SubscribeSync(&subscription, connection.connection, prefix + ".*.*")
        if connection.isClosed { throw BridgeError(.broker, "the broker ended the connection for good: \(connection.lastError)") }
        try BrokerConnection.check(status, "receipts")
        receipts = subscription!
        // A window bounds them.
        try BrokerConnection.check(natsSubscription_SetPendingLimits(subscription, -1, -1), "receipts")
        subjectText = subjects.prefix.utf8CString.dropLast() + [CChar](repeating: 0, count: 24)
        idText = (instance + ":").utf8CString.dropLast() + [CChar](repeating: 0, count: 48)
        previousText = idText
        subjectLength = subjects.prefix.utf8.count
        idLength = instance.utf8.count + 1
    }
    private let subjectLength: Int
    private let idLength: Int

    deinit {
        destroyRetired()
        natsSubscription_Destroy(receipts)
    }

    // MARK: State

    public var isConnected: Bool { connection.isConnected }
    public var reconnects: Int { connection.reconnects }

    public var largestMessage: Int {
        let broker = Int(clamping: natsConnection_GetMaxPayload(connection.connection))
        let most = broker > 0 ? broker : .max
        return min(most, streamLimit ?? most)
    }

    public func checkConnection() throws(LogFailure) {
        if connection.isClosed { throw .refused("the broker ended the connection for good: \(connection.lastError)") }
    }

    public func end() throws(LogFailure) -> LogEnd {
        try checkConnection()
        var info: UnsafeMutablePointer<jsStreamInfo>?
        var code = jsErrCode(rawValue: 0)
        let status = js_GetStreamInfo(&info, connection.jetStream, stream, nil, &code)
        if connection.isClosed { throw .refused("the broker ended the connection for good: \(connection.lastError)") }
        guard status == NATS_OK, let info else { throw BrokerConnection.failure(status, code, "stream \(stream)") }
        defer { jsStreamInfo_Destroy(info) }
        if let config = info.pointee.Config { try check(config.pointee) }
        return LogEnd(first: info.pointee.State.FirstSeq, last: info.pointee.State.LastSeq)
    }

    /// What a stream must be for the promises to hold.
    private func check(_ config: jsStreamConfig) throws(LogFailure) {
        guard config.Retention == js_LimitsPolicy else {
            throw .refused("stream \(stream): its retention is not 'limits': what consumers take is removed, and can't be read back")
        }
        if config.NoAck { throw .refused("stream \(stream) does not acknowledge (no_ack)") }
        if config.Sealed { throw .refused("stream \(stream) is sealed") }
        if config.MaxMsgs > 0, config.MaxMsgs < WindowPlan.mostMessages {
            throw .refused(
                "stream \(stream) keeps \(config.MaxMsgs) messages at most: a bridge reads back \(WindowPlan.mostMessages) when it starts")
        }
        if config.MaxMsgsPerSubject > 0 {
            throw .refused(
                "stream \(stream) keeps \(config.MaxMsgsPerSubject) messages of a subject at most, and removes what a bridge reads back")
        }
        streamLimit = config.MaxMsgSize > 0 ? Int(config.MaxMsgSize) : nil
    }

    public func record(at sequence: UInt64) throws(LogFailure) -> StoredRecord? {
        var message: OpaquePointer?
        var code = jsErrCode(rawValue: 0)
        let status = js_GetMsg(&message, connection.jetStream, stream, sequence, nil, &code)
        if status == NATS_NOT_FOUND || code.rawValue == 10037 { return nil }
        guard status == NATS_OK, let message else {
            throw BrokerConnection.failure(status, code, "message \(sequence) of stream \(stream)")
        }
        defer { natsMsg_Destroy(message) }
        return StoredRecord(
            id: Self.header(message, "Nats-Msg-Id").flatMap { MessageID($0) },
            plan: Self.header(message, "Ring-Plan").flatMap { WindowPlan($0) },
            isOpening: Self.header(message, "Ring-Opening") != nil)
    }

    static func header(_ message: OpaquePointer, _ name: String) -> String? {
        var value: UnsafePointer<CChar>?
        guard natsMsgHeader_Get(message, name, &value) == NATS_OK, let value else { return nil }
        return String(cString: value)
    }

    // MARK: Appending

    public var needsOpening: Bool { subjects.isPerLane }

    public func append(_ message: OutgoingMessage, behind last: UInt64) throws(LogFailure) {
        subjects.write(lane: message.id.lane, into: &subjectText, at: subjectLength)
        write(message.id, into: &idText)
        if message.wantsReceipt { writeReply(last &+ 1) }

        var made: OpaquePointer?
        guard message.payload.count <= Int32.max else { throw .tooLarge("a message of \(message.payload.count) bytes") }
        var status = natsMsg_Create(
            &made, subjectText, message.wantsReceipt ? replyText : nil,
            message.payload.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(message.payload.count))
        defer { retire(made, message.payload.count) }
        if status == NATS_OK { status = natsMsgHeader_Set(made, "Nats-Msg-Id", idText) }
        if status == NATS_OK {
            if let previous = message.previous {
                // Where that message is the last one is the right stream.
                write(previous, into: &previousText)
                status = natsMsgHeader_Set(made, "Nats-Expected-Last-Msg-Id", previousText)
            } else {
                status = natsMsgHeader_Set(made, "Nats-Expected-Stream", stream)
            }
        }
        if status == NATS_OK {
            Digits.terminate(&numberText, Digits.write(last, into: &numberText, at: 0))
            status = natsMsgHeader_Set(made, last == 0 ? "Nats-Expected-Last-Subject-Sequence" : "Nats-Expected-Last-Sequence", numberText)
        }
        if status == NATS_OK, message.tag != 0 {
            Digits.terminate(&numberText, Digits.write(UInt64(message.tag), into: &numberText, at: 0))
            status = natsMsgHeader_Set(made, "Ring-Tag", numberText)
        }
        if status == NATS_OK, let plan = message.plan { status = natsMsgHeader_Set(made, "Ring-Plan", plan.description) }
        if status == NATS_OK { status = natsConnection_PublishMsg(connection.connection, made) }
        if status == NATS_MAX_PAYLOAD {
            throw .tooLarge("it has \(message.payload.count) bytes, and the broker takes \(largestMessage), headers included")
        }
        guard status == NATS_OK else { throw BrokerConnection.failure(status, jsErrCode(rawValue: 0), "publish to stream \(stream)") }
    }

    /// libnats frees a message in a thread of its own, which it wakes for it. Many at a time cost one wake.
    private func retire(_ message: OpaquePointer?, _ byteCount: Int) {
        guard let message else { return }
        retired.append(message)
        retiredBytes += byteCount
        if retired.count >= 128 || retiredBytes >= 1 << 16 { destroyRetired() }
    }

    private func destroyRetired() {
        for message in retired { natsMsg_Destroy(message) }
        retired.removeAll(keepingCapacity: true)
        retiredBytes = 0
    }

    /// The first record of a stream whose subjects are one a lane. Only a record of a subject that both would use keeps two bridges apart.
    public func appendOpening() throws(LogFailure) {
        var made: OpaquePointer?
        var status = natsMsg_Create(&made, subjects.prefix + "opening", nil, nil, 0)
        defer { natsMsg_Destroy(made) }
        if status == NATS_OK { status = natsMsgHeader_Set(made, "Ring-Opening", "1") }
        if status == NATS_OK { status = natsMsgHeader_Set(made, "Nats-Expected-Last-Subject-Sequence", "0") }
        if status == NATS_OK { status = natsMsgHeader_Set(made, "Nats-Expected-Stream", stream) }
        if status == NATS_OK { status = natsConnection_PublishMsg(connection.connection, made) }
        guard status == NATS_OK else { throw BrokerConnection.failure(status, jsErrCode(rawValue: 0), "publish to stream \(stream)") }
    }

    /// INSTANCE:LANE:POSITION. The text has the instance already, which all messages of a bridge share.
    private func write(_ id: MessageID, into text: inout [CChar]) {
        var end = Digits.write(UInt64(id.lane), into: &text, at: idLength)
        text[end] = 58  // ':'
        end = Digits.write(id.position, into: &text, at: end + 1)
        text[end] = 0
    }

    /// INBOX.EPOCH.SEQUENCE
    private func writeReply(_ sequence: UInt64) {
        replyText.replaceSubrange(0..<inbox.count, with: inbox)
        var end = Digits.write(epoch, into: &replyText, at: inbox.count)
        replyText[end] = 46  // '.'
        end = Digits.write(sequence, into: &replyText, at: end + 1)
        replyText[end] = 0
    }

    public func forgetReceipts() { epoch &+= 1 }

    // MARK: Receipts

    public func nextReceipt(milliseconds: Int) -> Receipt? {
        var milliseconds = milliseconds
        while true {
            var message: OpaquePointer?
            guard natsSubscription_NextMsg(&message, receipts, Int64(milliseconds)) == NATS_OK, let message else { return nil }
            defer { natsMsg_Destroy(message) }
            if let receipt = receipt(of: message) { return receipt }
            milliseconds = 0
        }
    }

    /// Nil if it is of an earlier epoch, or nothing that JetStream sends.
    private func receipt(of message: OpaquePointer) -> Receipt? {
        let subject = UnsafeRawBufferPointer(cString: natsMsg_GetSubject(message))
        guard subject.count > inbox.count else { return nil }
        var at = inbox.count
        guard let epoch = Digits.read(subject, at: &at), epoch == self.epoch, at < subject.count else { return nil }
        at += 1
        guard let sequence = Digits.read(subject, at: &at) else { return nil }
        if natsMsg_IsNoResponders(message) {
            return Receipt(sequence: sequence, outcome: .unavailable("no stream takes subject \(subjects.prefix): or it has no leader"))
        }
        let answer = UnsafeRawBufferPointer(start: natsMsg_GetData(message), count: Int(natsMsg_GetDataLength(message)))
        let (outcome, isDuplicate) = answers.outcome(answer)
        return Receipt(sequence: sequence, outcome: outcome, isDuplicate: isDuplicate)
    }

    // MARK: Dead letters

    public func storeDeadLetter(_ letter: DeadLetter) throws(LogFailure) {
        guard let subject = deadLetterSubject else { throw .refused("no dead-letter subject") }
        let room = max(0, Int(clamping: natsConnection_GetMaxPayload(connection.connection)) - 1024)
        var made: OpaquePointer?
        var status = natsMsg_Create(
            &made, subject, nil, letter.payload.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(min(letter.payload.count, room)))
        defer { natsMsg_Destroy(made) }
        for (name, value) in [
            ("Nats-Msg-Id", letter.id.description), ("Ring-Reason", letter.reason), ("Ring-Size", String(letter.payload.count)),
            ("Ring-Tag", String(letter.tag)), ("Ring-Stream", stream),
        ] where status == NATS_OK { status = natsMsgHeader_Set(made, name, value) }
        var code = jsErrCode(rawValue: 0)
        var receipt: UnsafeMutablePointer<jsPubAck>?
        if status == NATS_OK { status = js_PublishMsg(&receipt, connection.jetStream, made, nil, &code) }
        defer { jsPubAck_Destroy(receipt) }
        guard status == NATS_OK, let receipt else { throw BrokerConnection.failure(status, code, "dead-letter subject \(subject)") }
        // A dead letter in the stream itself would take the place of a message.
        if String(cString: receipt.pointee.Stream) == stream {
            throw .refused("dead-letter subject \(subject) belongs to stream \(stream) itself: take a subject of another stream")
        }
    }
}

extension UnsafeRawBufferPointer {
    init(cString: UnsafePointer<CChar>) { self.init(start: cString, count: strlen(cString)) }
}

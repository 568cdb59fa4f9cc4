internal import CNATS

/// A stream of JetStream as a ``StreamFeed``. Its position is a durable pull consumer of the stream, on the broker.
public final class JetStreamFeed: StreamFeed {
    private let connection: BrokerConnection
    private let stream: String
    private let consumer: String
    private var subscription: OpaquePointer?

    /// What one request brought, and how far it was given out.
    private var batch: [OpaquePointer] = []
    private var given = 0
    /// The message that was given out last: to acknowledge it acknowledges all before it.
    private var lastGiven: OpaquePointer?

    public private(set) var pending: UInt64 = 0

    /// - Parameters:
    ///   - consumer: the durable consumer's name. It is made if it is not there.
    public init(_ connection: BrokerConnection, stream: String, consumer: String) throws(BridgeError) {
        guard !consumer.isEmpty, !consumer.contains(where: { ".*> /\\\t\r\n".contains($0) }) else {
            throw BridgeError(.usage, "'\(consumer)' is no name for a consumer: it has a dot, a star, a blank or the like")
        }
        try SubjectNames.check(stream: stream)
        self.connection = connection
        self.stream = stream
        self.consumer = consumer
    }

    deinit {
        forgetBatch()
        if lastGiven != nil { natsMsg_Destroy(lastGiven) }
        if subscription != nil { natsSubscription_Destroy(subscription) }
    }

    public var isConnected: Bool { connection.isConnected }
    public var reconnects: Int { connection.reconnects }

    public func open() throws(LogFailure) -> FeedPosition {
        if connection.isClosed { throw .refused("the broker ended the connection for good: \(connection.lastError)") }
        let first = try StreamReader(connection, stream: stream).end().first
        var position = try position(first)
        if position == nil { position = try makeConsumer(first) }
        if subscription == nil { try subscribe() }
        guard let position else { throw .unavailable("consumer \(consumer) is not there yet") }
        return position
    }

    public func first() throws(LogFailure) -> UInt64 { try StreamReader(connection, stream: stream).end().first }

    public func last() throws(LogFailure) -> UInt64 {
        // To requests to a consumer that was removed, the broker mostly answers that nobody is there; some of its versions at times do not answer at all.
        if try position(0) == nil { throw .refused("consumer \(consumer) of stream \(stream) is not there any more: it was removed") }
        return try StreamReader(connection, stream: stream).end().last
    }

    private func position(_ first: UInt64) throws(LogFailure) -> FeedPosition? {
        var info: UnsafeMutablePointer<jsConsumerInfo>?
        var code = jsErrCode(rawValue: 0)
        let status = js_GetConsumerInfo(&info, connection.jetStream, stream, consumer, nil, &code)
        if status == NATS_NOT_FOUND || code.rawValue == 10014 { return nil }
        guard status == NATS_OK, let info else { throw BrokerConnection.failure(status, code, "consumer \(consumer) of stream \(stream)") }
        defer { jsConsumerInfo_Destroy(info) }
        if let config = info.pointee.Config?.pointee, config.AckPolicy != js_AckAll || config.DeliverSubject != nil {
            throw .refused("consumer \(consumer) of stream \(stream) is not a pull consumer that acknowledges 'all': take another name")
        }
        pending = info.pointee.NumPending
        return FeedPosition(
            acknowledged: info.pointee.AckFloor.Stream, delivered: info.pointee.Delivered.Stream, first: first)
    }

    private func makeConsumer(_ first: UInt64) throws(LogFailure) -> FeedPosition? {
        let name = BridgeCString(consumer)
        var config = jsConsumerConfig()
        jsConsumerConfig_Init(&config)
        config.Durable = UnsafePointer(name.pointer)
        config.AckPolicy = js_AckAll
        config.DeliverPolicy = js_DeliverAll
        config.MaxAckPending = 65536
        var code = jsErrCode(rawValue: 0)
        let status = withExtendedLifetime(name) { js_AddConsumer(nil, connection.jetStream, stream, &config, nil, &code) }
        guard status == NATS_OK else { throw BrokerConnection.failure(status, code, "consumer \(consumer) of stream \(stream)") }
        return try position(first)
    }

    private func subscribe() throws(LogFailure) {
        var options = jsSubOptions()
        jsSubOptions_Init(&options)
        let names = (BridgeCString(stream), BridgeCString(consumer))
        options.Stream = UnsafePointer(names.0.pointer)
        options.Consumer = UnsafePointer(names.1.pointer)
        var code = jsErrCode(rawValue: 0)
        var made: OpaquePointer?
        let status = withExtendedLifetime(names) { js_PullSubscribe(&made, connection.jetStream, nil, consumer, nil, &options, &code) }
        guard status == NATS_OK, let made else { throw BrokerConnection.failure(status, code, "consumer \(consumer) of stream \(stream)") }
        natsSubscription_SetPendingLimits(made, -1, -1)
        subscription = made
    }

    public var hasNext: Bool { given < batch.count }

    public func next(milliseconds: Int) throws(LogFailure) -> FeedMessage? {
        if !hasNext { try request(milliseconds) }
        guard hasNext else { return nil }
        let message = batch[given]
        given += 1
        if lastGiven != nil { natsMsg_Destroy(lastGiven) }
        lastGiven = message
        var metadata: UnsafeMutablePointer<jsMsgMetaData>?
        guard natsMsg_GetMetaData(&metadata, message) == NATS_OK, let metadata else {
            throw .refused("a message of stream \(stream) says nothing of its sequence")
        }
        defer { jsMsgMetaData_Destroy(metadata) }
        pending = metadata.pointee.NumPending
        return Self.message(message, metadata.pointee.Sequence.Stream)
    }

    private func request(_ milliseconds: Int) throws(LogFailure) {
        forgetBatch()
        guard let subscription else { throw .unavailable("consumer \(consumer) is not open") }
        if connection.isClosed { throw .refused("the broker ended the connection for good: \(connection.lastError)") }
        var list = natsMsgList()
        var code = jsErrCode(rawValue: 0)
        let status = natsSubscription_Fetch(&list, subscription, 256, Int64(milliseconds), &code)
        // The stream has no leader, or nothing new, or the consumer was removed: ``last()`` tells.
        if status == NATS_TIMEOUT || status == NATS_NOT_FOUND { return }
        // The consumer has another leader now, or its broker shuts down: libnats has no status for it.
        if status == NATS_ERR, code.rawValue == 0 {
            throw .unavailable("consumer \(consumer) of stream \(stream): the request was ended by the broker")
        }
        guard status == NATS_OK else { throw BrokerConnection.failure(status, code, "consumer \(consumer) of stream \(stream)") }
        for index in 0..<Int(list.Count) {
            if let message = list.Msgs[index] { batch.append(message) }
            list.Msgs[index] = nil
        }
        natsMsgList_Destroy(&list)
    }

    private func forgetBatch() {
        for index in given..<batch.count { natsMsg_Destroy(batch[index]) }
        batch.removeAll(keepingCapacity: true)
        given = 0
    }

    public func message(at sequence: UInt64) throws(LogFailure) -> FeedMessage? {
        var message: OpaquePointer?
        var code = jsErrCode(rawValue: 0)
        let status = js_GetMsg(&message, connection.jetStream, stream, sequence, nil, &code)
        if status == NATS_NOT_FOUND || code.rawValue == 10037 { return nil }
        guard status == NATS_OK, let message else {
            throw BrokerConnection.failure(status, code, "message \(sequence) of stream \(stream)")
        }
        defer { natsMsg_Destroy(message) }
        return Self.message(message, sequence)
    }

    private static func message(_ message: OpaquePointer, _ sequence: UInt64) -> FeedMessage {
        let payload = UnsafeRawBufferPointer(start: natsMsg_GetData(message), count: Int(natsMsg_GetDataLength(message)))
        return FeedMessage(
            sequence: sequence, tag: JetStreamLog.header(message, "Ring-Tag").flatMap { UInt32($0) } ?? 0, payload: Array(payload))
    }

    public func acknowledge() throws(LogFailure) {
        guard let message = lastGiven else { return }
        let status = natsMsg_Ack(message, nil)
        guard status == NATS_OK else { throw BrokerConnection.failure(status, jsErrCode(rawValue: 0), "acknowledgement") }
        natsMsg_Destroy(message)
        lastGiven = nil
    }
}

internal import CNATS
import Glibc

/// Reads a stream from its first message on, without a trace in the broker: for checks of what is there.
public final class StreamReader {
    /// A message of the stream, with what the bridge wrote beside it.
    public struct Record: Sendable {
        public var sequence: UInt64
        public var subject: String
        public var id: MessageID?
        public var tag: UInt32
        public var payload: [UInt8]
        public var isOpening: Bool

        public var text: String { String(decoding: payload, as: UTF8.self) }
    }

    private let connection: BrokerConnection
    private let stream: String

    public init(_ connection: BrokerConnection, stream: String) {
        self.connection = connection
        self.stream = stream
    }

    /// The first and the last sequence.
    public func end() throws(LogFailure) -> LogEnd {
        var info: UnsafeMutablePointer<jsStreamInfo>?
        var code = jsErrCode(rawValue: 0)
        let status = js_GetStreamInfo(&info, connection.jetStream, stream, nil, &code)
        guard status == NATS_OK, let info else { throw BrokerConnection.failure(status, code, "stream \(stream)") }
        defer { jsStreamInfo_Destroy(info) }
        return LogEnd(first: info.pointee.State.FirstSeq, last: info.pointee.State.LastSeq)
    }

    /// Every message up to the end that the stream has when this begins, in order.
    ///
    /// - Parameter isPatient: waits out what passes by itself, up to two minutes.
    public func forEach(from first: UInt64 = 1, _ body: (Record) -> Void) throws(LogFailure) {
        let end = try end()
        var next = max(first, end.first)
        let deadline = nowMilliseconds() + 120_000
        while next <= end.last {
            do throws(LogFailure) {
                try readSome(from: &next, to: end.last, body)
            } catch {
                guard case .unavailable = error, nowMilliseconds() < deadline else { throw error }
                sleep(milliseconds: 100)
            }
        }
    }

    private func readSome(from next: inout UInt64, to last: UInt64, _ body: (Record) -> Void) throws(LogFailure) {
        // A consumer that is forgotten when this ends. Its sequence shows whether a message was lost on the way.
        var inbox: UnsafeMutablePointer<natsInbox>?
        guard natsInbox_Create(&inbox) == NATS_OK, let inbox else { throw .unavailable("no inbox") }
        defer { natsInbox_Destroy(inbox) }
        var made: OpaquePointer?
        var status = natsConnection_SubscribeSync(&made, connection.connection, inbox)
        defer { natsSubscription_Destroy(made) }
        if status == NATS_OK { status = natsSubscription_SetPendingLimits(made, -1, -1) }
        var config = jsConsumerConfig()
        jsConsumerConfig_Init(&config)
        config.DeliverPolicy = js_DeliverByStartSequence
        config.OptStartSeq = next
        config.AckPolicy = js_AckNone
        config.DeliverSubject = UnsafePointer(inbox)
        config.InactiveThreshold = 10_000_000_000
        var code = jsErrCode(rawValue: 0)
        if status == NATS_OK { status = js_AddConsumer(nil, connection.jetStream, stream, &config, nil, &code) }
        guard status == NATS_OK, let subscription = made else { throw BrokerConnection.failure(status, code, "reading \(stream)") }
        var delivered: UInt64 = 0
        while next <= last {
            var message: OpaquePointer?
            let status = natsSubscription_NextMsg(&message, subscription, 5000)
            guard status == NATS_OK, let message else {
                throw .unavailable("reading \(stream) at \(next): \(BrokerConnection.text(status))")
            }
            defer { natsMsg_Destroy(message) }
            var metadata: UnsafeMutablePointer<jsMsgMetaData>?
            guard natsMsg_GetMetaData(&metadata, message) == NATS_OK, let metadata else { continue }
            defer { jsMsgMetaData_Destroy(metadata) }
            delivered += 1
            guard metadata.pointee.Sequence.Consumer == delivered else {
                throw .unavailable("a message was lost on the way from \(stream)")
            }
            let sequence = metadata.pointee.Sequence.Stream
            guard sequence >= next else { continue }
            next = sequence + 1
            let payload = UnsafeRawBufferPointer(start: natsMsg_GetData(message), count: Int(natsMsg_GetDataLength(message)))
            body(
                Record(
                    sequence: sequence, subject: String(cString: natsMsg_GetSubject(message)),
                    id: JetStreamLog.header(message, "Nats-Msg-Id").flatMap { MessageID($0) },
                    tag: JetStreamLog.header(message, "Ring-Tag").flatMap { UInt32($0) } ?? 0, payload: Array(payload),
                    isOpening: JetStreamLog.header(message, "Ring-Opening") != nil))
        }
    }
}

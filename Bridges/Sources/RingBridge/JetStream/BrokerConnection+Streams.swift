internal import CNATS

extension BrokerConnection {
    /// The subject of a stream that has one, without wildcards. Asks until the broker answers. Nil: an end was asked for.
    public func onlySubject(of stream: String, stop: StopFlag) throws(BridgeError) -> String? {
        var pause = Pause()
        while !stop.isRaised {
            do throws(LogFailure) {
                let subjects = try subjects(of: stream)
                guard subjects.count == 1, !subjects[0].contains("*"), !subjects[0].contains(">") else {
                    throw .refused("stream \(stream) has the subjects \(subjects.joined(separator: ", ")): say which with --subject")
                }
                return subjects[0]
            } catch {
                guard case .unavailable = error else { throw BridgeError(error) }
                pause.wait()
            }
        }
        return nil
    }

    private func subjects(of stream: String) throws(LogFailure) -> [String] {
        if isClosed { throw .refused("the broker ended the connection for good: \(lastError)") }
        var info: UnsafeMutablePointer<jsStreamInfo>?
        var code = jsErrCode(rawValue: 0)
        let status = js_GetStreamInfo(&info, jetStream, stream, nil, &code)
        guard status == NATS_OK, let info else { throw Self.failure(status, code, "stream \(stream)") }
        defer { jsStreamInfo_Destroy(info) }
        guard let config = info.pointee.Config else { return [] }
        return (0..<Int(config.pointee.SubjectsLen)).compactMap { index in config.pointee.Subjects[index].map { String(cString: $0) } }
    }

    /// Makes a stream in files, unless there is one with this name. Asks until the broker answers, or an end is asked for.
    public func makeStreamPatiently(_ name: String, subjects: [String], replicas: Int, stop: StopFlag) throws(BridgeError) {
        var pause = Pause()
        while !stop.isRaised {
            do throws(LogFailure) {
                return try makeStream(name, subjects: subjects, replicas: replicas)
            } catch {
                guard case .unavailable = error else { throw BridgeError(error) }
                pause.wait()
            }
        }
    }

    /// Makes a stream in files, unless there is one with this name.
    public func makeStream(
        _ name: String, subjects: [String], replicas: Int = 1, duplicateMilliseconds: Int? = nil
    ) throws(LogFailure) {
        let texts = subjects.map { BridgeCString($0) }
        var pointers = texts.map { Optional(UnsafePointer($0.pointer)) }
        var config = jsStreamConfig()
        jsStreamConfig_Init(&config)
        config.Storage = js_FileStorage
        config.Replicas = Int64(replicas)
        if let duplicateMilliseconds { config.Duplicates = Int64(duplicateMilliseconds) * 1_000_000 }
        let nameText = BridgeCString(name)
        config.Name = UnsafePointer(nameText.pointer)
        var code = jsErrCode(rawValue: 0)
        let status = pointers.withUnsafeMutableBufferPointer { list in
            config.Subjects = list.baseAddress
            config.SubjectsLen = Int32(list.count)
            return withExtendedLifetime((texts, nameText)) { js_AddStream(nil, jetStream, &config, nil, &code) }
        }
        guard status == NATS_OK || code.rawValue == 10058 else { throw Self.failure(status, code, "stream \(name)") }
    }
}

/// A C string that lives as long as this.
final class BridgeCString {
    let pointer: UnsafeMutablePointer<CChar>

    init(_ text: String) {
        let bytes = text.utf8CString
        pointer = .allocate(capacity: bytes.count)
        _ = UnsafeMutableBufferPointer(start: pointer, count: bytes.count).initialize(from: bytes)
    }

    deinit { pointer.deallocate() }
}

/// What the broker says of a stream.
public struct StreamState: Sendable {
    public var first: UInt64
    public var last: UInt64
    public var messages: UInt64
    /// The leader's name; nil without a cluster.
    public var leader: String?
}

extension BrokerConnection {
    /// Nil while there is no answer.
    public func state(of stream: String) -> StreamState? {
        var info: UnsafeMutablePointer<jsStreamInfo>?
        guard js_GetStreamInfo(&info, jetStream, stream, nil, nil) == NATS_OK, let info else { return nil }
        defer { jsStreamInfo_Destroy(info) }
        let leader = info.pointee.Cluster?.pointee.Leader.map { String(cString: $0) }
        let state = info.pointee.State
        return StreamState(first: state.FirstSeq, last: state.LastSeq, messages: state.Msgs, leader: leader)
    }
}

extension BrokerConnection {
    /// Publishes a message that is no bridge's, and waits until it is stored. With an id it may be published again: the broker stores it once.
    public func publish(_ text: String, subject: String, tag: UInt32 = 0, id: String? = nil) throws(LogFailure) {
        var code = jsErrCode(rawValue: 0)
        var made: OpaquePointer?
        var status = natsMsg_Create(&made, subject, nil, text, Int32(text.utf8.count))
        defer { natsMsg_Destroy(made) }
        if status == NATS_OK, tag != 0 { status = natsMsgHeader_Set(made, "Ring-Tag", String(tag)) }
        if status == NATS_OK, let id { status = natsMsgHeader_Set(made, "Nats-Msg-Id", id) }
        if status == NATS_OK { status = js_PublishMsg(nil, jetStream, made, nil, &code) }
        guard status == NATS_OK else { throw Self.failure(status, code, "subject \(subject)") }
    }

    /// Removes a consumer of a stream.
    public func removeConsumer(_ consumer: String, of stream: String) throws(LogFailure) {
        var code = jsErrCode(rawValue: 0)
        let status = js_DeleteConsumer(jetStream, stream, consumer, nil, &code)
        guard status == NATS_OK else { throw Self.failure(status, code, "consumer \(consumer) of stream \(stream)") }
    }

    /// Has a consumer of a replicated stream look for another leader. False: it has none now.
    public func moveLeader(ofConsumer consumer: String, of stream: String) -> Bool {
        var answer: OpaquePointer?
        let subject = "$JS.API.CONSUMER.LEADER.STEPDOWN.\(stream).\(consumer)"
        guard natsConnection_RequestString(&answer, connection, subject, "", 5000) == NATS_OK, let answer else { return false }
        defer { natsMsg_Destroy(answer) }
        let text = UnsafeRawBufferPointer(start: natsMsg_GetData(answer), count: Int(natsMsg_GetDataLength(answer)))
        return String(decoding: text, as: UTF8.self).contains("\"success\":true")
    }

    /// Removes a stream.
    public func remove(_ stream: String) throws(LogFailure) {
        var code = jsErrCode(rawValue: 0)
        let status = js_DeleteStream(jetStream, stream, nil, &code)
        guard status == NATS_OK else { throw Self.failure(status, code, "stream \(stream)") }
    }

    /// Removes all messages of a stream.
    public func purge(_ stream: String) throws(LogFailure) {
        var code = jsErrCode(rawValue: 0)
        let status = js_PurgeStream(jetStream, stream, nil, &code)
        guard status == NATS_OK else { throw Self.failure(status, code, "stream \(stream)") }
    }
}

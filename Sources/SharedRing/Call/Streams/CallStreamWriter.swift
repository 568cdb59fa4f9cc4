import CSharedRing

/// A reply of many parts, which the server of a ``CallService`` sends one after another.
///
/// Each part is there for the client as soon as it was sent. The stream's lane, whose capacity the service's creator chose, is the back-pressure: a server that is ahead
/// of its client waits for room. The stream ends with `finish` or `refuse`, which are the call's reply: the client sees it behind the last part. A writer that
/// ends without either fails the call (dropped).
///
/// When the client stops the stream, gives the call up or goes away, each further part throws `streamStopped`, and so does one that waits for room. An error that a part
/// throws because of its client ends this call only: `serve` goes on with the next call if its handler throws it.
///
/// One thread or task at a time uses it.
@safe
public struct CallStreamWriter: ~Copyable, @unchecked Sendable {
    private let sender: StreamSender

    init(_ sender: StreamSender) { self.sender = sender }

    // Without effect once the call was answered.
    deinit { sender.drop() }

    /// The largest part, in bytes.
    public var partCapacity: Int { sender.largestPart }

    /// Whether the client wants no more parts. One load; a client's death shows only while this side waits for room.
    public var isStopped: Bool { sender.isStopped }

    // MARK: Sending

    /// Sends a part, which is copied once. Waits for room. Blocks; in a task the asynchronous form is meant.
    ///
    /// - Parameters:
    ///   - bytes: at most ``partCapacity``.
    ///   - timeout: how long to wait for room: nil, for ever; zero, not at all.
    /// - Throws: `streamStopped` if the client wants no more; `timedOut`, and the stream goes on; `cancelled` if the server's ``CallServer/canceller`` was used;
    ///   `messageTooLarge`, and the stream goes on; `ended` if the server has closed; `poisoned`, `forked`, `alreadyWaiting`.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func send(_ bytes: RawSpan, timeout: Duration? = nil) throws(RingError) { try sender.send(bytes, timeout: timeout) }

    /// Sends the bytes of an array as a part; see `send` with a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func send(_ bytes: [UInt8], timeout: Duration? = nil) throws(RingError) {
        // SAFETY: bytes have no padding.
        try unsafe sender.send(bytes.span.bytes, timeout: timeout)
    }

    /// Sends a text's UTF-8 as a part; see `send` with a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func send(_ text: String, timeout: Duration? = nil) throws(RingError) {
        // SAFETY: as above.
        try unsafe sender.send(text.utf8Span.span.bytes, timeout: timeout)
    }

    /// Sends a part that the body writes in place, where the client reads it.
    ///
    /// - Parameters:
    ///   - byteCount: how many bytes the part has, at most ``partCapacity``.
    ///   - timeout: as of `send` with a raw span.
    ///   - body: writes the bytes, which are at first those of an earlier part. It must not close the server. If it throws, there is no such part.
    /// - Throws: as `send` with a raw span; what the body throws.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func send(byteCount: Int, timeout: Duration? = nil, _ body: (inout MutableRawSpan) throws -> Void) throws {
        try sender.send(byteCount, timeout: timeout, body)
    }

    /// Sends a part if there is room now. Never waits. A system call if the client sleeps, and one in a check interval while there is no room.
    ///
    /// - Returns: false if there is no room.
    /// - Throws: as `send` with a raw span, without `timedOut`.
    public mutating func trySend(_ bytes: RawSpan) throws(RingError) -> Bool { try sender.trySend(bytes) }

    /// Sends the bytes of an array as a part if there is room now; see `trySend` with a raw span.
    public mutating func trySend(_ bytes: [UInt8]) throws(RingError) -> Bool {
        // SAFETY: as above.
        try unsafe sender.trySend(bytes.span.bytes)
    }

    /// Sends a text's UTF-8 as a part if there is room now; see `trySend` with a raw span.
    public mutating func trySend(_ text: String) throws(RingError) -> Bool {
        // SAFETY: as above.
        try unsafe sender.trySend(text.utf8Span.span.bytes)
    }

    /// Sends a part, and waits for room without holding a thread.
    ///
    /// - Parameters:
    ///   - bytes: as of the form that blocks.
    ///   - timeout: as of the form that blocks.
    /// - Throws: as the form that blocks; `cancelled` also if the task is cancelled, though there be room.
    public mutating func send(_ bytes: [UInt8], timeout: Duration? = nil) async throws(RingError) {
        // SAFETY: as above.
        try unsafe await sender.sendWithoutThread(bytes.span.bytes, timeout: timeout)
    }

    /// Sends a text's UTF-8 as a part, and waits for room without holding a thread.
    public mutating func send(_ text: String, timeout: Duration? = nil) async throws(RingError) {
        try await send(Array(text.utf8), timeout: timeout)
    }

    /// Sends a part that stays the caller's to the call's end, and waits for room without holding a thread; see `send` with an array.
    public mutating func send(_ bytes: RawSpan, timeout: Duration? = nil) async throws(RingError) {
        try await sender.sendWithoutThread(bytes, timeout: timeout)
    }

    /// Sends a part that the body writes in place, and waits for room without holding a thread. Otherwise as the form that blocks.
    public mutating func send(byteCount: Int, timeout: Duration? = nil, _ body: (inout MutableRawSpan) throws -> Void) async throws {
        try await sender.sendWithoutThread(byteCount, timeout: timeout, body)
    }

    // MARK: The end

    /// Ends the stream, with a reply that the client finds behind the last part. O(bytes); does not block; a system call if the client sleeps.
    ///
    /// - Parameter reply: at most the service's reply capacity.
    /// - Throws: `messageTooLarge`, and the call is answered as failed (dropped); `ended` if the server has closed; `forked`.
    public consuming func finish(_ reply: [UInt8] = []) throws(RingError) {
        // SAFETY: as above.
        try unsafe sender.finish(UInt32(SR_CALL_REPLIED), reply.span.bytes)
    }

    /// Ends the stream with a text's UTF-8; see `finish` with an array.
    public consuming func finish(_ reply: String) throws(RingError) {
        // SAFETY: as above.
        try unsafe sender.finish(UInt32(SR_CALL_REPLIED), reply.utf8Span.span.bytes)
    }

    /// Ends the stream with a failure: behind the last part the client finds that the service refused, with these bytes.
    ///
    /// - Throws: as `finish`.
    public consuming func refuse(_ bytes: [UInt8] = []) throws(RingError) {
        // SAFETY: as above.
        try unsafe sender.finish(UInt32(SR_CALL_REFUSED), bytes.span.bytes)
    }

    /// Ends the stream with a failure, whose bytes are a text's UTF-8.
    ///
    /// - Throws: as `finish`.
    public consuming func refuse(_ text: String) throws(RingError) {
        // SAFETY: as above.
        try unsafe sender.finish(UInt32(SR_CALL_REFUSED), text.utf8Span.span.bytes)
    }
}

extension ServerCore {
    /// Opens the stream of a started call: from then on its writer answers it. Throws `noStream`, `ended`, `forked`.
    func openStream(_ call: Started) throws(RingError) -> CallStreamWriter {
        try onCalls { () throws(RingError) in
            try memory.attachment.requireOwnProcess()
            guard memory.shape.hasStreams else { throw memory.attachment.error(.noStream, "the service was made without streams") }
            guard call.streams else { throw memory.attachment.error(.noStream, "the client made an ordinary call, which has no stream") }
            guard take(call) else {
                throw memory.attachment.error(.ended, "the call was answered already, perhaps when its server closed")
            }
            let sender = StreamSender(self, call)
            putBack(call, to: Stage.streaming)
            return CallStreamWriter(sender)
        }
    }

    /// Whether an error is of one call's stream alone: its client stopped it, went away, wrote what no client writes, left
    /// no room in time, or asked for none.
    func isOfOneStream(_ error: any Error) -> Bool {
        guard let error = error as? RingError, error.subject == .callService(memory.ring) else { return false }
        return switch error.code {
        case .streamStopped, .noStream, .poisoned, .timedOut: true
        default: false
        }
    }
}

extension CallRequest {
    /// Whether the client reads a stream: ``stream()`` works, and a reply without one is a stream of no parts.
    public var wantsStream: Bool { started.streams }

    /// Opens a stream, which answers the call. Copy the request's bytes before, if they are needed. Allocates.
    ///
    /// - Throws: `noStream` if the client made an ordinary call, and that fails (dropped); `ended` if the server has closed; `forked`.
    public consuming func stream() throws(RingError) -> CallStreamWriter { try core.openStream(started) }
}

extension CallAnswer {
    /// Opens a stream, which answers the call. Allocates.
    ///
    /// - Throws: `noStream` if the client made an ordinary call: if the handler throws it, that call fails (dropped), and `serve` goes on. `ended` if the call was
    ///   answered already; `forked`.
    public mutating func stream() throws(RingError) -> CallStreamWriter { try core.openStream(started) }
}

extension DeferredCall {
    /// As ``CallRequest/wantsStream``.
    public var wantsStream: Bool { request.wantsStream }

    /// Opens a stream, which answers the call. Allocates.
    ///
    /// - Throws: as ``CallAnswer/stream()``.
    public func stream() throws(RingError) -> CallStreamWriter { try request.core.openStream(request.started) }
}

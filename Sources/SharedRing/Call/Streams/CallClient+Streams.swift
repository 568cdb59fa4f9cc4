extension CallClient {
    /// The largest part of a stream, in bytes; 0 if the service was made without streams.
    public var partCapacity: Int { pool.memory.shape.partCapacity }

    /// Makes a call whose reply comes in parts. The request is copied once. Blocks until there is a slot; in a task the asynchronous form is meant.
    ///
    /// - Parameters:
    ///   - request: at most ``requestCapacity`` bytes.
    ///   - token: the name of an earlier call that this one repeats; see ``CallToken``.
    ///   - timeout: how long the stream may take, from the wait for a slot to its end: nil, for ever.
    /// - Returns: the stream, before its first part.
    /// - Throws: ``CallError`` if no request was made, with the outcome `notExecuted`: as `call`; `noStream` if the service was made without streams.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func stream(_ request: RawSpan, retrying token: CallToken? = nil, timeout: Duration? = nil) throws(CallError) -> CallStream {
        try pool.openStream(request, retrying: token, timeout: timeout)
    }

    /// Makes a call whose reply comes in parts, with the bytes of an array; see `stream` with a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func stream(_ request: [UInt8], retrying token: CallToken? = nil, timeout: Duration? = nil) throws(CallError) -> CallStream {
        // SAFETY: bytes have no padding.
        try unsafe pool.openStream(request.span.bytes, retrying: token, timeout: timeout)
    }

    /// Makes a call whose reply comes in parts, with a text's UTF-8; see `stream` with a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func stream(_ request: String, retrying token: CallToken? = nil, timeout: Duration? = nil) throws(CallError) -> CallStream {
        // SAFETY: as above.
        try unsafe pool.openStream(request.utf8Span.span.bytes, retrying: token, timeout: timeout)
    }

    /// Makes a call whose reply comes in parts, and hands each to the body. Blocks to the end.
    ///
    /// - Parameters:
    ///   - request: as of `stream` with a raw span.
    ///   - token: as of `stream` with a raw span.
    ///   - timeout: as of `stream` with a raw span.
    ///   - body: is given each part, in place. If it throws, the stream is stopped.
    /// - Returns: the reply that the server ended the stream with.
    /// - Throws: ``CallError``, as `stream` with a raw span and ``CallStream``; what the body throws.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @discardableResult
    public func stream(
        _ request: [UInt8], retrying token: CallToken? = nil, timeout: Duration? = nil, _ body: (_ part: RawSpan) throws -> Void
    ) throws -> CallReply {
        var stream = try stream(request, retrying: token, timeout: timeout)
        while try stream.next() { try body(stream.bytes) }
        return stream.takeReply()!
    }

    /// Makes a call whose reply comes in parts, and waits for a slot without holding a thread.
    ///
    /// - Parameters:
    ///   - request: as of the form that blocks.
    ///   - token: as of the form that blocks.
    ///   - timeout: as of the form that blocks.
    /// - Returns: the stream, before its first part.
    /// - Throws: as the form that blocks.
    public func stream(_ request: [UInt8], retrying token: CallToken? = nil, timeout: Duration? = nil) async throws(CallError) -> CallStream
    {
        // SAFETY: as above.
        try unsafe await pool.openStreamWithoutThread(request.span.bytes, retrying: token, timeout: timeout)
    }

    /// Makes a call whose reply comes in parts, with bytes that stay the caller's to this call's end; see `stream` with an array.
    public func stream(_ request: RawSpan, retrying token: CallToken? = nil, timeout: Duration? = nil) async throws(CallError) -> CallStream
    {
        try await pool.openStreamWithoutThread(request, retrying: token, timeout: timeout)
    }

    /// Makes a call whose reply comes in parts, with a text's UTF-8, and waits for a slot without holding a thread.
    public func stream(_ request: String, retrying token: CallToken? = nil, timeout: Duration? = nil) async throws(CallError) -> CallStream
    {
        try await stream(Array(request.utf8), retrying: token, timeout: timeout)
    }

    /// Makes a call whose reply comes in parts, and hands each to the body, without holding a thread. Otherwise as the form that blocks.
    ///
    /// - Parameters:
    ///   - request: as of the form that blocks.
    ///   - token: as of the form that blocks.
    ///   - timeout: as of the form that blocks.
    ///   - body: as of the form that blocks.
    /// - Returns: the reply that the server ended the stream with.
    /// - Throws: ``CallError``, as the form that blocks; a cancelled task stops the stream; what the body throws.
    @discardableResult
    public func stream(
        _ request: [UInt8], retrying token: CallToken? = nil, timeout: Duration? = nil, _ body: (_ part: RawSpan) async throws -> Void
    ) async throws -> CallReply {
        var stream = try await stream(request, retrying: token, timeout: timeout)
        while try await stream.next() { try await body(stream.bytes) }
        return stream.takeReply()!
    }

    /// The parts of a call's reply as an asynchronous sequence of copies; see ``CallParts``. It makes no call yet.
    ///
    /// - Parameters:
    ///   - request: at most ``requestCapacity`` bytes.
    ///   - limit: how long each iteration may take, from the wait for a slot to its end: nil, for ever.
    public func parts(of request: [UInt8], within limit: Duration? = nil) -> CallParts {
        CallParts(client: self, request: request, timeout: limit)
    }
}

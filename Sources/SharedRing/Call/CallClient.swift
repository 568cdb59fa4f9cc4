/// Makes calls of a ``CallService``. Make one with ``CallService/makeClient(slots:waiting:options:)``.
///
/// Many threads and tasks may share a client: each call takes a slot of its own from the client's pool, and waits for one if all are in use. A call neither
/// makes a system call nor allocates while its server is awake and answers while the caller still watches. The client ends with ``end()``, or with its
/// last reference and the last reply.
///
/// Cancelling and a deadline end a call at once. A call that a server has not started is withdrawn then: it will never be carried out. One that was started
/// is *still open*: its slot is used again only when the server has answered or gone, and a reply that comes late is dropped and counted.
public struct CallClient: Sendable {
    let pool: ClientPool

    init(_ pool: ClientPool) { self.pool = pool }

    /// How many calls can be under way at a time.
    public var slots: Int { pool.limit }
    /// The largest request, in bytes.
    public var requestCapacity: Int { pool.memory.shape.requestCapacity }
    /// The largest reply, in bytes.
    public var replyCapacity: Int { pool.memory.shape.replyCapacity }

    // MARK: Calling

    /// Makes a call and waits for the reply. The request is copied once. Blocks; in a task the asynchronous form is meant.
    ///
    /// - Parameters:
    ///   - request: at most ``requestCapacity`` bytes.
    ///   - token: the name of an earlier call that this one repeats; see ``CallToken``.
    ///   - timeout: how long to wait, for a slot and for the reply: nil, for ever; zero, not at all.
    /// - Returns: the reply, in place.
    /// - Throws: ``CallError``, whose outcome says what is known of the request.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func call(_ request: RawSpan, retrying token: CallToken? = nil, timeout: Duration? = nil) throws(CallError) -> CallReply {
        try pool.call(request, retrying: token, timeout: timeout)
    }

    /// Makes a call with the bytes of an array; see `call` with a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func call(_ request: [UInt8], retrying token: CallToken? = nil, timeout: Duration? = nil) throws(CallError) -> CallReply {
        // SAFETY: bytes have no padding.
        try unsafe pool.call(request.span.bytes, retrying: token, timeout: timeout)
    }

    /// Makes a call with a text's UTF-8; see `call` with a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func call(_ request: String, retrying token: CallToken? = nil, timeout: Duration? = nil) throws(CallError) -> CallReply {
        // SAFETY: as above.
        try unsafe pool.call(request.utf8Span.span.bytes, retrying: token, timeout: timeout)
    }

    /// Makes a call whose request the body writes in place, where the server reads it.
    ///
    /// No server sees anything of it before the body has returned. If the body throws, no call is made.
    ///
    /// - Parameters:
    ///   - byteCount: how many bytes the request has, at most ``requestCapacity``.
    ///   - token: as of `call` with a raw span.
    ///   - timeout: as of `call` with a raw span.
    ///   - body: writes the bytes, which are at first those of an earlier message. It is called once, when there is a slot.
    /// - Returns: the reply, in place.
    /// - Throws: ``CallError``; what the body throws.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public func call(
        byteCount: Int, retrying token: CallToken? = nil, timeout: Duration? = nil, _ body: (inout MutableRawSpan) throws -> Void
    ) throws -> CallReply {
        try pool.call(byteCount, retrying: token, timeout: timeout, body)
    }

    /// Makes a call and waits for the reply without holding a thread. If the task is cancelled, the call ends at once, with the reason `cancelled`.
    ///
    /// - Parameters:
    ///   - request: as of the form that blocks.
    ///   - token: as of the form that blocks.
    ///   - timeout: as of the form that blocks.
    /// - Returns: the reply, in place.
    /// - Throws: ``CallError``, whose outcome says what is known of the request.
    public func call(_ request: [UInt8], retrying token: CallToken? = nil, timeout: Duration? = nil) async throws(CallError) -> CallReply {
        // SAFETY: bytes have no padding.
        try unsafe await pool.callWithoutThread(request.span.bytes, retrying: token, timeout: timeout)
    }

    /// Makes a call with bytes that stay the caller's to its end, and waits without holding a thread; see `call` with an array.
    public func call(_ request: RawSpan, retrying token: CallToken? = nil, timeout: Duration? = nil) async throws(CallError) -> CallReply {
        try await pool.callWithoutThread(request, retrying: token, timeout: timeout)
    }

    /// Makes a call whose request the body writes in place, and waits without holding a thread. Otherwise as the form that blocks.
    ///
    /// - Parameters:
    ///   - byteCount: as of the form that blocks.
    ///   - token: as of the form that blocks.
    ///   - timeout: as of the form that blocks.
    ///   - body: as of the form that blocks. The slot stays taken while it runs.
    /// - Returns: the reply, in place.
    /// - Throws: ``CallError``; what the body throws.
    public func call(
        byteCount: Int, retrying token: CallToken? = nil, timeout: Duration? = nil, _ body: (inout MutableRawSpan) throws -> Void
    ) async throws -> CallReply {
        try await pool.callWithoutThread(byteCount, retrying: token, timeout: timeout, body)
    }

    /// Makes a call with a text's UTF-8, and waits without holding a thread.
    public func call(_ request: String, retrying token: CallToken? = nil, timeout: Duration? = nil) async throws(CallError) -> CallReply {
        try await call(Array(request.utf8), retrying: token, timeout: timeout)
    }

    // MARK: Cancelling

    /// Ends the calls under way, of all threads and tasks, with the reason `cancelled`, and those to come, until ``resume()``. Two system calls a slot;
    /// does not block. In a forked child it does nothing.
    public func cancel() { pool.raise() }

    /// Lets the client make calls again, after ``cancel()``.
    public func resume() { pool.lower() }

    // MARK: Ending

    /// Ends the client, for all threads and tasks and for every copy of it. From then on each call throws `ended`; so does a call that waits for a slot.
    /// Their outcome is ``CallError/Outcome/notExecuted``.
    ///
    /// A call under way goes on to its outcome. Its slot is free when the call has thrown, or when its reply ends. The other slots are free when this
    /// returns. So without a call under way and without a reply, ``CallService/remove(_:options:)`` finds no trace of the client, though copies of it live.
    /// A call that was given up and is still open stays so: it is settled by the next client that takes its slot.
    ///
    /// Does not block: it waits for no call. To end the calls under way as well, call ``cancel()`` before or after. Ending again does nothing. The memory
    /// stays mapped until the last copy and the last reply have gone. O(slots), some system calls for each.
    ///
    /// - Throws: `forked` in a forked child, where nothing is changed.
    public func end() throws(RingError) { try onCalls { () throws(RingError) in try pool.end() } }
}

import CSharedRing

/// A call that this server has started: to be answered once, now or later, from any thread.
///
/// A request that ends without an answer is answered as failed (dropped). When its server closes before, it is answered as failed (closed).
/// To hand a request to a task, make a ``DeferredCall`` of it.
@safe
public struct CallRequest: ~Copyable, @unchecked Sendable {
    private let addressOnly = AddressOnly()
    let core: ServerCore
    let started: ServerCore.Started

    init(_ core: ServerCore, _ started: ServerCore.Started) {
        self.core = core
        self.started = started
    }

    // Without effect once it was answered.
    deinit { core.drop(started) }

    /// How many bytes the request has.
    public var byteCount: Int { started.byteCount }

    /// The request's bytes. Those of a request of at most 48 bytes are a copy; larger ones are in place, where an untrusted client may change them at any time.
    ///
    /// Larger ones end with the answer, and when the server closes: behind that, another request may stand there. So copy before what is needed after.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            // SAFETY: the core keeps the copies and the areas; the count was checked against the capacity.
            let span = unsafe RawSpan(_unsafeStart: core.requestBytes(started), byteCount: started.byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// A copy of the bytes; empty if they have more than 48 bytes and the call was answered, or its server has closed. Allocates the array. O(bytes).
    public var array: [UInt8] { core.array(started) }

    /// The bytes as text, as of ``array``; what is not UTF-8 is repaired. Allocates. O(bytes).
    public var text: String { String(decoding: array, as: UTF8.self) }

    /// The bytes as one value; nil if it has another size, or if there are more than 48 bytes and the call was answered, or its server has closed.
    public func value<Value: AnyBytes>(as type: Value.Type = Value.self) -> Value? {
        guard byteCount == MemoryLayout<Value>.size else { return nil }
        // SAFETY: as of `bytes`; any bytes are a value.
        let value = unsafe core.requestBytes(started).loadUnaligned(as: Value.self)
        return core.isStillThere(started) ? value : nil
    }

    /// The bytes as one vector; nil as of `value` of another type.
    public func value<Vector: SIMD & BitwiseCopyable>(as type: Vector.Type = Vector.self) -> Vector? where Vector.Scalar: AnyBytes {
        guard byteCount == MemoryLayout<Vector>.size else { return nil }
        // SAFETY: as of `bytes`; any bytes are a vector of such numbers.
        let value = unsafe core.requestBytes(started).loadUnaligned(as: Vector.self)
        return core.isStillThere(started) ? value : nil
    }

    /// The call's name, which a service that keeps it with its result knows a repeated request by: the first call's, if this one repeats it.
    public var token: CallToken { core.token(started) }

    /// Whether the client says that this call repeats an earlier one, whose name ``token`` is then.
    public var isRetry: Bool { started.isRetry }

    /// Whether the caller has given the call up: a hint, for a handler that takes long. One load.
    public var isGivenUp: Bool { core.isGivenUp(started) }

    // MARK: Answering

    /// Answers with these bytes, which are copied once. O(bytes); does not block; a system call if the client sleeps.
    ///
    /// - Throws: `messageTooLarge`, and the call is answered as failed (dropped); `ended` if it was answered when its server closed; `forked`.
    public consuming func reply(_ bytes: RawSpan) throws(RingError) { try core.answer(started, UInt32(SR_CALL_REPLIED), bytes) }

    /// Answers with the bytes of an array; see `reply` with a raw span.
    public consuming func reply(_ bytes: [UInt8]) throws(RingError) {
        // SAFETY: bytes have no padding.
        try unsafe core.answer(started, UInt32(SR_CALL_REPLIED), bytes.span.bytes)
    }

    /// Answers with a text's UTF-8; see `reply` with a raw span.
    public consuming func reply(_ text: String) throws(RingError) {
        // SAFETY: as above.
        try unsafe core.answer(started, UInt32(SR_CALL_REPLIED), text.utf8Span.span.bytes)
    }

    /// Answers in place: the body writes the bytes where the client will read them.
    ///
    /// - Parameters:
    ///   - byteCount: how many bytes the reply has, at most the service's capacity.
    ///   - body: writes the bytes, which are at first those of an earlier message. It must not close the server. If it throws, the call is answered
    ///     as failed (dropped).
    /// - Throws: as `reply` with a raw span; what the body throws.
    public consuming func reply(byteCount: Int, _ body: (inout MutableRawSpan) throws -> Void) throws {
        try core.answer(started, UInt32(SR_CALL_REPLIED), byteCount, body)
    }

    /// Refuses the request: the call fails with these bytes, which the caller finds in ``CallError/refusal``.
    ///
    /// - Throws: as `reply`.
    public consuming func refuse(_ bytes: [UInt8] = []) throws(RingError) {
        // SAFETY: as above.
        try unsafe core.answer(started, UInt32(SR_CALL_REFUSED), bytes.span.bytes)
    }

    /// Refuses the request with a text's UTF-8.
    ///
    /// - Throws: as `reply`.
    public consuming func refuse(_ text: String) throws(RingError) {
        // SAFETY: as above.
        try unsafe core.answer(started, UInt32(SR_CALL_REFUSED), text.utf8Span.span.bytes)
    }

    /// The same call as a reference, which tasks can capture, with a copy of the bytes. Allocates both. O(bytes).
    public consuming func deferred() -> DeferredCall { DeferredCall(self) }
}

/// A call that is answered later, by whatever task has a reference to it. When the last reference goes without an answer, it is answered as failed (dropped).
public final class DeferredCall: Sendable {
    let request: CallRequest
    /// As ``CallRequest/token``.
    public let token: CallToken
    /// A copy of the request's bytes, which were there when the reference was made. It stays as it is, also when the call was answered. O(1).
    public let array: [UInt8]

    init(_ request: consuming CallRequest) {
        array = request.array
        token = request.token
        self.request = request
    }

    /// The request's bytes as text; what is not UTF-8 is repaired. Allocates. O(bytes).
    public var text: String { String(decoding: array, as: UTF8.self) }
    /// As ``CallRequest/isRetry``.
    public var isRetry: Bool { request.isRetry }
    /// As ``CallRequest/isGivenUp``.
    public var isGivenUp: Bool { request.isGivenUp }

    /// Answers with the bytes of an array. O(bytes); does not block; a system call if the client sleeps.
    ///
    /// - Throws: `messageTooLarge`, and the call is not answered yet; `ended` if it was answered already, or its server has closed; `forked`.
    public func reply(_ bytes: [UInt8]) throws(RingError) {
        // SAFETY: bytes have no padding.
        try unsafe request.core.answer(request.started, UInt32(SR_CALL_REPLIED), bytes.span.bytes)
    }

    /// Answers with a text's UTF-8; see `reply` with an array.
    public func reply(_ text: String) throws(RingError) {
        // SAFETY: as above.
        try unsafe request.core.answer(request.started, UInt32(SR_CALL_REPLIED), text.utf8Span.span.bytes)
    }

    /// Refuses the request: the call fails with these bytes. Throws as `reply`.
    public func refuse(_ bytes: [UInt8] = []) throws(RingError) {
        // SAFETY: as above.
        try unsafe request.core.answer(request.started, UInt32(SR_CALL_REFUSED), bytes.span.bytes)
    }
}

/// Where the handler of `serve` puts its answer. Without one, the call is answered as failed (dropped).
public struct CallAnswer: ~Copyable {
    let core: ServerCore
    let started: ServerCore.Started

    init(_ request: borrowing CallRequest) {
        core = request.core
        started = request.started
    }

    /// Answers with these bytes, which are copied once. O(bytes); does not block; a system call if the client sleeps. The call can be answered once.
    ///
    /// - Throws: `messageTooLarge`, and the call is not answered yet; `ended` if it was answered already; `forked`.
    public mutating func reply(_ bytes: RawSpan) throws(RingError) { try core.answer(started, UInt32(SR_CALL_REPLIED), bytes) }

    /// Answers with the bytes of an array; see `reply` with a raw span.
    public mutating func reply(_ bytes: [UInt8]) throws(RingError) {
        // SAFETY: bytes have no padding.
        try unsafe core.answer(started, UInt32(SR_CALL_REPLIED), bytes.span.bytes)
    }

    /// Answers with a text's UTF-8; see `reply` with a raw span.
    public mutating func reply(_ text: String) throws(RingError) {
        // SAFETY: as above.
        try unsafe core.answer(started, UInt32(SR_CALL_REPLIED), text.utf8Span.span.bytes)
    }

    /// Answers in place: the body writes the bytes where the client will read them. If the body throws, the call is not answered yet.
    ///
    /// - Parameters:
    ///   - byteCount: how many bytes the reply has, at most the service's capacity.
    ///   - body: writes the bytes, which are at first those of an earlier message.
    /// - Throws: as `reply` with a raw span; what the body throws.
    public mutating func reply(byteCount: Int, _ body: (inout MutableRawSpan) throws -> Void) throws {
        try core.answer(started, UInt32(SR_CALL_REPLIED), byteCount, body)
    }

    /// Refuses the request: the call fails with these bytes, which the caller finds in ``CallError/refusal``.
    ///
    /// - Throws: as `reply`.
    public mutating func refuse(_ bytes: [UInt8] = []) throws(RingError) {
        // SAFETY: as above.
        try unsafe core.answer(started, UInt32(SR_CALL_REFUSED), bytes.span.bytes)
    }

    /// Refuses the request with a text's UTF-8.
    ///
    /// - Throws: as `reply`.
    public mutating func refuse(_ text: String) throws(RingError) {
        // SAFETY: as above.
        try unsafe core.answer(started, UInt32(SR_CALL_REFUSED), text.utf8Span.span.bytes)
    }
}

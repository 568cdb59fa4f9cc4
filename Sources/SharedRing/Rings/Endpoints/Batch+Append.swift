// SAFETY, for every `unsafe` here: as in `Batch`; bytes have no padding, which is what makes `Span.bytes` unsafe in general.

extension Producer.Batch {
    // MARK: Waiting for room

    /// Appends a message, waiting for room if the ring is full. Everything appended before is committed before it waits.
    ///
    /// Blocks the thread while it waits; in a task the asynchronous form is meant.
    ///
    /// - Parameters: as of `send` of a raw span.
    /// - Throws: as `send` of a raw span. The message is not appended then.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: RawSpan, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        let byteCount = bytes.byteCount
        if _slowPath(!isReady(for: byteCount)) {
            let waited = unsafe Self.waitForRoom(core, state, for: byteCount, timeout: timeout)
            state = waited.state
            if let error = waited.error { throw error }
        }
        write(bytes, tag: tag)
    }

    /// Appends the bytes of a span; see `append` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: Span<UInt8>, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        try unsafe append(bytes.bytes, tag: tag, timeout: timeout)
    }

    /// Appends the bytes of an array; see `append` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: [UInt8], tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        try unsafe append(bytes.span.bytes, tag: tag, timeout: timeout)
    }

    /// Appends the bytes of a buffer; see `append` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: UnsafeRawBufferPointer, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        try unsafe append(bytes.bytes, tag: tag, timeout: timeout)
    }

    /// Appends a text as UTF-8; see `append` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func append(_ text: String, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        try unsafe append(text.utf8.span.bytes, tag: tag, timeout: timeout)
    }

    /// Appends the bytes of a collection; see `append` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    public mutating func append(_ bytes: some Collection<UInt8>, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        let byteCount = bytes.count
        if byteCount < 0 || !isReady(for: byteCount) {
            let waited = unsafe Self.waitForRoom(core, state, for: byteCount, timeout: timeout)
            state = waited.state
            if let error = waited.error { throw error }
        }
        write(bytes, byteCount: byteCount, tag: tag)
    }

    /// Appends the bytes of one value as they lie in memory; see `append` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func append<Value: BitwiseCopyable>(
        value: Value, tag: UInt32 = 0, timeout: Duration? = nil
    ) throws(RingError) {
        if _slowPath(!isReady(for: MemoryLayout<Value>.size)) {
            let waited = unsafe Self.waitForRoom(core, state, for: MemoryLayout<Value>.size, timeout: timeout)
            state = waited.state
            if let error = waited.error { throw error }
        }
        write(value: value, tag: tag)
    }

    /// Appends a message that the body writes in place, without a copy, waiting for room if the ring is full.
    ///
    /// ```swift
    /// try batch.append(byteCount: 64) { bytes in bytes.storeBytes(of: price, toByteOffset: 0, as: UInt64.self) }
    /// ```
    ///
    /// - Parameters:
    ///   - byteCount: 0 to ``Producer/largestMessage``.
    ///   - tag: as of `send` of a raw span.
    ///   - timeout: as of `send` of a raw span.
    ///   - body: writes the message. What the bytes hold before is arbitrary.
    /// - Throws: as `send` of a raw span. The body is not called then.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func append(
        byteCount: Int, tag: UInt32 = 0, timeout: Duration? = nil, _ body: (inout MutableRawSpan) -> Void
    ) throws(RingError) {
        // A negative count is refused where there is no room.
        if _slowPath(byteCount < 0 || !isReady(for: byteCount)) {
            let waited = unsafe Self.waitForRoom(core, state, for: byteCount, timeout: timeout)
            state = waited.state
            if let error = waited.error { throw error }
        }
        write(byteCount: byteCount, tag: tag, body)
    }

    // MARK: If there is room

    /// Appends a message that the body writes in place, if there is room; otherwise nothing changes, and the body is not called.
    ///
    /// - Parameters: as of ``append(byteCount:tag:timeout:_:)``.
    /// - Returns: whether it was appended.
    /// - Throws: as ``tryAppend(_:tag:)-(RawSpan,_)``.
    @inlinable
    @inline(__always)
    public mutating func tryAppend(
        byteCount: Int, tag: UInt32 = 0, _ body: (inout MutableRawSpan) -> Void
    ) throws(RingError) -> Bool {
        if _slowPath(byteCount < 0 || !isReady(for: byteCount)) {
            guard try findRoom(for: byteCount) else { return false }
        }
        write(byteCount: byteCount, tag: tag, body)
        return true
    }

    /// Appends a message if there is room; otherwise nothing changes.
    ///
    /// - Returns: whether it was appended.
    /// - Throws: `messageTooLarge`, `poisoned`, `forked`, `ended`.
    @inlinable
    @inline(__always)
    public mutating func tryAppend(_ bytes: RawSpan, tag: UInt32 = 0) throws(RingError) -> Bool {
        let byteCount = bytes.byteCount
        if _slowPath(!isReady(for: byteCount)) {
            guard try findRoom(for: byteCount) else { return false }
        }
        write(bytes, tag: tag)
        return true
    }

    /// Appends the bytes of a span if there is room; see ``tryAppend(_:tag:)-(RawSpan,_)``.
    @inlinable
    @inline(__always)
    public mutating func tryAppend(_ bytes: Span<UInt8>, tag: UInt32 = 0) throws(RingError) -> Bool {
        try unsafe tryAppend(bytes.bytes, tag: tag)
    }

    /// Appends the bytes of an array if there is room; see ``tryAppend(_:tag:)-(RawSpan,_)``.
    @inlinable
    @inline(__always)
    public mutating func tryAppend(_ bytes: [UInt8], tag: UInt32 = 0) throws(RingError) -> Bool {
        try unsafe tryAppend(bytes.span.bytes, tag: tag)
    }

    /// Appends the bytes of a buffer if there is room; see ``tryAppend(_:tag:)-(RawSpan,_)``.
    @inlinable
    @inline(__always)
    public mutating func tryAppend(_ bytes: UnsafeRawBufferPointer, tag: UInt32 = 0) throws(RingError) -> Bool {
        try unsafe tryAppend(bytes.bytes, tag: tag)
    }

    /// Appends a text as UTF-8 if there is room; see ``tryAppend(_:tag:)-(RawSpan,_)``.
    public mutating func tryAppend(_ text: String, tag: UInt32 = 0) throws(RingError) -> Bool {
        try unsafe tryAppend(text.utf8.span.bytes, tag: tag)
    }

    /// Appends the bytes of a collection if there is room; see ``tryAppend(_:tag:)-(RawSpan,_)``.
    @inlinable
    public mutating func tryAppend(_ bytes: some Collection<UInt8>, tag: UInt32 = 0) throws(RingError) -> Bool {
        let byteCount = bytes.count
        if byteCount < 0 || !isReady(for: byteCount) {
            guard try findRoom(for: byteCount) else { return false }
        }
        write(bytes, byteCount: byteCount, tag: tag)
        return true
    }

    /// Appends the bytes of one value if there is room; see ``tryAppend(_:tag:)-(RawSpan,_)``.
    @inlinable
    @inline(__always)
    public mutating func tryAppend<Value: BitwiseCopyable>(value: Value, tag: UInt32 = 0) throws(RingError) -> Bool {
        if _slowPath(!isReady(for: MemoryLayout<Value>.size)) {
            guard try findRoom(for: MemoryLayout<Value>.size) else { return false }
        }
        write(value: value, tag: tag)
        return true
    }

    // MARK: Waiting for room without holding a thread

    /// Appends a message, waiting for room without holding a thread. In asynchronous code this is what `append` means.
    ///
    /// Everything appended before is committed before it waits.
    ///
    /// - Parameters: as of the synchronous one.
    /// - Throws: as ``Producer/waitUntilReady(for:timeout:)``. The message is not appended then.
    @inlinable
    public mutating func append(_ bytes: RawSpan, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        let byteCount = bytes.byteCount
        if _slowPath(!isReady(for: byteCount)) { try await waitForRoom(for: byteCount, timeout: timeout) }
        write(bytes, tag: tag)
    }

    /// Appends the bytes of a span, waiting for room without holding a thread.
    @inlinable
    public mutating func append(_ bytes: Span<UInt8>, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try await unsafe append(bytes.bytes, tag: tag, timeout: timeout)
    }

    /// Appends the bytes of an array, waiting for room without holding a thread.
    @inlinable
    public mutating func append(_ bytes: [UInt8], tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try await unsafe append(bytes.span.bytes, tag: tag, timeout: timeout)
    }

    /// Appends the bytes of a buffer, waiting for room without holding a thread.
    @inlinable
    public mutating func append(_ bytes: UnsafeRawBufferPointer, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try await unsafe append(bytes.bytes, tag: tag, timeout: timeout)
    }

    /// Appends a text as UTF-8, waiting for room without holding a thread.
    public mutating func append(_ text: String, tag: UInt32 = 0, timeout: Duration? = nil) async throws(RingError) {
        try await unsafe append(text.utf8.span.bytes, tag: tag, timeout: timeout)
    }

    /// Appends the bytes of a collection, waiting for room without holding a thread.
    @inlinable
    public mutating func append(
        _ bytes: some Collection<UInt8>, tag: UInt32 = 0, timeout: Duration? = nil
    ) async throws(RingError) {
        let byteCount = bytes.count
        if byteCount < 0 || !isReady(for: byteCount) { try await waitForRoom(for: byteCount, timeout: timeout) }
        write(bytes, byteCount: byteCount, tag: tag)
    }

    /// Appends the bytes of one value, waiting for room without holding a thread.
    @inlinable
    public mutating func append<Value: BitwiseCopyable>(
        value: Value, tag: UInt32 = 0, timeout: Duration? = nil
    ) async throws(RingError) {
        if _slowPath(!isReady(for: MemoryLayout<Value>.size)) { try await waitForRoom(for: MemoryLayout<Value>.size, timeout: timeout) }
        write(value: value, tag: tag)
    }

    /// Appends a message that the body writes in place, waiting for room without holding a thread.
    @inlinable
    public mutating func append(
        byteCount: Int, tag: UInt32 = 0, timeout: Duration? = nil, _ body: (inout MutableRawSpan) -> Void
    ) async throws(RingError) {
        if byteCount < 0 || !isReady(for: byteCount) { try await waitForRoom(for: byteCount, timeout: timeout) }
        write(byteCount: byteCount, tag: tag, body)
    }

    // MARK: Writing, where there is room

    @inlinable
    @inline(__always)
    mutating func write(byteCount: Int, tag: UInt32, _ body: (inout MutableRawSpan) -> Void) {
        var bytes = unsafe MutableRawSpan(_unsafeStart: state.cursor + shape.messageOffset, byteCount: byteCount)
        body(&bytes)
        advance(byteCount: byteCount, tag: tag)
    }

    @inlinable
    @inline(__always)
    mutating func write(_ bytes: RawSpan, tag: UInt32) {
        unsafe LaneWriter.copy(bytes, to: state.cursor + shape.messageOffset)
        advance(byteCount: bytes.byteCount, tag: tag)
    }

    @inlinable
    mutating func write(_ bytes: some Collection<UInt8>, byteCount: Int, tag: UInt32) {
        let written = unsafe LaneWriter.copy(bytes, count: byteCount, to: state.cursor + shape.messageOffset)
        advance(byteCount: written, tag: tag)
    }

    @inlinable
    @inline(__always)
    mutating func write<Value: BitwiseCopyable>(value: Value, tag: UInt32) {
        unsafe (state.cursor + shape.messageOffset).storeBytes(of: value, as: Value.self)
        advance(byteCount: MemoryLayout<Value>.size, tag: tag)
    }
}

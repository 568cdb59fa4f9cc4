// SAFETY, for every `unsafe` here: the writer lives as long as `core`; no other code uses it, since this producer is borrowed
// exclusively; a record is written only where `isReady` or `makeRoom` found room for it;
// bytes have no padding, which is what makes `Span.bytes` unsafe in general.

extension Producer {
    // MARK: Room

    /// Where a message of `count` bytes goes; waits for room if there is none.
    @inlinable
    @inline(__always)
    mutating func slot(for count: Int, timeout: Duration?) throws(RingError) -> LaneWriter.Slot {
        if unsafe _slowPath(!writer.isReady(for: count)) { return try waitForSlot(for: count, timeout: timeout) }
        return unsafe LaneWriter.Slot(ready: writer.pointee)
    }

    /// The same; nil if there is no room.
    @inlinable
    @inline(__always)
    mutating func slotNow(for count: Int) throws(RingError) -> LaneWriter.Slot? {
        if unsafe _slowPath(!writer.isReady(for: count)) { return try unsafe writer.pointee.makeSlot(for: count) }
        return unsafe LaneWriter.Slot(ready: writer.pointee)
    }

    // MARK: Bytes

    /// Sends a message, waiting for room if the ring is full.
    ///
    /// The bytes are copied once, into the ring. O(bytes). Blocks the thread while it waits; in a task the asynchronous form is meant.
    ///
    /// - Parameters:
    ///   - bytes: the message, at most ``largestMessage`` bytes, possibly none.
    ///   - tag: anything; it reaches the consumer with the message.
    ///   - timeout: how long to wait for room: nil, for ever; zero, not at all.
    /// - Throws: `messageTooLarge`, `timedOut`, `cancelled`, `poisoned`, `forked`; `peerDied` or `peerClosed` if it waits for
    ///   room and finds that the consumer has gone: once, later calls wait for the next one. Nothing was sent then. In a broadcast none of these two;
    ///   `timedOut` names the subscriber that holds the publisher up.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func send(_ bytes: RawSpan, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        let count = bytes.byteCount
        let slot = try slot(for: count, timeout: timeout)
        unsafe LaneWriter.copy(bytes, to: slot.payload)
        unsafe writer.pointee.commit(slot, byteCount: count, tag: tag)
    }

    /// Sends a message if there is room.
    ///
    /// - Returns: whether it was sent.
    /// - Throws: `messageTooLarge`, `poisoned`, `forked`.
    @inlinable
    @inline(__always)
    public mutating func trySend(_ bytes: RawSpan, tag: UInt32 = 0) throws(RingError) -> Bool {
        let count = bytes.byteCount
        guard let slot = try slotNow(for: count) else { return false }
        unsafe LaneWriter.copy(bytes, to: slot.payload)
        unsafe writer.pointee.commit(slot, byteCount: count, tag: tag)
        return true
    }

    /// Sends the bytes of a span; see `send` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func send(_ bytes: Span<UInt8>, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        try unsafe send(bytes.bytes, tag: tag, timeout: timeout)
    }

    /// Sends the bytes of a span if there is room; see ``trySend(_:tag:)-(RawSpan,_)``.
    @inlinable
    @inline(__always)
    public mutating func trySend(_ bytes: Span<UInt8>, tag: UInt32 = 0) throws(RingError) -> Bool {
        try unsafe trySend(bytes.bytes, tag: tag)
    }

    /// Sends the bytes of an array; see `send` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func send(_ bytes: [UInt8], tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        try unsafe send(bytes.span.bytes, tag: tag, timeout: timeout)
    }

    /// Sends the bytes of an array if there is room; see ``trySend(_:tag:)-(RawSpan,_)``.
    @inlinable
    @inline(__always)
    public mutating func trySend(_ bytes: [UInt8], tag: UInt32 = 0) throws(RingError) -> Bool {
        try unsafe trySend(bytes.span.bytes, tag: tag)
    }

    /// Sends the bytes of a buffer; see `send` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func send(_ bytes: UnsafeRawBufferPointer, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        try unsafe send(bytes.bytes, tag: tag, timeout: timeout)
    }

    /// Sends the bytes of a buffer if there is room; see ``trySend(_:tag:)-(RawSpan,_)``.
    @inlinable
    @inline(__always)
    public mutating func trySend(_ bytes: UnsafeRawBufferPointer, tag: UInt32 = 0) throws(RingError) -> Bool {
        try unsafe trySend(bytes.bytes, tag: tag)
    }

    /// Sends a text as UTF-8; see `send` of a raw span.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    public mutating func send(_ text: String, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        try unsafe send(text.utf8.span.bytes, tag: tag, timeout: timeout)
    }

    /// Sends a text as UTF-8 if there is room; see ``trySend(_:tag:)-(RawSpan,_)``.
    public mutating func trySend(_ text: String, tag: UInt32 = 0) throws(RingError) -> Bool {
        try unsafe trySend(text.utf8.span.bytes, tag: tag)
    }

    /// Sends the bytes of a collection: a slice, a `Data`, a buffer. See `send` of a raw span.
    ///
    /// They are copied once if they lie in one piece, and otherwise written into the ring one by one.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    public mutating func send(_ bytes: some Collection<UInt8>, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        let count = bytes.count
        // A collection that claims a negative count is refused where there is no room.
        let slot = count < 0 ? try waitForSlot(for: count, timeout: timeout) : try slot(for: count, timeout: timeout)
        let written = unsafe LaneWriter.copy(bytes, count: count, to: slot.payload)
        unsafe writer.pointee.commit(slot, byteCount: written, tag: tag)
    }

    /// Sends the bytes of a collection if there is room; see ``trySend(_:tag:)-(RawSpan,_)``.
    @inlinable
    public mutating func trySend(_ bytes: some Collection<UInt8>, tag: UInt32 = 0) throws(RingError) -> Bool {
        let count = bytes.count
        let found = count < 0 ? try unsafe writer.pointee.makeSlot(for: count) : try slotNow(for: count)
        guard let slot = found else { return false }
        let written = unsafe LaneWriter.copy(bytes, count: count, to: slot.payload)
        unsafe writer.pointee.commit(slot, byteCount: written, tag: tag)
        return true
    }

    // MARK: Values

    /// Sends the bytes of one value as they lie in memory; see `send` of a raw span.
    ///
    /// For values without padding: what lies between fields is sent too.
    @available(*, noasync, message: "it would hold a thread of the pool: await it")
    @inlinable
    @inline(__always)
    public mutating func send<Value: BitwiseCopyable>(
        value: Value, tag: UInt32 = 0, timeout: Duration? = nil
    ) throws(RingError) {
        let count = MemoryLayout<Value>.size
        let slot = try slot(for: count, timeout: timeout)
        unsafe slot.payload.storeBytes(of: value, as: Value.self)
        unsafe writer.pointee.commit(slot, byteCount: count, tag: tag)
    }

    /// Sends the bytes of one value if there is room; see ``trySend(_:tag:)-(RawSpan,_)``.
    @inlinable
    @inline(__always)
    public mutating func trySend<Value: BitwiseCopyable>(value: Value, tag: UInt32 = 0) throws(RingError) -> Bool {
        let count = MemoryLayout<Value>.size
        guard let slot = try slotNow(for: count) else { return false }
        unsafe slot.payload.storeBytes(of: value, as: Value.self)
        unsafe writer.pointee.commit(slot, byteCount: count, tag: tag)
        return true
    }
}

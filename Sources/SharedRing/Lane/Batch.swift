public import CSharedRing

/// Several messages that are committed together: one store makes them all visible, one look decides about waking.
///
/// A batch borrows its producer. It is no transaction: when the ring fills up, what the batch holds is committed before it
/// waits for room (or the consumer, who can't see it, would wait for it in turn). Dropping a batch takes back what was
/// appended since.
@safe
@frozen
public struct Batch: ~Copyable, ~Escapable {
    @usableFromInline let writer: UnsafeMutablePointer<LaneWriter>
    @usableFromInline let side: ProducerSide
    /// Where the next record goes. The writer's tail stays at the first one until the commit.
    @usableFromInline var position: UInt64
    /// The header that is stored last.
    @usableFromInline var first = RecordHeader(bits: 0)
    @usableFromInline var appended = 0
    @usableFromInline var appendedBytes = 0

    /// How many messages are appended and not committed.
    @inlinable
    public var count: Int { appended }

    @inlinable
    @_lifetime(&producer)
    init(_ producer: inout Producer) {
        unsafe writer = producer.writer
        side = producer.side
        position = unsafe producer.writer.pointee.tail
    }

    // SAFETY, for every `unsafe` here: as in `Claim`; every record was found to fit at `position` before it is written.

    /// Appends a message, waiting for room if the ring is full. Everything appended before is committed before it waits.
    ///
    /// - Parameters: as of ``Producer/send(_:tag:timeout:)-(RawSpan,_,_)``.
    /// - Throws: as ``Producer/send(_:tag:timeout:)-(RawSpan,_,_)``. The message is not appended then.
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: RawSpan, tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        let byteCount = bytes.byteCount
        if !isReady(for: byteCount) { try waitForRoom(for: byteCount, timeout: timeout) }
        let place = unsafe writer.pointee.place(at: position)
        unsafe LaneWriter.copy(bytes, to: place + writer.pointee.shape.messageOffset)
        unsafe advance(byteCount: byteCount, tag: tag, at: place)
    }

    /// Appends the bytes of an array; see ``append(_:tag:timeout:)-(RawSpan,_,_)``.
    @inlinable
    @inline(__always)
    public mutating func append(_ bytes: [UInt8], tag: UInt32 = 0, timeout: Duration? = nil) throws(RingError) {
        try unsafe append(bytes.span.bytes, tag: tag, timeout: timeout)
    }

    /// Appends the bytes of one value as they lie in memory; see ``append(_:tag:timeout:)-(RawSpan,_,_)``.
    @inlinable
    @inline(__always)
    public mutating func append<Value: BitwiseCopyable>(
        value: Value, tag: UInt32 = 0, timeout: Duration? = nil
    ) throws(RingError) {
        let byteCount = MemoryLayout<Value>.size
        if !isReady(for: byteCount) { try waitForRoom(for: byteCount, timeout: timeout) }
        let place = unsafe writer.pointee.place(at: position)
        unsafe (place + writer.pointee.shape.messageOffset).storeBytes(of: value, as: Value.self)
        unsafe advance(byteCount: byteCount, tag: tag, at: place)
    }

    /// Appends a message if there is room; otherwise nothing changes.
    ///
    /// - Returns: whether it was appended.
    /// - Throws: `messageTooLarge`, `poisoned`, `forked`.
    @inlinable
    @inline(__always)
    public mutating func tryAppend(_ bytes: RawSpan, tag: UInt32 = 0) throws(RingError) -> Bool {
        let byteCount = bytes.byteCount
        if !isReady(for: byteCount) {
            let writer = unsafe writer  // see `flush`
            guard try unsafe writer.pointee.makeRoomOrCount(for: byteCount, at: position) else { return false }
        }
        let place = unsafe writer.pointee.place(at: position)
        unsafe LaneWriter.copy(bytes, to: place + writer.pointee.shape.messageOffset)
        unsafe advance(byteCount: byteCount, tag: tag, at: place)
        return true
    }

    /// Sends what was appended. Nothing appended: does nothing.
    @inlinable
    @inline(__always)
    public consuming func commit() { flush() }

    /// Sends what was appended so far; more can be appended afterwards.
    @inlinable
    @inline(__always)
    public mutating func flush() {
        guard !first.isAbsent else { return }
        // A copy of the pointer: with the thread sanitizer on, Swift 6.3 takes a mutation through `self.writer` for an escape.
        let writer = unsafe writer
        unsafe LaneWriter.terminate(writer.pointee.place(at: position))
        unsafe writer.pointee.publish(
            first, at: writer.pointee.place(at: writer.pointee.tail), next: position, count: appended, byteCount: appendedBytes)
        first = RecordHeader(bits: 0)
        appended = 0
        appendedBytes = 0
    }

    @inlinable
    @inline(__always)
    func isReady(for byteCount: Int) -> Bool { unsafe writer.pointee.fits(byteCount, at: position) }

    /// The record at `position`, at `place`, is written. All but the first get their header now: nobody looks there before the first's.
    @inlinable
    @inline(__always)
    mutating func advance(byteCount: Int, tag: UInt32, at place: UnsafeMutableRawPointer) {
        unsafe LaneWriter.prefetch(place)
        let header = unsafe writer.pointee.shape.header(byteCount: byteCount, tag: tag)
        if first.isAbsent {
            first = header
        } else {
            // Relaxed: the first header's release store makes it visible.
            unsafe sr_store_relaxed_u64(place, header.bits)
        }
        position &+= unsafe writer.pointee.shape.spacing(byteCount)
        appended &+= 1
        appendedBytes &+= byteCount
    }

    @usableFromInline
    @inline(never)
    mutating func waitForRoom(for byteCount: Int, timeout: Duration?) throws(RingError) {
        let writer = unsafe writer  // see `flush`
        if try unsafe writer.pointee.makeRoomOrCount(for: byteCount, at: position) { return }
        flush()
        try side.sleepForRoom(for: byteCount, until: Deadline(after: timeout))
    }
}

extension Producer {
    /// Begins a batch; see ``Batch``.
    @inlinable
    @inline(__always)
    @_lifetime(&self)
    public mutating func batch() -> Batch { Batch(&self) }
}

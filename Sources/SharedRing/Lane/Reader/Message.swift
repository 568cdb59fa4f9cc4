public import CSharedRing

/// A received message, in place: a view into the ring.
///
/// A message borrows its consumer, which can do nothing else while the view exists; the compiler sees to it, and to it
/// that the view does not outlive the consumer. With automatic acknowledgement it is acknowledged when the view ends.
///
/// The bytes are the sender's memory: a hostile sender can change them while they are read. Copy them before checking them
/// if that matters.
@safe
@frozen
public struct Message: ~Copyable, ~Escapable {
    @usableFromInline let addressOnly = AddressOnly()
    @usableFromInline let reader: UnsafeMutablePointer<LaneReader>
    @usableFromInline let start: UnsafeRawPointer
    /// The payload's size.
    public let byteCount: Int
    /// What the sender gave with it.
    public let tag: UInt32

    /// Tells this message from every other of its reader, and from those of the readers that had its memory before.
    @usableFromInline let id: UInt64

    /// The id of a view that its maker finishes: no reader hands it out.
    @inlinable static var lentId: UInt64 { 1 }

    // SAFETY, for every `unsafe` here: the reader lives as long as the consumer, which this message borrows exclusively;
    // the header was checked by `admits`, so the payload lies inside the mapping. `deinit` may come later than that: see
    // `ReaderStorage`.

    /// The message that the reader found; it is out now.
    @inlinable
    @inline(__always)
    @_lifetime(immortal)
    init(_ reader: UnsafeMutablePointer<LaneReader>, _ found: LaneReader.Found) {
        unsafe self.reader = reader
        unsafe start = found.start
        byteCount = found.byteCount
        tag = found.tag
        id = found.id
        unsafe reader.pointee.handedOut = id
    }

    /// A view that its maker retires; its `deinit` does nothing.
    @inlinable
    @inline(__always)
    @_lifetime(immortal)
    init(lent reader: UnsafeMutablePointer<LaneReader>, _ header: RecordHeader) {
        unsafe self.reader = reader
        unsafe start = reader.pointee.payload
        byteCount = unsafe reader.pointee.shape.messageSize(header)
        tag = header.tag
        id = Self.lentId  // odd, and no message is out meanwhile, so `handedOut` is even or `nothingMore`: `deinit` does nothing
    }

    /// The payload.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe RawSpan(_unsafeStart: start, byteCount: byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The lane it came through; 0 in a ring with one.
    @inlinable
    public var lane: Int { unsafe reader.pointee.lane }

    /// Grows from message to message, though not by one: its position in its lane, or, in a total order, its ticket. The ticket was checked when the
    /// message was found and is read from the ring again, as its bytes are: an untrusted sender may have changed it meanwhile.
    @inlinable
    public var sequence: UInt64 {
        if unsafe reader.pointee.shape.prefix == 0 { return unsafe reader.pointee.head }
        // SAFETY: the ticket stands before the payload. Relaxed: the header brought it along.
        return unsafe sr_load_relaxed_u64(start - 8)
    }

    /// The payload as a text; what is not UTF-8 is repaired. Allocates.
    public var text: String {
        // Copied first and examined then: in the ring a hostile sender could make it other bytes in between.
        unsafe String(unsafeUninitializedCapacity: byteCount) { copy in
            guard let target = copy.baseAddress else { return 0 }
            unsafe sr_copy(target, start, Int64(byteCount))
            return byteCount
        }
    }

    /// A copy of the payload. Allocates.
    public var array: [UInt8] {
        unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
    }

    /// The payload as one integer, in this machine's byte order; nil if it has another size.
    @inlinable
    public func integer<Value: FixedWidthInteger & BitwiseCopyable>(as type: Value.Type = Value.self) -> Value? {
        guard byteCount == MemoryLayout<Value>.size else { return nil }
        return unsafe start.loadUnaligned(as: Value.self)
    }

    /// The payload as one value of a type of which any bytes are one; nil if it has another size. Copies it. O(bytes).
    @inlinable
    public func value<Value: AnyBytes>(as type: Value.Type = Value.self) -> Value? {
        guard byteCount == MemoryLayout<Value>.size else { return nil }
        // SAFETY: the payload is as long as the value, may stand at any address, and any bytes are a value.
        return unsafe start.loadUnaligned(as: Value.self)
    }

    /// The payload as one vector; nil if it has another size. See ``value(as:)-(Value.Type)``.
    @inlinable
    public func value<Vector: SIMD & BitwiseCopyable>(as type: Vector.Type = Vector.self) -> Vector? where Vector.Scalar: AnyBytes {
        guard byteCount == MemoryLayout<Vector>.size else { return nil }
        // SAFETY: as above. (That a vector of such numbers is a value, whatever its bytes, the compiler can't be told.)
        return unsafe start.loadUnaligned(as: Vector.self)
    }

    /// The payload as one value of any trivial type; nil if it has another size. Copies it. O(bytes).
    ///
    /// Unsafe, because a peer may have sent bytes that are no value of the type: not any are a `Bool`, an enum or a pointer. Where any
    /// are, say so with ``AnyBytes`` and take ``value(as:)-(Value.Type)``.
    @unsafe
    @inlinable
    public func unsafeValue<Value: BitwiseCopyable>(as type: Value.Type = Value.self) -> Value? {
        guard byteCount == MemoryLayout<Value>.size else { return nil }
        return unsafe start.loadUnaligned(as: Value.self)
    }

    /// Ends the view without using the message up: the next call hands it out again.
    @inlinable
    public consuming func putBack() {
        let reader = unsafe reader  // see `Batch.flush`
        if unsafe reader.pointee.handedOut == id { unsafe reader.pointee.handedOut &+= 1 }  // so `deinit` does nothing
    }

    @inlinable
    @inline(__always)
    deinit {
        // Not if it was finished already: a caller that asks for the next message is done with this one.
        let reader = unsafe reader  // see `Batch.flush`
        if unsafe reader.pointee.handedOut == id { unsafe reader.pointee.finish(id) }
    }
}

/// What a consumer that does not wait found.
@frozen
public enum PollResult: ~Copyable, ~Escapable {
    /// A message.
    case message(Message)
    /// Nothing is there now.
    case empty
    /// A producer closed its stream here.
    case ended
}

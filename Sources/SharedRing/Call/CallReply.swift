import CSharedRing

/// The reply to a call, in place: a view of the shared memory where the server wrote it.
///
/// The slot of the call is used again when this value ends. So copy what is to be kept, and let go of the reply soon. An untrusted server may change the
/// bytes at any time.
@safe
public struct CallReply: ~Copyable, @unchecked Sendable {
    private let addressOnly = AddressOnly()
    private let pool: ClientPool
    /// With a reference, which goes back to the pool.
    private let slot: Unmanaged<ClientSlot>
    private let start: UnsafeRawPointer
    /// How many bytes it has.
    public let byteCount: Int

    // SAFETY, for every `unsafe` here: the bytes lie in the slot's line or its area, which the pool keeps mapped; the count was checked against the
    // capacity. The slot's reference is this value's until its end.

    @inline(__always)
    init(_ pool: ClientPool, _ slot: Unmanaged<ClientSlot>, _ start: UnsafeRawPointer, byteCount: Int) {
        self.pool = pool
        unsafe self.slot = slot
        unsafe self.start = start
        self.byteCount = byteCount
    }

    deinit { unsafe pool.give(slot) }

    /// The call's name.
    public var token: CallToken { unsafe slot._withUnsafeGuaranteedRef(\.token) }

    /// The reply's bytes, for as long as this value lives.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            let span = unsafe RawSpan(_unsafeStart: start, byteCount: byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// A copy of the bytes. Allocates the array. O(bytes).
    public var array: [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            if let base = buffer.baseAddress { unsafe sr_copy(base, start, Int64(byteCount)) }
            count = byteCount
        }
    }

    /// The bytes as text; what is not UTF-8 is repaired. Allocates. O(bytes).
    public var text: String { String(decoding: array, as: UTF8.self) }

    /// The bytes as one value; nil if it has another size.
    public func value<Value: AnyBytes>(as type: Value.Type = Value.self) -> Value? {
        guard byteCount == MemoryLayout<Value>.size else { return nil }
        // SAFETY: as above; any bytes are a value.
        return unsafe start.loadUnaligned(as: Value.self)
    }

    /// The bytes as one vector; nil if it has another size.
    public func value<Vector: SIMD & BitwiseCopyable>(as type: Vector.Type = Vector.self) -> Vector? where Vector.Scalar: AnyBytes {
        guard byteCount == MemoryLayout<Vector>.size else { return nil }
        // SAFETY: as above; any bytes are a vector of such numbers.
        return unsafe start.loadUnaligned(as: Vector.self)
    }

    /// Copies the bytes into a buffer. O(bytes); does not allocate.
    ///
    /// - Returns: how many bytes there were.
    /// - Throws: `sizeMismatch` if they do not fit.
    @discardableResult
    public func copy(into buffer: inout MutableRawSpan) throws(RingError) -> Int {
        guard byteCount <= buffer.byteCount else {
            throw RingError(
                .sizeMismatch, about: .callService(pool.memory.ring),
                "a reply of \(counted(byteCount, "byte")) does not fit the buffer, which has \(buffer.byteCount)")
        }
        let (start, count) = unsafe (start, byteCount)
        unsafe buffer.withUnsafeMutableBytes { if let base = $0.baseAddress { unsafe sr_copy(base, start, Int64(count)) } }
        return byteCount
    }
}

public import CSharedRing

/// Which value of an entry it is, and what its writer said of it.
public struct BoardStamp: Sendable, Hashable {
    /// How often the entry was set up to this value: 1 for the first one. It grows by 1 from value to value, also from writer to writer.
    public let version: UInt64
    /// The slot's header. As one word, so that what is stored as two words is not loaded as one, which takes a processor as long as the whole read.
    @usableFromInline let word: UInt64
    /// What the writer gave with it.
    @inlinable
    public var tag: UInt32 { sr_slot_tag(word) }
    /// The value's size, in bytes.
    @inlinable
    public var byteCount: Int { Int(sr_slot_byte_count(word)) }
    /// When it was written, in nanoseconds since 1970; nil: the board does not keep the time. An untrusted writer may have stored any number.
    public let writtenNanoseconds: Int64?

    @inlinable
    init(version: UInt64, word: UInt64, writtenNanoseconds: Int64?) {
        self.version = version
        self.word = word
        self.writtenNanoseconds = writtenNanoseconds
    }
}

/// A copy of an entry's value, whole.
public struct BoardValue: Sendable, Hashable {
    /// Which value it is.
    public let stamp: BoardStamp
    /// The value.
    public let bytes: [UInt8]

    init(_ stamp: BoardStamp, _ bytes: [UInt8]) {
        self.stamp = stamp
        self.bytes = bytes
    }

    /// See ``BoardStamp/version``.
    public var version: UInt64 { stamp.version }
    /// See ``BoardStamp/tag``.
    public var tag: UInt32 { stamp.tag }
    /// The value as a text; what is not UTF-8 is repaired. Allocates. O(bytes).
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The value as one value of a type of which any bytes are one; nil if it has another size. O(bytes).
    public func value<Value: AnyBytes>(as type: Value.Type = Value.self) -> Value? {
        guard bytes.count == MemoryLayout<Value>.size else { return nil }
        // SAFETY: there are as many bytes as the value has, and any bytes are a value.
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Value.self) }
    }

    /// The value as one vector; nil if it has another size. O(bytes).
    public func value<Vector: SIMD & BitwiseCopyable>(as type: Vector.Type = Vector.self) -> Vector? where Vector.Scalar: AnyBytes {
        guard bytes.count == MemoryLayout<Vector>.size else { return nil }
        // SAFETY: as above; any bytes are a vector of such numbers.
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Vector.self) }
    }
}

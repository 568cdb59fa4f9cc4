/// A received message that was copied out of the ring: it can be kept and sent anywhere.
public struct OwnedMessage: Sendable, Equatable {
    /// The payload.
    public let bytes: [UInt8]
    /// What the sender gave with it.
    public let tag: UInt32
    /// The lane it came through; 0 in a ring with one.
    public let lane: Int
    /// As ``Message/sequence``.
    public let sequence: UInt64

    /// Copies a message. Allocates the array.
    public init(_ message: borrowing Message) {
        bytes = message.array
        tag = message.tag
        lane = message.lane
        sequence = message.sequence
    }

    /// The payload as one value; nil if it has another size. See ``Message/value(as:)-(Value.Type)``.
    public func value<Value: AnyBytes>(as type: Value.Type = Value.self) -> Value? {
        guard bytes.count == MemoryLayout<Value>.size else { return nil }
        // SAFETY: the array is as long as the value, and any bytes are a value.
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Value.self) }
    }

    /// The payload as one vector; nil if it has another size.
    public func value<Vector: SIMD & BitwiseCopyable>(as type: Vector.Type = Vector.self) -> Vector? where Vector.Scalar: AnyBytes {
        guard bytes.count == MemoryLayout<Vector>.size else { return nil }
        // SAFETY: as above.
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Vector.self) }
    }

    /// The payload as a text; what is not UTF-8 is repaired.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// How a message in a ring says which sequence it had in the stream.
public enum SequenceCarrier: String, Sendable, CaseIterable {
    /// Eight bytes in front of the payload, little-endian. The message's tag is the sender's.
    case front
    /// The message's tag has the lowest 32 bits. The payload is the stream's.
    case tag
}

/// Drops what comes again, after a bridge or a receiver was killed.
///
/// A receiver keeps ``last`` with what it does: it stores both in one step, or the sequence afterwards and does twice what it was doing when it was killed.
///
/// ```swift
/// if filter.accepts(sequence) { handle(message) }
/// ```
public struct SequenceFilter: Sendable {
    /// The sequence of the last message that was accepted; 0: none.
    public private(set) var last: UInt64

    public init(last: UInt64 = 0) { self.last = last }

    /// Whether the message is a new one. Of a message that carries its sequence in front.
    public mutating func accepts(_ sequence: UInt64) -> Bool {
        guard sequence > last else { return false }
        last = sequence
        return true
    }

    /// Whether the message is a new one. Of a message that carries the lowest 32 bits of its sequence as its tag. The messages of a ring are near each
    /// other, so 32 bits are enough, unless 2^31 messages of the stream were removed in one piece.
    ///
    /// A receiver that has accepted none yet accepts any. Then ``last`` is the lowest 32 bits of the sequence, and goes on from there.
    public mutating func accepts(tag: UInt32) -> Bool {
        if last == 0 {
            // Sequences begin at 1, so a tag of 0 is a later turn's.
            last = tag == 0 ? 1 << 32 : UInt64(tag)
            return true
        }
        let distance = Int32(bitPattern: tag &- UInt32(truncatingIfNeeded: last))
        guard distance > 0 else { return false }
        last &+= UInt64(distance)
        return true
    }

    /// The sequence in front of a message; nil if the message is too short.
    public static func sequence(inFrontOf bytes: RawSpan) -> UInt64? {
        guard bytes.byteCount >= 8 else { return nil }
        return UInt64(littleEndian: bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    }
}

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

    /// The payload as a text; what is not UTF-8 is repaired.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
}

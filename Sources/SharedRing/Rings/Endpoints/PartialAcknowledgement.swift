import CSharedRing

// For a consumer that collects messages before it passes them on, and learns that only some of them were passed on.

extension Message {
    /// Where its record stands in its lane. In a ring without a total order, ``sequence``.
    @inlinable
    package var position: UInt64 { unsafe reader.pointee.head }
}

/// A consumer whose messages can be acknowledged in part.
package protocol PartiallyAcknowledging: MessageSource, ~Copyable {
    /// All but the messages from these positions on, by lane. The consumer is to be closed then.
    mutating func acknowledge(before kept: [Int: UInt64]) throws(RingError)

    /// What it missed, because it is lossy.
    var missedMessages: (messages: UInt64, byteCount: UInt64) { get }

    /// Whether others receive the same messages.
    var isOneOfMany: Bool { get }
}

extension PartiallyAcknowledging where Self: ~Copyable {
    package var missedMessages: (messages: UInt64, byteCount: UInt64) { (0, 0) }
    package var isOneOfMany: Bool { false }
}

extension Consumer: PartiallyAcknowledging {
    /// With manual acknowledgement: as ``acknowledge()``, but for the messages from a position on. The next consumer gets those; this
    /// one is to be closed.
    ///
    /// - Parameter kept: the position of the first of them, by lane; a lane that is not there keeps none.
    package mutating func acknowledge(before kept: [Int: UInt64]) throws(RingError) {
        try core.acknowledge(before: kept[0])
    }
}

extension Subscriber: PartiallyAcknowledging {
    package var missedMessages: (messages: UInt64, byteCount: UInt64) { (missed.messages, missed.byteCount) }
    package var isOneOfMany: Bool { true }

    /// As ``Consumer``'s.
    package mutating func acknowledge(before kept: [Int: UInt64]) throws(RingError) {
        try core.acknowledge(before: kept[0])
    }
}

extension MergingConsumer: PartiallyAcknowledging {
    /// As ``Consumer``'s.
    package mutating func acknowledge(before kept: [Int: UInt64]) throws(RingError) {
        try core.role.requireUsable()
        core.acknowledge(before: kept)
    }
}

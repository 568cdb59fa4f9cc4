/// A consumer's messages as an asynchronous sequence of copies.
///
/// ```swift
/// for try await message in consumer.messages() { print(message.text) }
/// ```
///
/// The sequence ends where a stream ends, and can be iterated again for the next producer's. It throws what
/// ``Consumer/next(timeout:)`` throws, a cancelled task's `cancelled` among it: a stream that was cut off is never taken for a
/// whole one. Nothing is read ahead, so the ring's capacity is the back-pressure.
///
/// With automatic acknowledgement a message is acknowledged when it is copied. With manual acknowledgement it is when
/// the *next* one is asked for: a loop whose body dies gets its message again.
///
/// Each message is copied and allocated. Where that is too slow, take ``Consumer/waitUntilReady(timeout:)`` and read in place.
public final class Messages<Source: MessageSource & ~Copyable>: AsyncSequence {
    public typealias Element = OwnedMessage
    public typealias Failure = RingError

    private enum Step {
        case message(OwnedMessage)
        case empty
        case ended
    }

    private var source: Source
    private let acknowledges: Bool
    private let canceller: Canceller

    init(_ source: consuming Source, acknowledges: Bool) {
        canceller = source.canceller
        self.source = source
        self.acknowledges = acknowledges
    }

    public func makeAsyncIterator() -> Iterator { Iterator(messages: self) }

    private static func step(_ source: inout Source) throws(RingError) -> Step {
        switch try source.poll() {
        case .message(let message): .message(OwnedMessage(message))
        case .empty: .empty
        case .ended: .ended
        }
    }

    fileprivate func next() async throws(RingError) -> OwnedMessage? {
        if acknowledges { try source.acknowledge() }
        if canceller.isCancelled { try await source.waitUntilReady(timeout: nil) }  // throws, though a message be there
        while true {
            switch try Self.step(&source) {
            case .message(let message): return message
            case .ended: return nil
            case .empty: try await source.waitUntilReady(timeout: nil)
            }
        }
    }

    fileprivate func withSource<Result>(_ body: (inout Source) -> Result) -> Result { body(&source) }

    /// Hands out one message after the other.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let messages: Messages

        /// The next message, waiting for it without holding a thread; nil at an end.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(RingError) -> OwnedMessage? {
            try await messages.next()
        }

        public mutating func next() async throws(RingError) -> OwnedMessage? { try await messages.next() }
    }
}

extension Messages where Source == MergingConsumer {
    /// The next end of a producer that was seen and not given here yet; nil if there is none. See ``MergingConsumer/nextEnd()``.
    ///
    /// For the loop's body, and after the loop. To hear of an end while no message comes, take ``MergingConsumer/forEach(ended:_:)``. Neither
    /// waits nor makes a system call; in a forked child it gives nil.
    public func nextEnd() -> ProducerEnd? { withSource { $0.nextEnd() } }
}

extension Consumer {
    /// The messages as an asynchronous sequence, which owns the consumer from now on. See ``Messages``.
    public consuming func messages() -> Messages<Consumer> {
        let acknowledges = unsafe reader.pointee.isManual
        return Messages(self, acknowledges: acknowledges)
    }
}

extension MergingConsumer {
    /// The messages as an asynchronous sequence, which owns the consumer from now on. See ``Messages``.
    public consuming func messages() -> Messages<MergingConsumer> {
        let acknowledges = core.isManual
        return Messages(self, acknowledges: acknowledges)
    }
}

/// The parts of a call's reply as an asynchronous sequence of copies. Make one with ``CallClient/parts(of:within:)``.
///
/// ```swift
/// for try await part in client.parts(of: request) { store(part) }
/// ```
///
/// Each iteration makes a call of its own, when its first part is asked for. It ends behind the last part once the call was replied to, and throws ``CallError`` otherwise: a stream
/// that was cut off is never taken for a whole one. A loop that is left stops its stream. Nothing is read ahead: a slow loop holds the server up.
///
/// Each part is copied and allocated. Where that is too slow, take ``CallStream``.
public struct CallParts: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    public typealias Failure = CallError

    let client: CallClient
    let request: [UInt8]
    let timeout: Duration?

    public func makeAsyncIterator() -> Iterator { Iterator(parts: self) }

    /// The call of one iteration.
    private final class Call {
        var stream: CallStream?
        var isOver = false
    }

    /// Hands out one part after another.
    public struct Iterator: AsyncIteratorProtocol {
        private let parts: CallParts
        private let call = Call()

        fileprivate init(parts: CallParts) { self.parts = parts }

        /// The next part, waiting for it without holding a thread; nil at the end.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(CallError) -> [UInt8]? {
            try await nextPart(isolation: actor)
        }

        public mutating func next() async throws(CallError) -> [UInt8]? { try await nextPart() }

        private func nextPart(isolation: isolated (any Actor)? = #isolation) async throws(CallError) -> [UInt8]? {
            guard !call.isOver else { return nil }
            // Over, unless there is another part.
            call.isOver = true
            var stream: CallStream
            if let found = call.stream.take() {
                stream = found
            } else {
                stream = try await parts.client.stream(parts.request, timeout: parts.timeout)
            }
            guard try await stream.next() else { return nil }
            let part = stream.array
            call.stream = consume stream
            call.isOver = false
            return part
        }
    }
}

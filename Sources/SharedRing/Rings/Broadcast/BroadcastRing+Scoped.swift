// A subscriber for the length of a body: as of the other endpoints in ScopedEndpoints.

extension BroadcastRing {
    /// Becomes a subscriber for the length of the body, and closes it when it returns.
    ///
    /// When the body throws, the subscriber is dropped: it holds nothing up any more. One with a name leaves its head behind; see ``Subscriber/close()``.
    ///
    /// - Returns: what the body returns.
    /// - Throws: what `makeSubscriber`, the body and ``Subscriber/close()`` throw.
    @available(*, noasync, message: "it may hold a thread of the pool: await it")
    public func withSubscriber<Result>(
        _ delivery: Subscriber.Delivery = .reliable, as name: String? = nil, from start: Subscriber.Start = .now,
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive, timeout: Duration? = nil,
        options: EndpointOptions = EndpointOptions(), _ body: (inout Subscriber) throws(RingError) -> Result
    ) throws(RingError) -> Result {
        try closing(
            makeSubscriber(
                delivery, as: name, from: start, acknowledgement: acknowledgement, waiting: waiting, timeout: timeout, options: options),
            after: body)
    }

    /// The same for a body that waits without holding a thread.
    public func withSubscriber<Result>(
        _ delivery: Subscriber.Delivery = .reliable, as name: String? = nil, from start: Subscriber.Start = .now,
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive, timeout: Duration? = nil,
        options: EndpointOptions = EndpointOptions(), _ body: (inout Subscriber) async throws(RingError) -> Result
    ) async throws(RingError) -> Result {
        try await closing(
            makeSubscriber(
                delivery, as: name, from: start, acknowledgement: acknowledgement, waiting: waiting, timeout: timeout, options: options),
            after: body)
    }

    /// The same for a body that throws any error.
    @available(*, noasync, message: "it may hold a thread of the pool: await it")
    @_disfavoredOverload
    public func withSubscriber<Result>(
        _ delivery: Subscriber.Delivery = .reliable, as name: String? = nil, from start: Subscriber.Start = .now,
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive, timeout: Duration? = nil,
        options: EndpointOptions = EndpointOptions(), _ body: (inout Subscriber) throws -> Result
    ) throws -> Result {
        try closing(
            makeSubscriber(
                delivery, as: name, from: start, acknowledgement: acknowledgement, waiting: waiting, timeout: timeout, options: options),
            after: body)
    }

    /// The same for a body that waits without holding a thread and for a body that throws any error.
    @_disfavoredOverload
    public func withSubscriber<Result>(
        _ delivery: Subscriber.Delivery = .reliable, as name: String? = nil, from start: Subscriber.Start = .now,
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive, timeout: Duration? = nil,
        options: EndpointOptions = EndpointOptions(), _ body: (inout Subscriber) async throws -> Result
    ) async throws -> Result {
        try await closing(
            makeSubscriber(
                delivery, as: name, from: start, acknowledgement: acknowledgement, waiting: waiting, timeout: timeout, options: options),
            after: body)
    }
}

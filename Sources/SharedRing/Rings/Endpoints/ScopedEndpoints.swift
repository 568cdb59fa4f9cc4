// An endpoint for the length of a body: closed when it returns. One pair of calls an endpoint; each pair again for errors of any kind.
//
// A body that throws leaves a producer without `close()`, on purpose: to the consumer the stream is cut off (`peerDied`), and not taken for
// a whole one. The same holds for a consumer, of which what was used up is acknowledged.

extension MessageRing {
    /// Becomes a producer for the length of the body, and closes the stream when it returns.
    ///
    /// When the body throws, the stream is not closed: the consumer gets what was sent and then `peerDied`, as of every stream that was
    /// cut off.
    ///
    /// - Returns: what the body returns.
    /// - Throws: what ``makeProducer(waiting:options:)``, the body and ``Producer/close()`` throw.
    @available(*, noasync, message: "its body may hold a thread of the pool: await it")
    public func withProducer<Result>(
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout Producer) throws(RingError) -> Result
    ) throws(RingError) -> Result {
        try closing(makeProducer(waiting: waiting, options: options), after: body)
    }

    /// The same for a body that waits without holding a thread.
    public func withProducer<Result>(
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout Producer) async throws(RingError) -> Result
    ) async throws(RingError) -> Result {
        try await closing(makeProducer(waiting: waiting, options: options), after: body)
    }

    /// The same for a body that throws any error.
    @available(*, noasync, message: "its body may hold a thread of the pool: await it")
    @_disfavoredOverload
    public func withProducer<Result>(
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout Producer) throws -> Result
    ) throws -> Result {
        try closing(makeProducer(waiting: waiting, options: options), after: body)
    }

    /// The same for a body that waits without holding a thread and for a body that throws any error.
    @_disfavoredOverload
    public func withProducer<Result>(
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout Producer) async throws -> Result
    ) async throws -> Result {
        try await closing(makeProducer(waiting: waiting, options: options), after: body)
    }
}

extension SPSCRing {
    /// Becomes the consumer for the length of the body, and closes it when it returns.
    ///
    /// When the body throws, what it used up is acknowledged (unless that is ``Acknowledgement/manual``), the role is free, and the producer that waits gets
    /// `peerDied`.
    ///
    /// - Returns: what the body returns.
    /// - Throws: what ``makeConsumer(acknowledgement:waiting:options:)``, the body and ``Consumer/close()`` throw.
    @available(*, noasync, message: "its body may hold a thread of the pool: await it")
    public func withConsumer<Result>(
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout Consumer) throws(RingError) -> Result
    ) throws(RingError) -> Result {
        try closing(makeConsumer(acknowledgement: acknowledgement, waiting: waiting, options: options), after: body)
    }

    /// The same for a body that waits without holding a thread.
    public func withConsumer<Result>(
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout Consumer) async throws(RingError) -> Result
    ) async throws(RingError) -> Result {
        try await closing(makeConsumer(acknowledgement: acknowledgement, waiting: waiting, options: options), after: body)
    }

    /// The same for a body that throws any error.
    @available(*, noasync, message: "its body may hold a thread of the pool: await it")
    @_disfavoredOverload
    public func withConsumer<Result>(
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout Consumer) throws -> Result
    ) throws -> Result {
        try closing(makeConsumer(acknowledgement: acknowledgement, waiting: waiting, options: options), after: body)
    }

    /// The same for a body that waits without holding a thread and for a body that throws any error.
    @_disfavoredOverload
    public func withConsumer<Result>(
        acknowledgement: Acknowledgement = .automatic, waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout Consumer) async throws -> Result
    ) async throws -> Result {
        try await closing(makeConsumer(acknowledgement: acknowledgement, waiting: waiting, options: options), after: body)
    }
}

extension MPSCRing {
    /// Becomes the consumer for the length of the body, and closes it when it returns.
    ///
    /// When the body throws, what it used up is acknowledged (unless that is ``Acknowledgement/manual``), the role is free, and a producer that waits gets
    /// `peerDied`.
    ///
    /// - Returns: what the body returns.
    /// - Throws: what ``makeConsumer(ending:acknowledgement:waiting:options:)``, the body and ``MergingConsumer/close()`` throw.
    @available(*, noasync, message: "its body may hold a thread of the pool: await it")
    public func withConsumer<Result>(
        ending: MergingConsumer.Ending = .never, acknowledgement: Acknowledgement = .automatic,
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout MergingConsumer) throws(RingError) -> Result
    ) throws(RingError) -> Result {
        try closing(
            makeConsumer(ending: ending, acknowledgement: acknowledgement, waiting: waiting, options: options), after: body)
    }

    /// The same for a body that waits without holding a thread.
    public func withConsumer<Result>(
        ending: MergingConsumer.Ending = .never, acknowledgement: Acknowledgement = .automatic,
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout MergingConsumer) async throws(RingError) -> Result
    ) async throws(RingError) -> Result {
        try await closing(
            makeConsumer(ending: ending, acknowledgement: acknowledgement, waiting: waiting, options: options), after: body)
    }

    /// The same for a body that throws any error.
    @available(*, noasync, message: "its body may hold a thread of the pool: await it")
    @_disfavoredOverload
    public func withConsumer<Result>(
        ending: MergingConsumer.Ending = .never, acknowledgement: Acknowledgement = .automatic,
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout MergingConsumer) throws -> Result
    ) throws -> Result {
        try closing(
            makeConsumer(ending: ending, acknowledgement: acknowledgement, waiting: waiting, options: options), after: body)
    }

    /// The same for a body that waits without holding a thread and for a body that throws any error.
    @_disfavoredOverload
    public func withConsumer<Result>(
        ending: MergingConsumer.Ending = .never, acknowledgement: Acknowledgement = .automatic,
        waiting: WaitStrategy = .adaptive, options: EndpointOptions = EndpointOptions(),
        _ body: (inout MergingConsumer) async throws -> Result
    ) async throws -> Result {
        try await closing(
            makeConsumer(ending: ending, acknowledgement: acknowledgement, waiting: waiting, options: options), after: body)
    }
}

// MARK: - What all of them do

/// What a body has for its length.
protocol ScopedEndpoint: ~Copyable { consuming func close() throws(RingError) }
extension Producer: ScopedEndpoint {}
extension Consumer: ScopedEndpoint {}
extension MergingConsumer: ScopedEndpoint {}
extension Subscriber: ScopedEndpoint {}

func closing<Endpoint: ScopedEndpoint & ~Copyable, Result>(
    _ endpoint: consuming Endpoint, after body: (inout Endpoint) throws(RingError) -> Result
) throws(RingError) -> Result {
    let result = try body(&endpoint)
    try endpoint.close()
    return result
}

func closing<Endpoint: ScopedEndpoint & ~Copyable, Result>(
    _ endpoint: consuming Endpoint, after body: (inout Endpoint) async throws(RingError) -> Result
) async throws(RingError) -> Result {
    let result = try await body(&endpoint)
    try endpoint.close()
    return result
}

@_disfavoredOverload
func closing<Endpoint: ScopedEndpoint & ~Copyable, Result>(
    _ endpoint: consuming Endpoint, after body: (inout Endpoint) throws -> Result
) throws -> Result {
    let result = try body(&endpoint)
    try endpoint.close()
    return result
}

@_disfavoredOverload
func closing<Endpoint: ScopedEndpoint & ~Copyable, Result>(
    _ endpoint: consuming Endpoint, after body: (inout Endpoint) async throws -> Result
) async throws -> Result {
    let result = try await body(&endpoint)
    try endpoint.close()
    return result
}

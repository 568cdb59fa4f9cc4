/// How a ring is published.
public struct PublishOptions: Sendable {
    /// The most messages, and bytes, that are on their way to the broker at a time.
    public var mostMessages = 4096
    public var mostBytes = 1 << 19
    /// Ends when the ring is empty, instead of waiting for more.
    public var drains = false
    /// How long an end in order waits for the broker's acknowledgements, in milliseconds.
    public var graceMilliseconds = 10_000
    /// How long to wait for a receipt before the stream is read back, in milliseconds.
    public var answerMilliseconds = 5000
    /// A message that the broker does not take goes to the log's dead letters, instead of ending the bridge.
    public var usesDeadLetters = false
    /// Publishes all that the ring holds where the end of the stream can't be read back.
    public var republishes = false

    public init() {}
}

/// What a bridge from a ring has done.
public struct PublishCounts: Sendable, Equatable {
    public var published: UInt64 = 0
    public var publishedBytes: UInt64 = 0
    /// Messages that the ring still held although the stream had them.
    public var skipped: UInt64 = 0
    public var deadLetters: UInt64 = 0
    /// How often the stream was read back, at a start or after a failure.
    public var readBacks: UInt64 = 0
    public var reconnects = 0
    public var inFlight = 0
    public var windowBytes = 0
    public var isConnected = false
    public var lastSequence: UInt64 = 0
    public var ends: UInt64 = 0
    public var deaths: UInt64 = 0
    public var lastFailure: String?

    public init() {}
}

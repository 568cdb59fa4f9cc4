import Logging
import ServiceLifecycle
import SharedRing

/// A ring's consumer as a service: from its start until graceful shutdown it hands out messages, whichever process sends them.
///
/// A feeder that dies is logged, and the next one waited for. At graceful shutdown what is in the ring then is handed out, and
/// the role given back in order: the next instance goes on where this one stopped.
public struct ConsumerService: Service {
    private let ring: SPSCRing
    private let logger: Logger
    private let metrics: RingMetrics
    private let body: @Sendable (borrowing Message) throws -> Void

    public init(
        _ ring: SPSCRing, logger: Logger, metrics: RingMetrics = RingMetrics(ring: "feed"),
        _ body: @escaping @Sendable (borrowing Message) throws -> Void
    ) {
        self.ring = ring
        self.logger = logger
        self.metrics = metrics
        self.body = body
    }

    public func run() async throws {
        var consumer = try ring.makeConsumer()
        // Another instance may be about to go: a role that is taken is an error, and restarting is the supervisor's.
        logger.info("receiving", metadata: ["capacity": "\(ring.capacity)"])
        let canceller = consumer.canceller
        let isOver = try await withGracefulShutdownHandler {
            try await receive(from: &consumer)
        } onGracefulShutdown: {
            canceller.cancel()
        }
        _ = isOver
        // Whatever was committed before: the canceller ends waiting, not receiving.
        let rest = try consumer.drain { message in
            metrics.received(message.byteCount)
            try body(message)
        }
        try consumer.close()
        logger.info("closed", metadata: ["rest": "\(rest)"])
    }

    /// Until the canceller is used.
    private func receive(from consumer: inout Consumer) async throws -> Bool {
        while true {
            do {
                try await consumer.forEach { message in
                    metrics.received(message.byteCount)
                    try body(message)
                }
                logger.info("a feeder closed its stream")
            } catch let error as RingError where error.code == .cancelled {
                return true
            } catch let error as RingError where error.code == .peerDied {
                metrics.died()
                logger.warning("a feeder died; everything it had sent was received", metadata: ["error": "\(error)"])
            }
        }
    }
}

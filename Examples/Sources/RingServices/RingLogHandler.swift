import Logging
import SharedRing
import Synchronization

/// Where swift-log's lines go: into a lane of a ring, and from there to the process that collects.
///
/// A line that returns from `log` survives this process's death. Logging never waits: when the collector is behind and the lane
/// full, lines are dropped, and the next one that fits says how many.
public struct RingLogHandler: LogHandler {
    public var logLevel: Logger.Level = .info
    public var metadata: Logger.Metadata = [:]
    private let label: String
    private let lane: Lane

    /// One producer for all loggers of a process.
    public final class Lane: Sendable {
        private let state: Mutex<State>

        public init(_ producer: consuming sending Producer) { state = Mutex(State(producer: producer)) }

        /// Ends the lane's stream: without it, the collector takes this process for dead when it ends.
        public func close() throws(RingError) {
            let producer = state.withLock { $0.producer.take() }
            try producer?.close()
        }

        fileprivate func send(_ line: String) { state.withLock { $0.send(line) } }
    }

    private struct State: ~Copyable {
        var producer: Producer?
        var dropped = 0

        init(producer: consuming Producer) { self.producer = consume producer }

        mutating func send(_ line: String) {
            if dropped > 0, trySend("(\(dropped) lines were dropped here)") { dropped = 0 }
            if dropped > 0 || !trySend(line) { dropped += 1 }
        }

        private mutating func trySend(_ line: String) -> Bool {
            guard let limit = producer?.largestMessage else { return false }
            return (try? producer?.trySend(Array(line.utf8.prefix(limit)))) == true
        }
    }

    public init(label: String, lane: Lane) {
        self.label = label
        self.lane = lane
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let facts = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        lane.send("\(event.level) \(label):\(facts) \(event.message)")
    }
}

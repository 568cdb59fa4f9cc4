import Logging
import SharedRing
import Synchronization

/// Where swift-log's lines go: into a lane of a ring, and from there to whoever collects.
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
        private struct State: ~Copyable {
            var producer: Producer?
            var dropped = 0
        }

        private let state: Mutex<State>

        public init(_ producer: consuming sending Producer) { state = Mutex(State(producer: producer)) }

        /// Ends the lane's stream: without it, the collector takes this process for dead when it ends.
        public func close() throws(RingError) {
            try state.withLock { state throws(RingError) in try state.producer.take()?.close() }
        }

        fileprivate func send(_ line: String) {
            state.withLock { state in
                guard state.producer != nil else { return }
                if state.dropped > 0 {
                    let note = "(\(state.dropped) lines were dropped here)"
                    guard (try? state.producer!.trySend(Array(note.utf8))) == true else {
                        state.dropped += 1
                        return
                    }
                    state.dropped = 0
                }
                let limit = state.producer!.largestMessage
                if (try? state.producer!.trySend(Array(line.utf8.prefix(limit)))) != true { state.dropped += 1 }
            }
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

    public func log(
        level: Logger.Level, message: Logger.Message, metadata: Logger.Metadata?, source: String, file: String, function: String,
        line: UInt
    ) {
        let all = self.metadata.merging(metadata ?? [:]) { $1 }
        let facts = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        lane.send("\(level) \(label):\(facts) \(message)")
    }
}

import SharedRing

/// The producer of one `send`, and what it does while it waits.
struct Transmission: ~Copyable {
    var producer: Producer
    let progress: Progress
    private let ring: FileName
    private let patience: Patience

    init(_ producer: consuming Producer, ring: FileName, patience: Patience, progress: Progress) {
        self.producer = producer
        self.ring = ring
        self.patience = patience
        self.progress = progress
    }

    consuming func close() throws { try producer.close() }

    // MARK: Waiting

    /// Returns when a message of `byteCount` bytes fits. It then goes on fitting.
    mutating func waitForRoom(for byteCount: Int) throws {
        if producer.freeBytes >= byteCount && byteCount > 0 { return }
        try waitThroughReceivers("room for a message of \(counted(byteCount, "byte"))") { producer, timeout throws(RingError) in
            _ = try producer.claim(byteCount: byteCount, timeout: timeout)
        }
    }

    /// Returns when a receiver has acknowledged everything.
    mutating func waitUntilAcknowledged() throws {
        try waitThroughReceivers("acknowledgement") { producer, timeout throws(RingError) in
            try producer.waitUntilAcknowledged(timeout: timeout)
        }
    }

    /// Receivers may go away and others come: that is reported, and waited through. Room that was given back is progress, even
    /// if it is not enough yet.
    private mutating func waitThroughReceivers(
        _ what: String, _ wait: (inout Producer, Duration?) throws(RingError) -> Void
    ) throws {
        var start = ContinuousClock.now
        var free = producer.freeBytes
        while true {
            do throws(RingError) {
                return try wait(&producer, patience.step)
            } catch {
                switch error.code {
                case .peerDied, .peerClosed:
                    progress.clear()
                    StandardStreams.note("note: \(error); waiting for the next one")
                case .timedOut: break
                default: throw error
                }
            }
            if producer.freeBytes != free {
                free = producer.freeBytes
                start = .now
            } else if patience.isExhausted(since: start) {
                throw ToolFailure("ring '\(ring)': no \(what) within \(patience.word)", status: ToolFailure.timeout)
            }
        }
    }
}

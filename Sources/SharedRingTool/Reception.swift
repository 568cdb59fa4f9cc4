import SharedRing

/// The consumer of one `receive`: how it waits, and how it leaves the ring.
struct Reception: ~Copyable {
    var consumer: Consumer
    let progress: Progress
    private let options: TransferOptions
    private var hasEnded = false

    init(_ consumer: consuming Consumer, options: TransferOptions, progress: Progress) {
        self.consumer = consumer
        self.options = options
        self.progress = progress
    }

    // MARK: Waiting

    /// Waits for a message, which is left in place. False: the stream has ended, and the ring is dealt with.
    ///
    /// Everything received before must have been written by now. A death of the sender comes out as status 3.
    mutating func waitForMessage() throws -> Bool {
        let start = ContinuousClock.now
        // After an end that did not allow the ring's removal: soon again, since the sender that closed may have been about
        // to let go of its role; then at leisure, since it is another sender who will have something to say.
        var pause = Duration.milliseconds(1)
        while true {
            do throws(RingError) {
                if hasEnded, try leaveRing() { return false }
                hasEnded = try !hasMessage(within: hasEnded ? pause : options.patience.limit)
                if !hasEnded { return true }
                try consumer.acknowledge()  // the end too, or a next receiver would meet it again
            } catch {
                switch error.code {
                case .timedOut where hasEnded && !options.patience.isExhausted(since: start):
                    pause = min(pause * 2, options.patience.slice * 3)
                case .timedOut: throw timedOut()
                case .peerDied: throw died(error)
                default: throw error
                }
            }
        }
    }

    /// Whether a message comes, which is left in place, rather than the end of the stream.
    private mutating func hasMessage(within timeout: Duration?) throws(RingError) -> Bool {
        guard let message = try consumer.next(timeout: timeout) else { return false }
        message.putBack()
        return true
    }

    // MARK: Leaving

    /// After an end: removes the ring, or finds that it is to stay. False: there is, or may be, more to receive.
    private mutating func leaveRing() throws(RingError) -> Bool {
        guard options.keepsRing || consumer.isRingPersistent else { return try consumer.removeRingIfUnused() }
        do throws(RingError) {
            // Messages of a sender that reopened the stream belong to it; and there may be an end of that one too.
            if try !hasMessage(within: .zero) { try consumer.acknowledge() }
            return false
        } catch {
            if error.code == .timedOut { return true }
            throw error
        }
    }

    private mutating func timedOut() -> ToolFailure {
        removeRing()
        return ToolFailure("ring '\(options.name)': no message within \(options.patience.word)")
    }

    private mutating func died(_ error: RingError) -> ToolFailure {
        try? consumer.acknowledge()
        removeRing()
        return ToolFailure("\(error)", status: ToolFailure.cutOff)
    }

    /// If nobody else is attached, and nothing is left in it. It is no second failure if that can't be done.
    private mutating func removeRing() {
        if !options.keepsRing { _ = try? consumer.removeRingIfUnused() }
    }
}

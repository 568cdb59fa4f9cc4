import SharedRing

/// The consumer of one `receive`: how it waits, and how it leaves the ring.
struct Reception<Source: PartiallyAcknowledging & ~Copyable>: ~Copyable {
    var consumer: Source
    let progress: Progress
    private let options: TransferOptions
    /// How many senders make the stream; nil: with one lane one sender, with many lanes there is no end.
    private let senders: Senders?
    /// How many had come before and do not count.
    private var earlierSenders = 0
    /// Whether each sender's end gets a line.
    private let reportsEnds: Bool
    /// Nothing more is expected.
    private var hasEnded = false
    /// The death of a sender that is to be reported at the end.
    private var death: RingError?
    /// How many deaths were noted.
    private var notedDeaths = 0

    init(_ consumer: consuming Source, options: TransferOptions, senders: Senders?, reportsEnds: Bool, progress: Progress) {
        self.consumer = consumer
        self.options = options
        self.senders = senders
        self.reportsEnds = reportsEnds
        self.progress = progress
    }

    /// Receives to the end. The ring is dealt with then.
    mutating func receive() throws {
        try lookBack()
        switch options.format {
        case .reads, .chunks: try receiveBytes()
        case .lines: try receiveMessages(as: .lines)
        case .frames: try receiveMessages(as: .frames)
        }
        if let death { throw ToolFailure("\(death)", status: ToolFailure.cutOff) }
    }

    consuming func close() { try? consumer.close() }

    /// Says what a lossy subscriber missed.
    func noteMissed() {
        let missed = consumer.missedMessages
        if missed.messages == 0 { return }
        progress.clear()
        StandardStreams.note(
            "ring '\(options.name)': missed \(counted(missed.messages, "message")) of \(counted(missed.byteCount, "byte")), which were overwritten before they were received"
        )
    }

    // MARK: Waiting

    /// Waits for a message, which is left in place. False: the stream has ended, and the ring is dealt with.
    ///
    /// Everything received before must have been written by now.
    mutating func waitForMessage() throws -> Bool {
        let start = ContinuousClock.now
        // After an end that did not allow the ring's removal: soon again, since the sender that closed may have been about
        // to unlock its role; then at leisure, since the next message is another sender's.
        var pause = Duration.milliseconds(1)
        while true {
            reportEnds()
            if let signal = Signals.request { throw ToolFailure.ended(by: signal) }
            do throws(RingError) {
                if hasEnded, try leaveRing() { return false }
                // Looks up now and then, to note deaths.
                if try hasMessage(within: hasEnded ? pause : options.patience.rest(since: start)) {
                    hasEnded = false
                    return true
                }
                hasEnded = try haveSendersCome()
                reportEndOfOne(isDeath: false)
                try consumer.acknowledge()  // the end too, or a next receiver would meet it again
            } catch {
                switch error.code {
                case .timedOut where options.patience.isExhausted(since: start): throw timedOut()
                case .timedOut: if hasEnded { pause = min(pause * 2, options.patience.checkInterval * 3) }
                case .peerDied: try endByDeath(error)
                default: throw error
                }
            }
            try noteDeaths()
        }
    }

    /// Whether a message comes, which is left in place, rather than the end of the stream.
    private mutating func hasMessage(within timeout: Duration?) throws(RingError) -> Bool {
        guard let message = try consumer.next(timeout: timeout) else { return false }
        message.putBack()
        return true
    }

    // MARK: Senders

    /// Whether an end that came may be the end of everything: as many senders as were asked for have come. The last may still
    /// be there: it lets go of its role a moment after its end is read.
    private func haveSendersCome() throws(RingError) -> Bool {
        guard let senders else { return true }
        return try options.ring.report().producerAttachments - earlierSenders >= senders.count
    }

    /// Whether, besides, no process sends.
    private func areSendersOver() throws(RingError) -> Bool {
        guard let senders else { return true }
        return try options.ring.report().areOver(senders.count, since: earlierSenders)
    }

    /// Which senders count. On a ring that stays, all may be over, and received, before anything is waited for.
    private mutating func lookBack() throws {
        guard let senders else { return }
        let report = try options.ring.report()
        earlierSenders = senders.uncounted(in: report)
        hasEnded = report.producerAttachments - earlierSenders >= senders.count
        if senders.includesEarlier, report.areOver(senders.count), report.backlog == 0 {
            StandardStreams.note(
                "note: ring '\(options.name)' has had \(counted(report.producerAttachments, "sender")) since it was made, and nothing is left of them; "
                    + "'--senders-ever' counts them too")
        }
    }

    /// A death came out of the ring. Without a count of senders it is the end.
    private mutating func endByDeath(_ error: RingError) throws {
        try consumer.acknowledge()
        reportEndOfOne(isDeath: true)
        death = error
        notedDeaths = consumer.ends.died  // the error says how many there were
        guard senders != nil else {
            removeRing()
            throw ToolFailure("\(error)", status: ToolFailure.cutOff)
        }
        hasEnded = try haveSendersCome()
        if try !areSendersOver() { note("\(error)") }
    }

    /// A consumer of many lanes goes on when a sender dies, and counts.
    private mutating func noteDeaths() throws {
        let deaths = consumer.ends.died
        if deaths == notedDeaths { return }
        try consumer.acknowledge()  // or it would be reported to the next receiver again
        let count = deaths - notedDeaths
        note("ring '\(options.name)': \(count == 1 ? "a sender" : "\(count) senders") went away without closing, \(deaths) in all")
        notedDeaths = deaths
    }

    /// A line for each sender of many that has ended since the last time.
    private mutating func reportEnds() {
        while let end = consumer.nextEnd() { if reportsEnds { report("\(end)") } }
    }

    /// The same of a ring for one, of which no more is known than its last holder.
    private func reportEndOfOne(isDeath: Bool) {
        guard reportsEnds, let report = try? options.ring.report(), report.hasOneSender else { return }
        let sender = report.lanes.first?.producer.holder.map { "\($0)" } ?? "a producer"
        self.report("\(sender) \(isDeath ? "went away without closing" : "closed")")
    }

    private func report(_ sentence: String) {
        progress.clear()
        StandardStreams.note("end: ring '\(options.name)': \(sentence)")
    }

    private func note(_ sentence: String) {
        progress.clear()
        StandardStreams.note("note: \(sentence); receiving what others send")
    }

    // MARK: Leaving

    /// After an end: removes the ring, or finds that it is to stay. False: there is, or may be, more to receive.
    private mutating func leaveRing() throws(RingError) -> Bool {
        guard options.keepsRing || consumer.isRingPersistent else { return try removeRingAtEnd() }
        do throws(RingError) {
            guard try areSendersOver() else { return false }
            // Messages of a sender that reopened the stream belong to it; and there may be an end of that one too.
            if try !hasMessage(within: .zero) { try consumer.acknowledge() }
            return false
        } catch {
            if error.code == .timedOut { return true }
            throw error
        }
    }

    /// Everything was delivered. That the ring's file can't be removed, like another user's in a directory with the sticky bit, does
    /// not change that.
    private mutating func removeRingAtEnd() throws(RingError) -> Bool {
        do throws(RingError) {
            let isRemoved = try consumer.removeRingIfUnused()
            // The last subscriber to leave removes it. None waits for the others.
            return isRemoved || consumer.isOneOfMany
        } catch {
            guard error.code == .system else { throw error }
            progress.clear()
            StandardStreams.note("note: everything was received; the ring stays: \(error)")
            return true
        }
    }

    private mutating func timedOut() -> ToolFailure {
        removeRing()
        return ToolFailure("ring '\(options.name)': no message within \(options.patience.word)", status: ToolFailure.timeout)
    }

    /// If no other process is attached, and nothing is left in it. It is no second failure if that can't be done.
    private mutating func removeRing() {
        if !options.keepsRing { _ = try? consumer.removeRingIfUnused() }
    }
}

extension RingReport {
    /// Whether so many senders have come after the first `earlier`, and none is attached now. Any count: the difference can't overflow.
    fileprivate func areOver(_ count: Int, since earlier: Int = 0) -> Bool {
        producerAttachments - earlier >= count && lanes.allSatisfy { $0.producer.presence != .attached }
    }
}

extension RingPublisher where Source: ~Copyable {
    /// Appends what may be appended now. A window with a plan goes out in two steps: its first message, and the rest once that one is stored.
    func send() throws(BridgeError) {
        guard window.sent < window.limit, log.isConnected else { return }
        var end = window.limit
        if window.plan != nil {
            guard window.isSealed else { return }
            if window.confirmed == 0 { end = min(end, 1) }
        }
        if window.inFlight == 0 { progressTime = nowMilliseconds() }
        while window.sent < end {
            let index = window.sent
            let entry = window.entries[index]
            // The last of a run asks, so nothing is left without a receipt.
            let wantsReceipt = window.asksForEach || index % Self.messagesAReceipt == 0 || index + 1 == end
            do throws(LogFailure) {
                try window.withPayload(entry) { payload throws(LogFailure) in
                    // Another writer's record at the place of the message before would leave a gap: then this one is refused, too.
                    let previous = index > window.confirmed ? id(of: window.entries[index - 1]) : nil
                    try log.append(
                        OutgoingMessage(
                            id: id(of: entry), tag: entry.tag, plan: index == 0 ? window.plan : nil, previous: previous,
                            wantsReceipt: wantsReceipt, payload: payload),
                        behind: window.base &+ UInt64(index))
                }
            } catch {
                switch error {
                case .unavailable(let text):
                    // It may have gone out, or not. Its receipt, or the next look at the stream, tells.
                    counts.lastFailure = text
                    return
                case .tooLarge(let text): return try refuse(at: index, text)
                case .refused: throw BridgeError(error)
                }
            }
            window.sent += 1
        }
    }

    /// How many messages share a receipt, at most. Each receipt costs the broker and the bridge about half of what a message costs.
    private static var messagesAReceipt: Int { 32 }

    func id(of entry: Window.Entry) -> MessageID { MessageID(instance: instance, lane: entry.lane, position: entry.position) }

    /// Takes the receipts that are there.
    ///
    /// - Parameter milliseconds: how long to wait for the first.
    func collect(milliseconds: Int) throws(BridgeError) {
        var milliseconds = milliseconds
        while window.inFlight > 0, let receipt = log.nextReceipt(milliseconds: milliseconds) {
            milliseconds = 0
            let index = receipt.sequence &- window.base &- 1
            guard index < UInt64(window.sent) else { continue }
            switch receipt.outcome {
            case .stored where receipt.isDuplicate && index == 0 && window.plan != nil:
                // A predecessor's message with this id is there. Its plan may be another one.
                pause.wait()
                return try readBackWindow()
            case .stored(let sequence) where sequence == receipt.sequence:
                let before = window.confirmed
                window.confirm(Int(index))
                if window.confirmed > before { progressTime = nowMilliseconds() }
                count(stored: before..<window.confirmed)
            case .stored(let place):
                // The broker remembers the id, and the message is not at its place any more: it was removed there.
                misplaced += 1
                if misplaced > 20 {
                    let id = id(of: window.entries[Int(index)])
                    throw BridgeError(
                        .stream,
                        "the broker takes message \(id) for a duplicate of message \(place) of the stream, and its place is \(receipt.sequence)"
                    )
                }
                pause.wait()
                return try readBackWindow()
            case .wrongSequence:
                // Something else is at its place, or what it was sent behind is missing: the stream tells.
                pause.wait()
                return try readBackWindow()
            case .unavailable(let text):
                counts.lastFailure = text
                pause.wait()
                return try readBackWindow()
            case .refused(let text): return try refuse(at: Int(index), text)
            case .closed(let text):
                throw BridgeError(.stream, "the broker takes no message of this bridge for the stream: \(text)")
            }
        }
    }

    /// The broker does not take a message that has its place: it becomes a dead letter, if that is asked for, and those behind it move up.
    private func refuse(at index: Int, _ reason: String) throws(BridgeError) {
        let entry = window.entries[index]
        func isEntry(_ other: Window.Entry) -> Bool { other.lane == entry.lane && other.position == entry.position }
        try readBackWindow()
        guard let index = window.entries.firstIndex(where: isEntry), index >= window.confirmed else { return }
        let payload = window.withPayload(window.entries[index]) { Array($0) }
        if usesPlans, window.plan == nil || window.confirmed > 0 {
            throw BridgeError(
                .message,
                "message \(entry.position) of lane \(entry.lane), which a plan in the stream announces, can't be published: \(reason)")
        }
        try refuse(id(of: entry), entry.tag, payload, reason)
        window.removeStored()
        window.keep(window.entries.filter { !isEntry($0) })
        if !window.isEmpty { placeAll() }
    }

    func count(stored range: Range<Int>) {
        guard !range.isEmpty else { return }
        hasStored = true
        misplaced = 0
        pause = Pause()
        for index in range {
            counts.published += 1
            counts.publishedBytes += UInt64(window.entries[index].count)
        }
    }

    /// Everything that has its place is stored. What stands behind it, if anything, gets a place.
    func finish() throws(BridgeError) {
        window.removeStored()
        guard !window.isEmpty else { return }
        placeAll()
    }

    /// Gives all entries a place, as one window.
    func placeAll() {
        window.isSealed = true
        guard usesPlans else {
            window.limit = window.entries.count
            return
        }
        var plan = WindowPlan(acknowledged: acknowledgedSequence)
        var count = 0
        for entry in window.entries {
            guard count < window.mostMessages, count == 0 || hasRoom(plan, for: entry.lane) else { break }
            plan.append(lane: entry.lane)
            count += 1
        }
        window.plan = plan
        window.limit = count
    }

    /// Whether the plan, with a message of this lane behind, fits into the window's first message.
    func hasRoom(_ plan: WindowPlan, for lane: Int) -> Bool {
        let runs = plan.runs.count + (plan.runs.last?.lane == lane ? 0 : 1)
        guard let first = window.entries.first else { return true }
        return runs <= WindowPlan.mostRuns && first.count + Window.headerRoom + WindowPlan.mostBytes(runs: runs) <= log.largestMessage
    }

    /// Something is in the window: waits for a receipt, or until there is a broker.
    func waitForBroker() throws(BridgeError) {
        if window.inFlight > 0 {
            // The broker takes microseconds for a message, so it is not done earlier than this. Receipts and messages are then met many at a time.
            if window.inFlight >= Self.messagesAReceipt { sleep(microseconds: min(500, 2 * window.inFlight)) }
            // The ring is looked at again after a millisecond, unless the window takes no more.
            try collect(milliseconds: window.isSealed ? 50 : 1)
            if window.inFlight > 0, nowMilliseconds() - progressTime > options.answerMilliseconds {
                counts.lastFailure = "no receipt for \(options.answerMilliseconds) ms"
                try readBackWindow()
            }
        } else if window.sent < window.limit, !log.isConnected {
            sleep(milliseconds: 20)
        }
    }
}

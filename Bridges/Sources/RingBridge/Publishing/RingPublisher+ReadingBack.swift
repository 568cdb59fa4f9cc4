import SharedRing

extension RingPublisher where Source: ~Copyable {
    /// Asks the log until it answers, with growing pauses. Nil: an end was asked for meanwhile.
    func persist<Result>(_ ask: () throws(LogFailure) -> Result) throws(BridgeError) -> Result? {
        var pause = Pause()
        var isFirst = true
        while isFirst || !isOver {
            isFirst = false
            do throws(LogFailure) {
                return try ask()
            } catch {
                guard case .unavailable(let text) = error else { throw BridgeError(error) }
                counts.lastFailure = text
                reportProgress()
                if !isOver { pause.wait() }
            }
        }
        return nil
    }

    private var isOver: Bool { stop.isRaised }

    // MARK: At a start

    /// Reads the end of the stream, and gives what is in the window its place behind it. False: an end was asked for.
    func readBack() throws(BridgeError) -> Bool {
        counts.readBacks += 1
        log.forgetReceipts()
        guard var end = try persist({ () throws(LogFailure) in try log.end() }) else { return false }
        if end.last == 0, log.needsOpening {
            guard let opened = try openLog() else { return false }
            end = opened
        }
        window.base = end.last
        guard end.last > 0 else { return try place([]) }
        guard let found = try lastOwnRecord(end) else { return false }
        guard case .own(let sequence, let id) = found else {
            acknowledgedSequence = end.last
            return try place([])
        }
        if !usesPlans {
            known[0] = max(known[0], id.position &+ 1)
            acknowledgedSequence = sequence
            return try place([])
        }
        guard let plan = try readPlan(end) else { return false }
        try findOutstanding()
        return try place(plan)
    }

    /// A log that never held a record gets its opening record, by whichever bridge is first.
    private func openLog() throws(BridgeError) -> LogEnd? {
        while !isOver {
            guard try persist({ () throws(LogFailure) in try log.appendOpening() }) != nil else { return nil }
            var pause = Pause()
            for _ in 0..<6 {
                guard let end = try persist({ () throws(LogFailure) in try log.end() }) else { return nil }
                if end.last > 0 { return end }
                pause.wait()
            }
        }
        return nil
    }

    private enum Found {
        case own(UInt64, MessageID)
        case none
    }

    /// The last record of this ring's instance, as far back as a predecessor's window reaches. Nil: an end was asked for.
    ///
    /// A record of another writer between records of this ring has a message's place, so that message may be missing. Without plans the
    /// records before the last one are looked at, too, down to one that is acknowledged in the ring. With plans ``readPlan(_:)`` does it.
    private func lastOwnRecord(_ end: LogEnd) throws(BridgeError) -> Found? {
        if isFirstReader, counts.readBacks == 1 { return Found.none }
        let acknowledged = usesPlans ? 0 : try acknowledgedPosition()
        var own: Found?
        var foreign: UInt64?
        var sequence = end.last
        while sequence > 0, end.last - sequence < UInt64(WindowPlan.mostMessages) {
            guard let answer = try persist({ () throws(LogFailure) in try log.record(at: sequence) }) else { return nil }
            guard let record = answer else {
                if own != nil { break }
                // Removed, or expired. Whether it was a message of this ring can't be known.
                guard options.republishes else {
                    throw BridgeError(
                        .stream,
                        "message \(sequence) of the stream, one of its last, is not there any more, so it can't be known what of the ring was "
                            + "published; --republish publishes all that the ring holds")
                }
                // What stands before it need not be published again.
                if usesPlans || sequence < end.first { break }
                sequence -= 1
                continue
            }
            if let id = record.id, id.instance == instance {
                if let foreign { throw foreignRecord(foreign) }
                own = own ?? .own(sequence, id)
                if usesPlans || id.position < acknowledged { break }
            } else if record.isOpening {
                break
            } else {
                foreign = sequence
            }
            sequence -= 1
        }
        return own ?? Found.none
    }

    /// Without plans: messages before this position are acknowledged in the ring, or this bridge has found them in the stream.
    private func acknowledgedPosition() throws(BridgeError) -> UInt64 {
        if let entry = window.entries.first { return entry.position }
        // Read first: a message that comes meanwhile is not acknowledged.
        let head = try readHeads()[0] ?? 0
        return Self.firstPosition(&source) ?? head
    }

    /// Nil: there is no message, or the end of a producer's stream stands before it.
    private static func firstPosition(_ source: inout Source) -> UInt64? {
        guard let message = source.nextIfAvailable() else { return nil }
        let position = message.sequence
        message.putBack()
        return position
    }

    private func foreignRecord(_ sequence: UInt64) -> BridgeError {
        BridgeError(
            .stream,
            "message \(sequence) of the stream was written by another program, or by the bridge of another ring: a stream belongs to one bridge. "
                + "Messages of this ring may stand behind it without those before them. Remove it and all behind it, then start again with "
                + "--republish.")
    }

    /// Reads back to the last plan, and from there to what was acknowledged. Returns the lanes of the messages that the plan still asks for. Nil: an
    /// end was asked for.
    private func readPlan(_ end: LogEnd) throws(BridgeError) -> [Int]? {
        var rest: [Int]?
        var lowest: UInt64 = 0
        var foreign: UInt64?
        var sequence = end.last
        while sequence > lowest, rest != nil || end.last - sequence < UInt64(WindowPlan.mostMessages) {
            guard let answer = try persist({ () throws(LogFailure) in try log.record(at: sequence) }) else { return nil }
            guard let record = answer else {
                guard rest != nil else { throw foreignRecord(sequence) }
                break  // expired
            }
            if record.isOpening { break }
            if let id = record.id, id.instance == instance, known.indices.contains(id.lane) {
                if let foreign { throw foreignRecord(foreign) }
                known[id.lane] = max(known[id.lane], id.position &+ 1)
                if let plan = record.plan, rest == nil {
                    rest = plan.lanes(after: Int(end.last - sequence) + 1)
                    lowest = plan.acknowledged
                    acknowledgedSequence = plan.acknowledged
                }
            } else {
                // It has the place of a message if an older one of this ring stands before it.
                guard rest != nil else { throw foreignRecord(sequence) }
                foreign = sequence
            }
            sequence -= 1
        }
        guard let rest else {
            throw BridgeError(
                .stream, "the last \(WindowPlan.mostMessages) messages of the stream have no plan: it was written by an older bridge")
        }
        return rest
    }

    private func readHeads() throws(BridgeError) -> [Int: UInt64] {
        do throws(RingError) { return try heads() } catch { throw BridgeError(.message, error.description) }
    }

    /// Gives the messages in hand their places: first those that a predecessor's plan asks for, which may have to be taken out of the ring.
    private func place(_ lanes: [Int]) throws(BridgeError) -> Bool {
        var held = window.entries.filter { !isKnown($0) }
        counts.skipped += UInt64(window.entries.count - held.count)
        window.keep(held)
        var missing: [Int: Int] = [:]
        for lane in lanes { missing[lane, default: 0] += 1 }
        for entry in held { missing[entry.lane]? -= 1 }
        var waits = 0
        while let lane = missing.first(where: { $0.value > 0 })?.key {
            let before = window.entries.count
            // These messages were taken out of the ring before, and not acknowledged, so they are there. `next` goes over what a look without waiting
            // stops at: the end of a producer's stream.
            if try !takeOne(), try !takeNext(timeout: .milliseconds(100)) {
                waits += 1
                if waits == 20 { return try placeAgain(missing: lane) }
            }
            for entry in window.entries[before...] { missing[entry.lane]? -= 1 }
        }
        missingDeadline = nil
        guard !lanes.isEmpty else {
            window.plan = nil
            if !window.isEmpty { placeAll() }
            return true
        }
        held = window.entries
        var ofLane: [Int: [Int]] = [:]
        for index in held.indices.reversed() { ofLane[held[index].lane, default: []].append(index) }
        var isPlaced = [Bool](repeating: false, count: held.count)
        var ordered: [Window.Entry] = []
        for lane in lanes {
            guard let index = ofLane[lane]?.popLast() else { continue }  // counted above: it is there
            isPlaced[index] = true
            ordered.append(held[index])
        }
        window.keep(ordered + held.indices.filter { !isPlaced[$0] }.map { held[$0] })
        window.isSealed = true
        window.limit = lanes.count
        return true
    }

    /// The ring does not hold messages of this lane that a plan in the stream asks for. A broker that is behind the others may have answered: it does not
    /// know yet of messages that are stored, and acknowledged in the ring. So the stream is asked again, for half a minute.
    private func placeAgain(missing lane: Int) throws(BridgeError) -> Bool {
        let deadline = missingDeadline ?? nowMilliseconds() + 30_000
        missingDeadline = deadline
        guard nowMilliseconds() < deadline else {
            throw BridgeError(
                .stream, "the stream announces messages of lane \(lane) that the ring does not hold: one of both has lost messages")
        }
        return try readBack()
    }

    /// Which lanes have messages in the stream that are not acknowledged in the ring, and were not taken out of it by this bridge.
    private func findOutstanding() throws(BridgeError) {
        let heads = try readHeads()
        outstanding = Set(known.indices.filter { max(heads[$0] ?? 0, taken[$0]) < known[$0] })
    }

    private func isKnown(_ entry: Window.Entry) -> Bool { entry.position < known[usesPlans ? entry.lane : 0] }

    // MARK: After a failure

    /// Reads back what of the window is stored. The rest is sent again, each message behind the same sequence as before.
    func readBackWindow() throws(BridgeError) {
        counts.readBacks += 1
        log.forgetReceipts()
        let deadline = nowMilliseconds() + 30_000
        var pause = Pause()
        while true {
            guard let end = try persist({ () throws(LogFailure) in try log.end() }) else { return }
            if end.last < window.base &+ UInt64(window.confirmed) {
                // A broker that is behind the others, or a stream that lost what it had acknowledged.
                guard nowMilliseconds() < deadline else {
                    throw BridgeError(
                        .stream,
                        "the stream ends at \(end.last), although the broker had acknowledged \(window.base &+ UInt64(window.confirmed))")
                }
                pause.wait()
                continue
            }
            let stored = Int(clamping: end.last - window.base)
            for index in window.confirmed..<max(window.confirmed, min(stored, window.limit)) {
                let sequence = window.base &+ UInt64(index) &+ 1
                guard let record = try persist({ () throws(LogFailure) in try log.record(at: sequence) }) else { return }
                // The first message of another plan has the same id.
                let isOwn = record?.id == id(of: window.entries[index])
                if isOwn, index == 0, let plan = window.plan, record?.plan != plan {
                    _ = try readBack()
                    return
                }
                guard isOwn else {
                    // Before this bridge has stored anything, messages that its predecessor left on their way may have come in.
                    guard record?.id?.instance == instance, !hasStored else { throw foreignRecord(sequence) }
                    _ = try readBack()
                    return
                }
            }
            if stored > window.limit {
                // Behind the window there may be only what a predecessor left on its way. It may come in late.
                let sequence = window.base &+ UInt64(window.limit) &+ 1
                guard let record = try persist({ () throws(LogFailure) in try log.record(at: sequence) }) else { return }
                guard record?.id?.instance == instance else { throw foreignRecord(sequence) }
                _ = try readBack()
                return
            }
            let confirmed = max(window.confirmed, stored)
            count(stored: window.confirmed..<confirmed)
            window.restart(confirmed: confirmed)
            progressTime = nowMilliseconds()
            return
        }
    }
}

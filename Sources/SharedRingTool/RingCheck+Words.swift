import SharedRing

/// What a check says in any format.
extension RingCheck {
    /// For programs.
    var state: String {
        if !damage.isEmpty { return "damaged" }
        if isInUse { return "in_use" }
        if !wasUsed { return "unused" }
        return hasDeath ? "left_by_the_dead" : "idle"
    }

    var stateSentence: String {
        let motion = isMoving ? "; positions are moving, the numbers are a moment's" : ""
        return switch state {
        case "damaged": "damaged"
        case "in_use": "in use" + motion
        case "unused": "usable: no process has attached yet"
        case "idle": "usable: no process is attached, all have closed"
        default: "usable: no process is attached, and not all have closed"
        }
    }

    private var hasDeath: Bool {
        report.consumer.presence == .died || report.subscribers.contains { $0.role.presence == .died }
            || lanes.contains { $0.producer.presence == .died }
            || report.entries.contains { $0.writer.presence == .died }
            || report.servers.contains { $0.role.presence == .died } || report.callSlots.contains { $0.client.presence == .died }
    }

    /// "3 messages of 45 bytes, 1 end of a stream".
    var undeliveredText: String {
        guard messages + streamEnds > 0 else { return isMoving ? "nothing for certain" : "nothing" }
        var parts: [String] = []
        if messages > 0 { parts.append("\(counted(messages, "message")) of \(counted(byteCount, "byte"))") }
        if streamEnds > 0 { parts.append(countedEnds(streamEnds)) }
        return parts.joined(separator: ", ")
    }

    // MARK: What was left half done

    /// Sentences. None of these keeps a process from using the ring.
    var leftOver: [String] {
        var sentences: [String] = []
        if isBeingRemoved { sentences.append("a process has locked it to remove it") }
        if consumerSleepWord == .leftBehind {
            sentences.append("the consumer's sleep word is set, and no process sleeps there: the next consumer or sender clears it")
        }
        if hasUnreportedDeath {
            sentences.append("a consumer noted the death of a producer and ended before it reported it: the next consumer reports it")
        }
        for lane in lanes {
            let place = report.prefix(ofLane: lane.number)
            if lane.producer.presence == .neverCame {
                sentences.append("\(place)a process attached and ended before it stored its holder information: the lane counts as unused")
            }
            if lane.sleepWord == .leftBehind {
                sentences.append("\(place)the producer's sleep word is set, and no process sleeps there: the next producer clears it")
            }
            if let floor = lane.ticketFloor, lane.producer.presence != .attached {
                sentences.append(
                    "\(place)a producer died on the way to a ticket of \(floor) or later: until the consumer or the lane's next producer clears that ticket floor, no later message is delivered"
                )
            }
        }
        return sentences
    }

    // MARK: What comes next

    var nextProducer: String {
        let attached = Set(lanes.filter { $0.producer.presence == .attached }.map(\.number))
        guard let number = (0..<report.laneCount).first(where: { !attached.contains($0) }) else {
            return switch report.kind {
            case .spsc, .broadcast: "is refused while \(lanes.first?.producer.holder?.description ?? "the present one") is attached"
            case .mpsc: "is refused: all \(counted(report.laneCount, "lane")) are taken"
            case .board, .call: ""
            }
        }
        let place =
            switch report.kind {
            case .spsc, .broadcast, .board, .call: ""
            case .mpsc: "takes lane \(number): "
            }
        if damage.contains(where: { $0.lane == number }) { return "\(place)nothing is promised, see what is damaged" }
        guard let lane = lanes.first(where: { $0.number == number }), lane.producer.presence != .neverCame else {
            return "\(place)is the first there"
        }
        let position = "goes on at position \(lane.tail)"
        return switch lane.producer.presence {
        case .died where lane.needsDeathRecord: "\(place)\(position) and writes an end record for the one that died"
        case .died: "\(place)\(position); an end record stands there already"
        default: "\(place)\(position)"
        }
    }

    var nextReceiver: String {
        switch report.kind {
        case .spsc, .mpsc: nextConsumer
        case .broadcast: nextSubscriber
        case .board, .call: ""
        }
    }

    private var nextConsumer: String {
        if report.consumer.presence == .attached {
            return "is refused while \(report.consumer.holder?.description ?? "the present one") is attached"
        }
        if !damage.isEmpty { return "nothing is promised of damaged lanes, see what is damaged" }
        guard !lanes.isEmpty else { return "waits for the first producer" }
        let start =
            switch report.kind {
            case .spsc: "starts at position \(lanes[0].head)"
            case .mpsc: "starts in \(counted(lanes.count, "lane"))"
            case .broadcast, .board, .call: ""
            }
        var steps = ["\(start) and gets \(counted(messages, "message"))\(report.consumer.presence == .died && messages > 0 ? again : "")"]
        let ends = streamEnds + lanes.count { $0.hasUnrecordedClose }
        if ends > 0 { steps.append("gets \(countedEnds(ends))") }
        let unreported = lanes.count { $0.producer.presence == .died && !$0.endsWithEndRecord && !$0.isEndReported }
        if unreported > 0 { steps.append("learns that \(unreported == 1 ? "a producer" : "\(unreported) producers") died") }
        if attachedProducers > 0 { steps.append("waits for more") } else if steps.count == 1 { steps.append("waits for a producer") }
        return steps.joined(separator: ", then ")
    }

    private var nextSubscriber: String {
        if !damage.isEmpty { return "nothing is promised, see what is damaged" }
        let attached = Set(report.subscribers.filter { $0.isDurable || $0.role.presence == .attached }.map(\.number))
        guard let number = (0..<report.subscriberCount).first(where: { !attached.contains($0) }) else {
            return "is refused, unless it is lossy: all \(counted(report.subscriberCount, "place")) are taken"
        }
        return "takes place \(number), and gets what is sent from then on, or what is still there if it asks for that"
    }

    private var again: String {
        messages == 1 ? ", which the one that died may have had already" : ", of which the one that died may have had some already"
    }

    private var attachedProducers: Int { lanes.count { $0.producer.presence == .attached } }
}

extension RingCheck.Lane {
    /// "then 2 ends of streams, 1 of a producer that died".
    var endsText: String {
        let all = closeRecords + deathRecords
        let ends = countedEnds(all)
        return deathRecords == 0 ? ends : "\(ends), \(all == 1 ? "" : "\(deathRecords) ")of a producer that died"
    }
}

extension RingCheck.Damage {
    /// "lane 0 at byte 8192 of the file: the record header is …".
    var sentence: String {
        let place = [lane.map { "lane \($0)" }, position.map { "position \($0)" }, "byte \(fileOffset) of the file"].compactMap { $0 }
        return "\(place.joined(separator: ", ")): \(detail)"
    }
}

import SharedRing

/// A check for people.
extension RingCheck {
    /// A fact a line, with what is wrong and what comes next at the end.
    var text: String {
        switch report.kind {
        case .spsc, .mpsc, .broadcast: return ringText
        case .board:
            let facts = [("state", stateSentence)] + report.entries.map { ("entry", $0.text) } + damage.map { ("damaged", $0.sentence) }
            return aligned(facts, under: "board '\(report.fileName)' in \(report.directory.printable)")
        case .call:
            let facts = [("state", stateSentence)] + report.callFacts + damage.map { ("damaged", $0.sentence) }
            return aligned(facts, under: "call service '\(report.fileName)' in \(report.directory.printable)")
        }
    }

    private var ringText: String {
        var facts: [(String, String)] = [
            ("state", stateSentence),
            ("undelivered", undeliveredText),
        ]
        if report.hasConsumer { facts.append(("consumer", report.consumer.checkText(consumerSleepWord))) }
        for lane in lanes { facts.append((report.title(ofLane: lane.number), lane.text)) }
        if lanes.isEmpty { facts.append((report.senderWord, RingReport.Presence.neverCame.rawValue)) }
        for subscriber in report.subscribers {
            facts.append((subscriber.title, "\(subscriber.role.checkText(.awake)); \(subscriber.placeText)"))
        }
        facts += leftOver.map { ("left over", $0) }
        facts += damage.map { ("damaged", $0.sentence) }
        facts += [
            ("next \(report.senderWord)", nextProducer),
            ("next \(report.receiverWord)", nextReceiver),
        ]

        return aligned(facts, under: "ring '\(report.fileName)' in \(report.directory.printable)")
    }
}

extension RingCheck.Lane {
    fileprivate var text: String {
        var text = "\(producer.checkText(sleepWord)); position \(head) to \(tail)"
        if messages > 0 { text += ", \(counted(messages, "message")) of \(counted(byteCount, "byte"))" }
        if closeRecords + deathRecords > 0 { text += ", \(endsText)" }
        if messages + closeRecords + deathRecords == 0 { text += isMoving ? ", in motion" : ", nothing waits" }
        if producer.presence == .attached, let ticketFloor { text += "; sending, with ticket \(ticketFloor) or later" }
        return text
    }
}

extension RingReport.Role {
    /// "attached and asleep: process 4711 (receive) since 2026-02-03 04:05:06 UTC".
    fileprivate func checkText(_ word: RingCheck.SleepWord) -> String {
        guard let holder, presence != .neverCame else { return presence.rawValue }
        let since = Timestamp(holder.attachedNanoseconds).text
        guard presence == .attached else { return "\(presence.rawValue): \(holder), attached at \(since)" }
        return "\(presence.rawValue)\(word == .asleep ? " and asleep" : ""): \(holder) since \(since)"
    }
}

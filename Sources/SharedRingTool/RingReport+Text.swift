import SharedRing

/// A report for people.
extension RingReport {
    var text: String {
        switch kind {
        case .spsc, .mpsc, .broadcast: ringText
        case .board: boardText
        case .call: callText
        }
    }

    /// A fact a line, then a role or a lane a line.
    private var ringText: String {
        var facts: [(String, String)] = [
            ("kind", kindText),
            ("capacity", capacityText),
            ("largest message", counted(largestMessage, "byte")),
            ("alignment", counted(recordAlignment, "byte")),
            ("file", counted(totalSize, "byte")),
        ]
        if !label.isEmpty { facts.append(("label", label.printable)) }
        facts += [
            ("layout", layoutVersion),
            ("instance", instance),
            ("created", Timestamp(createdNanoseconds).text),
            ("barrier", usesAsymmetricBarrier ? "asymmetric" : "symmetric"),
            ("persistent", isPersistent ? "yes" : "no"),
            ("attachments", "\(counted(producerAttachments, "producer")), \(counted(receiverAttachments, receiverWord))"),
            ("backlog", counted(backlog, "byte")),
        ]
        if hasConsumer { facts.append(("consumer", consumer.text)) }
        for lane in lanes { facts.append((title(ofLane: lane.number), lane.text)) }
        if lanes.isEmpty { facts.append((senderWord, Presence.neverCame.rawValue)) }
        for subscriber in subscribers { facts.append((subscriber.title, subscriber.text)) }

        return aligned(facts, under: "ring '\(fileName)' in \(directory.printable)")
    }

    /// What stands over the list.
    static let headings = ["NAME", "KIND", "LANES", "CAPACITY", "ATTACHED", "WAITING"]

    /// The fields of a line of the list.
    var columns: [String] {
        switch kind {
        case .board: boardColumns
        case .call: callColumns
        case .spsc, .mpsc, .broadcast:
            [
                fileName.description, kind.rawValue, counted(laneCount, "lane"), SizeNotation.text(capacity), attachedRoles,
                "backlog \(SizeNotation.text(backlog))",
            ]
        }
    }

    /// "2 producers, consumer".
    private var attachedRoles: String {
        let producers = attachedProducers
        var roles: [String] = []
        if producers > 0 { roles.append(producersText(producers)) }
        if consumer.presence == .attached { roles.append("consumer") }
        if attachedSubscribers > 0 { roles.append(counted(attachedSubscribers, "subscriber")) }
        return roles.isEmpty ? "-" : roles.joined(separator: ", ")
    }
}

extension RingReport {
    private var receiverAttachments: Int { subscribers.reduce(consumer.attachments) { $0 + $1.role.attachments } }
}

extension RingReport.Subscriber {
    fileprivate var text: String {
        "\(role.text); \(counted(role.attachments, "attachment")); \(placeText)"
    }

    /// "subscriber 3 'audit'".
    var title: String { "subscriber \(number)\(name.map { " '\($0.printable)'" } ?? "")" }

    /// "head 4096, backlog 40 bytes, holds the publisher up".
    var placeText: String {
        let durable = isDurable ? "durable, " : isSoftGated ? "soft gate, missed \(counted(Int(clamping: missed), "message")), " : ""
        guard let head else { return "\(durable)holds nothing" }
        return "\(durable)head \(head), backlog \(counted(backlog, "byte"))\(holdsPublisherUp ? ", holds the publisher up" : "")"
    }
}

extension RingReport.Lane {
    fileprivate var text: String {
        "\(producer.text); \(counted(producer.attachments, "attachment")); head \(head), tail \(tail), backlog \(counted(backlog, "byte"))"
    }
}

extension RingReport.Role {
    /// "attached: process 4711 (sharedring) since 2026-02-03 04:05:06 UTC".
    var text: String {
        guard let holder else { return presence.rawValue }
        let since = Timestamp(holder.attachedNanoseconds).text
        return switch presence {
        case .attached: "attached: \(holder) since \(since)"
        case .neverCame: presence.rawValue
        case .closed, .died: "\(presence.rawValue): \(holder), attached at \(since)"
        }
    }
}

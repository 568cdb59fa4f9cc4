import SharedRing

/// A report of a call service for people.
extension RingReport {
    /// A fact a line, then a server or a slot a line.
    var callText: String {
        var facts: [(String, String)] = [("kind", kindText), ("capacity", capacityText), ("file", counted(totalSize, "byte"))]
        if !label.isEmpty { facts.append(("label", label.printable)) }
        facts += [
            ("layout", layoutVersion), ("instance", instance), ("created", Timestamp(createdNanoseconds).text),
            ("barrier", usesAsymmetricBarrier ? "asymmetric" : "symmetric"),
            ("calls", "\(callSlots.reduce(0) { $0 &+ $1.calls }) made, \(waitingCalls) waiting, \(startedCalls) started"),
        ]
        return aligned(facts + callFacts, under: "call service '\(fileName)' in \(directory.printable)")
    }

    /// The servers and the slots that anybody has had.
    var callFacts: [(String, String)] {
        var facts = servers.map { ("server \($0.number)", $0.text) }
        if servers.isEmpty { facts.append(("server", Presence.neverCame.rawValue)) }
        return facts + callSlots.map { ("slot \($0.number)", $0.text) }
    }

    /// The fields of a line of the list.
    var callColumns: [String] {
        var attached: [String] = []
        if attachedServers > 0 { attached.append(counted(attachedServers, "server")) }
        if takenSlots > 0 { attached.append(counted(takenSlots, "slot")) }
        return [
            fileName.description, kind.rawValue, counted(callSlotCount, "slot"), SizeNotation.text(capacity),
            attached.isEmpty ? "-" : attached.joined(separator: ", "), "\(counted(waitingCalls, "call")) waiting",
        ]
    }
}

extension RingReport.Server {
    fileprivate var text: String { "\(role.text); \(started) started, \(answered) answered" }
}

extension RingReport.CallSlot {
    /// "attached: process 4711 (ask) since …; 3 calls, the last one is started by server 0".
    fileprivate var text: String {
        var text = "\(client.text); \(calls) \(calls == 1 ? "call" : "calls")"
        switch state {
        case .waiting: text += ", the last one waits"
        case .started: text += ", the last one is started\(server.map { " by server \($0)" } ?? "")"
        default: break
        }
        if isStream { text += ", with a stream" }
        if isGivenUp { text += " and given up" }
        if lateReplies > 0 { text += ", \(lateReplies) late \(lateReplies == 1 ? "reply" : "replies")" }
        return text
    }
}

import SharedRing

extension StaleRing {
    /// "removed  'name', with 3 messages of 45 bytes".
    func text(isDryRun: Bool) -> String {
        let removed = isDryRun ? "would remove" : "removed"
        return switch outcome {
        case .removed: "\(removed)  '\(fileName)'\(undelivered.map { ", with \($0)" } ?? ", in which nothing waited")"
        case .removedUnfinished: "\(removed)  '\(fileName)', which a process left that died while it made a ring"
        case .kept(let reason):
            "\(isDryRun ? "would keep    " : "kept     ")'\(fileName)': \(text(of: reason))"
        }
    }

    private var undelivered: String? {
        var parts: [String] = []
        if messages > 0 { parts.append("\(counted(messages, "undelivered message")) of \(counted(byteCount, "byte"))") }
        if streamEnds > 0 { parts.append(counted(streamEnds, "unread end of a stream", "unread ends of streams")) }
        return parts.isEmpty ? nil : parts.joined(separator: " and ")
    }

    private func text(of reason: Reason) -> String {
        switch reason {
        case .neverUsed: "no process has attached to it yet"
        case .undelivered: "it has \(undelivered ?? "nothing"); with --force it goes, too"
        case .awaitsSubscribers(let names):
            "it keeps the place of \(names.map { "'\(String(escaping: Array($0.utf8)))'" }.joined(separator: ", ")), durable and away; with --force it goes, too"
        case .holdsValues: "it is a board, whose values stay until it is removed by name"
        case .inUse(let detail): detail
        case .damaged(let damage): "it is damaged; 'sharedring remove' without --stale removes it: \(damage.sentence)"
        case .refused(let error): error.reason
        }
    }

    /// What makes the tool's status 1: what was asked for by name is not there, or the system refused.
    func failure(isNamed: Bool) -> ToolFailure? {
        guard case .kept(.refused(let error)) = outcome else { return nil }
        switch error.code {
        case .system: return ToolFailure("\(error)")
        case .notFound where isNamed: return ToolFailure("\(error)")
        case .invalidName where isNamed: return ToolFailure("\(error)", status: ToolFailure.usage)
        default: return nil
        }
    }
}

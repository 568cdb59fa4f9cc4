import SharedRing

/// `sharedring remove`: a ring that no process is attached to, with all that is in it; or all that their users have left behind.
struct RemoveCommand {
    private let arguments: Arguments
    private var names: [FileName] { arguments.names }
    private let isForStale: Bool
    private let isForDamaged: Bool
    private let includesUndelivered: Bool
    private let isDryRun: Bool
    /// Of a broadcast, the one to remove.
    private let subscriber: String?
    private let options: RingOptions

    init(_ arguments: Arguments) throws {
        self.arguments = arguments
        isForStale = arguments.has("--stale")
        isForDamaged = arguments.has("--damaged")
        includesUndelivered = arguments.has("--force")
        isDryRun = arguments.has("--dry-run")
        options = try arguments.findingOptions()
        subscriber = try arguments.value("--subscriber", "name of 1 to 64 bytes") { $0.isEmpty || $0.utf8.count > 64 ? nil : $0 }
        for option in ["--stale", "--damaged"] where subscriber != nil && arguments.has(option) {
            throw ToolFailure.usage("'--subscriber' and '\(option)' exclude each other", of: .remove)
        }
        if isForStale && isForDamaged { throw ToolFailure.usage("'--stale' and '--damaged' exclude each other", of: .remove) }
        if includesUndelivered && !isForStale { throw ToolFailure.usage("'--force' needs '--stale'", of: .remove) }
        if isDryRun && !isForStale && !isForDamaged {
            throw ToolFailure.usage("'--dry-run' needs '--stale' or '--damaged'", of: .remove)
        }
    }

    func run() throws {
        if isForDamaged { return try removeDamaged() }
        guard isForStale else { return try removeNamed() }
        let rings = try names.isEmpty ? all() : names.map(one)
        try StandardStreams.print(rings.map { "\($0.text(isDryRun: isDryRun))\n" }.joined())
        for ring in rings {
            if let failure = ring.failure(isNamed: !names.isEmpty) { throw failure }
        }
    }

    /// A line for each ring, as for stale ones. To keep one is no failure.
    private func removeDamaged() throws {
        let damaged = try known()
        var rings = EachRing(arguments)
        _ = try rings.map(names.isEmpty ? damaged.map(\.fileName) : names) { name in
            let detail = damaged.first { $0.fileName == name }.map { ": \($0.error.reason)" } ?? ""
            let kept = isDryRun ? "would keep    " : "kept     "
            do throws(RingError) {
                try DamagedRing.remove(named: name, dryRun: isDryRun, options: options)
            } catch {
                guard error.code == .inUse || error.code == .notDamaged else { throw error }
                return try StandardStreams.print("\(kept)'\(name)': \(error.reason)\n")
            }
            try StandardStreams.print("\(isDryRun ? "would remove  " : "removed  ")'\(name)'\(detail)\n")
        }
        try rings.finish()
    }

    private func known() throws -> [DamagedRing] {
        do throws(RingError) {
            return try DamagedRing.all(options: options)
        } catch {
            throw ToolFailure("\(error)")
        }
    }

    private func removeNamed() throws {
        var rings = EachRing(arguments)
        _ = try rings.map(names) { name in
            if let subscriber {
                try BroadcastRing.open(named: name, options: options).removeSubscriber(named: subscriber)
            } else {
                try SPSCRing.remove(named: name, options: options)
            }
        }
        try rings.finish()
    }

    private func one(_ name: FileName) -> StaleRing {
        StaleRing.remove(named: name, includingUndelivered: includesUndelivered, dryRun: isDryRun, options: options)
    }

    private func all() throws -> [StaleRing] {
        do throws(RingError) {
            return try StaleRing.removeAll(includingUndelivered: includesUndelivered, dryRun: isDryRun, options: options)
        } catch {
            throw ToolFailure("\(error)")
        }
    }
}

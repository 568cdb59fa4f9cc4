import SharedRing

/// `sharedring remove`: a ring that nobody is attached to, with whatever is in it; or all that their users have left behind.
struct RemoveCommand {
    private let arguments: Arguments
    private var names: [String] { arguments.names }
    private let isForStale: Bool
    private let includesUndelivered: Bool
    private let isRehearsal: Bool
    private let options: RingOptions

    init(_ arguments: Arguments) throws {
        self.arguments = arguments
        isForStale = arguments.has("--stale")
        includesUndelivered = arguments.has("--force")
        isRehearsal = arguments.has("--dry-run")
        options = try arguments.findingOptions()
        for option in ["--force", "--dry-run"] where arguments.has(option) && !isForStale {
            throw ToolFailure.usage("'\(option)' needs '--stale'", of: arguments.command)
        }
    }

    func run() throws {
        guard isForStale else { return try removeNamed() }
        let rings = try names.isEmpty ? all() : names.map(one)
        try StandardStreams.print(rings.map { "\($0.text(isRehearsal: isRehearsal))\n" }.joined())
        for ring in rings {
            if let failure = ring.failure(isNamed: !names.isEmpty) { throw failure }
        }
    }

    private func removeNamed() throws {
        var rings = EachRing(arguments)
        _ = try rings.map(names) { name in try SPSCRing.remove(name, options: options) }
        try rings.finish()
    }

    private func one(_ name: String) -> StaleRing {
        StaleRing.remove(name, includingUndelivered: includesUndelivered, isRehearsal: isRehearsal, options: options)
    }

    private func all() throws -> [StaleRing] {
        do throws(RingError) {
            return try StaleRing.removeAll(includingUndelivered: includesUndelivered, isRehearsal: isRehearsal, options: options)
        } catch {
            throw ToolFailure(aboutNoRing: error)
        }
    }
}

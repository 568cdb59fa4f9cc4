import SharedRing

/// `sharedring check`: whether the next process can use a ring, and what it will find.
struct CheckCommand {
    private let name: String
    private let options: RingOptions
    private let isJSON: Bool

    init(_ arguments: Arguments) throws {
        name = arguments.name
        options = try arguments.findingOptions()
        isJSON = arguments.has("--json")
    }

    /// Throws if the ring is damaged or none, after writing what there is to say.
    func run() throws {
        let check: RingCheck
        do throws(RingError) {
            check = try RingCheck(name, options: options)
        } catch {
            if isJSON, error.code != .invalidName { try StandardStreams.print("\(JSON.failedCheck(of: name, error))\n") }
            throw error
        }
        try StandardStreams.print(isJSON ? "\(check.json)\n" : check.text)
        guard let first = check.damage.first else { return }
        let others = check.damage.count == 1 ? "" : "; \(counted(check.damage.count - 1, "further finding"))"
        throw ToolFailure("ring '\(name.printable)' is damaged: \(first.sentence)\(others)")
    }
}

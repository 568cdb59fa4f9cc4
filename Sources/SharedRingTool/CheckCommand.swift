import SharedRing

/// `sharedring check`: whether the next process can use a ring, and what it will find.
struct CheckCommand {
    private let question: RingQuestion

    init(_ arguments: Arguments) throws { question = try RingQuestion(arguments) }

    /// Throws if a ring is damaged or none, after writing what there is to say.
    func run() throws {
        try question.run { name in
            let check: RingCheck
            do throws(RingError) {
                check = try RingCheck(named: name, options: question.options)
            } catch {
                if question.wantsJSON, error.code != .invalidName {
                    try StandardStreams.print("\(JSON.failedCheck(of: name, error))\n")
                }
                throw error
            }
            return .init(text: check.text, json: check.json, complaint: check.damage.first.map { complaint(name, $0, of: check) })
        }
    }

    private func complaint(_ name: FileName, _ first: RingCheck.Damage, of check: RingCheck) -> ToolFailure {
        let others = check.damage.count == 1 ? "" : "; \(counted(check.damage.count - 1, "further finding"))"
        return ToolFailure("ring '\(name)' is damaged: \(first.sentence)\(others)")
    }
}

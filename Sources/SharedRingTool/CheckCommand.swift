import SharedRing

/// `sharedring check`: whether the next process can use a ring, and what it will find.
struct CheckCommand {
    private let question: RingQuestion

    init(_ arguments: Arguments) throws { question = try RingQuestion(arguments) }

    /// Throws if the ring is damaged or none, after writing what there is to say.
    func run() throws {
        let name = question.name
        let check: RingCheck
        do throws(RingError) {
            check = try RingCheck(name, options: question.options)
        } catch {
            if question.wantsJSON, error.code != .invalidName { try StandardStreams.print("\(JSON.failedCheck(of: name, error))\n") }
            throw error
        }
        try question.answer(text: check.text, json: check.json)
        guard let first = check.damage.first else { return }
        let others = check.damage.count == 1 ? "" : "; \(counted(check.damage.count - 1, "further finding"))"
        throw ToolFailure("ring '\(name.printable)' is damaged: \(first.sentence)\(others)")
    }
}

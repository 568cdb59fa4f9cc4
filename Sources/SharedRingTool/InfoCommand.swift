import SharedRing

/// `sharedring info`: what a ring looks like, without taking a role of it.
struct InfoCommand {
    private let question: RingQuestion

    init(_ arguments: Arguments) throws { question = try RingQuestion(arguments) }

    func run() throws {
        let report = try RingReport(question.name, options: question.options)
        try question.answer(text: report.text, json: report.json)
    }
}

import SharedRing

/// `sharedring info`: what rings look like, without taking a role of them.
struct InfoCommand {
    private let question: RingQuestion

    init(_ arguments: Arguments) throws { question = try RingQuestion(arguments) }

    func run() throws {
        try question.run { name in
            do throws(RingError) {
                let report = try RingReport(named: name, options: question.options)
                return .init(text: report.text, json: report.json)
            } catch {
                guard error.code == .incompatible, let other = try? OtherVersionRing(named: name, options: question.options) else {
                    throw error
                }
                return .init(text: other.text, json: other.json)
            }
        }
    }
}

import SharedRing

/// `sharedring info`: what a ring looks like, without taking a role of it.
struct InfoCommand {
    private let name: String
    private let options: RingOptions
    private let isJSON: Bool

    init(_ arguments: Arguments) throws {
        name = arguments.name
        options = try arguments.findingOptions()
        isJSON = arguments.has("--json")
    }

    func run() throws {
        let report = try RingReport(name, options: options)
        try StandardStreams.print(isJSON ? "\(report.json)\n" : report.text)
    }
}

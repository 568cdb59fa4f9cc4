import SharedRing

/// What `info` and `check` are asked: about which rings, and in which form to answer.
struct RingQuestion {
    let options: RingOptions
    let wantsJSON: Bool
    private let arguments: Arguments

    init(_ arguments: Arguments) throws {
        self.arguments = arguments
        options = try arguments.findingOptions()
        wantsJSON = arguments.has("--json")
    }

    /// Answers for one ring after the other: with JSON a line each, else blocks with an empty line between them. An output that has no
    /// reader any more ends the printing, not the examining: the status is that of all rings.
    func run(_ answer: (FileName) throws -> Answer) throws {
        var rings = EachRing(arguments)
        var isFirst = true
        var isOutputOpen = true
        _ = try rings.map(arguments.names) { name in
            let answer = try answer(name)
            if isOutputOpen {
                do {
                    try StandardStreams.print(wantsJSON ? "\(answer.json)\n" : (isFirst ? "" : "\n") + answer.text)
                } catch let failure as ToolFailure {
                    guard failure.isOutputClosed else { throw failure }
                    isOutputOpen = false
                }
            }
            isFirst = false
            if let complaint = answer.complaint { throw complaint }
        }
        try rings.finish()
    }

    struct Answer {
        let text: String
        let json: JSON
        /// What is thrown after it was given.
        var complaint: ToolFailure?
    }
}

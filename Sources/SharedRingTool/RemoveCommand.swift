import SharedRing

/// `sharedring remove`: a ring that nobody is attached to, with whatever is in it.
struct RemoveCommand {
    private let name: String
    private let options: RingOptions

    init(_ arguments: Arguments) throws {
        name = arguments.name
        var options = RingOptions()
        options.directory = try arguments.directory()
        self.options = options
    }

    func run() throws { try SPSCRing.remove(name, options: options) }
}

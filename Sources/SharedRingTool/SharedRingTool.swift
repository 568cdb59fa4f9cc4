import Glibc
import SharedRing

/// `sharedring`: rings from the command line.
@main
struct SharedRingTool {
    static let version = "0.1.0"

    static func main() {
        StandardStreams.occupyClosedDescriptors()
        Signals.install()
        do {
            try run(Array(CommandLine.arguments.dropFirst()))
        } catch let failure as ToolFailure {
            StandardStreams.note(failure.sentence)
            exit(failure.status)
        } catch {
            // A RingError describes itself in one sentence.
            StandardStreams.note("\(error)")
            exit(ToolFailure.error)
        }
    }

    private static func run(_ words: [String]) throws {
        guard let first = words.first else { throw ToolFailure.usage("a command is missing") }
        let rest = Array(words.dropFirst())
        switch first {
        case "help": try help(rest)
        case "--help", "-h": try StandardStreams.print(Help.overview)
        case "--version": try StandardStreams.print("sharedring \(version)\n")
        default:
            guard let command = Command(rawValue: first) else {
                throw ToolFailure.usage(first.hasPrefix("-") ? "there is no option '\(first)'" : "there is no command '\(first)'")
            }
            try run(command, rest)
        }
    }

    private static func run(_ command: Command, _ words: [String]) throws {
        let arguments = try Arguments(words, of: command)
        if arguments.wantsHelp { return try StandardStreams.print(Help.text(of: command)) }
        do {
            switch command {
            case .send: try SendCommand(arguments).run()
            case .receive: try ReceiveCommand(arguments).run()
            case .create: try CreateCommand(arguments).run()
            case .remove: try RemoveCommand(arguments).run()
            case .list: try ListCommand(arguments).run()
            case .info: try InfoCommand(arguments).run()
            case .check: try CheckCommand(arguments).run()
            case .stat: try StatCommand(arguments).run()
            case .tap: try TapCommand(arguments).run()
            }
        } catch let error as RingError where error.code == .invalidName || error.code == .invalidOption {
            // The library found a word of the command line wrong.
            throw ToolFailure.usage("\(error)", of: command)
        }
    }

    private static func help(_ words: [String]) throws {
        guard let word = words.first else { return try StandardStreams.print(Help.overview) }
        guard let command = Command(rawValue: word) else { throw ToolFailure.usage("there is no command '\(word)'") }
        if words.count > 1 { throw ToolFailure.usage("'\(words[1])' is one word too many") }
        try StandardStreams.print(Help.text(of: command))
    }
}

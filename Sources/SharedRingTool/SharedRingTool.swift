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
            try run(CommandLineWords.all)
        } catch let failure as ToolFailure {
            if !failure.sentence.isEmpty { StandardStreams.note(failure.sentence) }
            exit(failure.status)
        } catch {
            StandardStreams.note("\(error)")
            exit(ToolFailure.error)
        }
    }

    private static func run(_ words: [FileName]) throws {
        guard let first = words.first?.repairedText else { throw ToolFailure.usage("a command is missing") }
        let rest = Array(words.dropFirst())
        switch first {
        case "help": try help(rest)
        case "--help", "-h": try StandardStreams.print(Help.overview)
        case "--version": try StandardStreams.print("sharedring \(version)\n")
        case _ where first.hasPrefix("-"):
            let suggestion = Suggestion.ending(for: first, among: ["--help", "--version"])
            throw ToolFailure.usage("there is no option '\(first)'\(suggestion)")
        default: try run(try Command.named(first), rest)
        }
    }

    private static func run(_ command: Command, _ words: [FileName]) throws {
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
            case .board: try BoardCommand(arguments).run()
            case .call: try CallCommand(arguments).run()
            case .serve: try ServeCommand(arguments).run()
            case .completions: try CompletionsCommand(arguments).run()
            }
        } catch {
            throw ToolFailure(error, of: arguments)
        }
    }

    private static func help(_ words: [FileName]) throws {
        guard let word = words.first?.repairedText, !["--help", "-h", "help"].contains(word) else {
            return try StandardStreams.print(Help.overview)
        }
        let command = try Command.named(word)
        if words.count > 1 { throw ToolFailure.usage("'\(words[1])' is one word too many") }
        try StandardStreams.print(Help.text(of: command))
    }
}

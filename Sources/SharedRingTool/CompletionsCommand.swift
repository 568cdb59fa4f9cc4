import SharedRing

/// `sharedring completions`: a script by which a shell completes commands, options and names of rings. Made of the table of commands,
/// so that it can't lag behind.
///
/// Names of rings are untrusted text: no script may expand them.
struct CompletionsCommand {
    private enum Shell: String, CaseIterable {
        case bash, zsh, fish
    }

    private let shell: Shell

    init(_ arguments: Arguments) throws {
        let name = arguments.name.repairedText
        guard let shell = Shell(rawValue: name) else {
            let suggestion = Suggestion.ending(for: name, among: Shell.allCases.map(\.rawValue))
            throw ToolFailure.usage("'\(name)' is no shell of bash, zsh and fish\(suggestion)", of: .completions)
        }
        self.shell = shell
    }

    func run() throws {
        switch shell {
        case .bash: try StandardStreams.print(Self.bash)
        case .zsh: try StandardStreams.print(Self.zsh)
        case .fish: try StandardStreams.print(Self.fish)
        }
    }

    // MARK: What the scripts have in common

    static let commands = words(Command.allCases.map(\.rawValue))
    static let actions = words(BoardCommand.Action.allCases.map(\.rawValue))

    static func words(_ words: [String]) -> String { words.joined(separator: " ") }

    /// The commands behind which names stand, by the kinds that they are for, as `list --kind` takes them; nil: any kind.
    ///
    /// The name of what is made is new, so none is offered for `create`.
    static let nameKinds: [(commands: [Command], kinds: String?, takesOne: Bool)] = [
        ([.send, .receive, .tap], "ring", true), ([.call, .serve], "call", true), ([.stat], "ring,call", false),
        ([.info, .check, .remove], nil, false),
    ]

    /// Every option that has a value, of whatever command: the same name means the same everywhere.
    static let optionsWithValue: [Command.Option] = Command.allCases.flatMap(\.options).reduce(into: []) { options, option in
        if option.value != nil, !option.isValueOptional, !options.contains(where: { $0.name == option.name }) { options.append(option) }
    }

    /// Shell cases that set `options`: of each command, and of each action with a board.
    static let optionsOfCommands = Command.allCases.map { command in
        "    \(command.rawValue)) options='\(words(command.options.map(\.name) + ["--help"]))' ;;"
    }.joined(separator: "\n")

    static let optionsOfActions = BoardCommand.Action.allCases.map { action in
        let options = Command.board.options.map(\.name).filter { action.takes($0) }
        return "    \(action.rawValue)) options='\(words(options + ["--help"]))' ;;"
    }.joined(separator: "\n")

    /// A shell case for each kind of value, with the body that completes it; without one nothing is offered.
    static func cases(_ body: (Command.Value) -> String) -> String {
        optionsWithValue.map { "    \($0.name)) \(body($0.value!)) ;;" }.joined(separator: "\n")
    }
}

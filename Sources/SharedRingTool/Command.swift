/// What the tool can do, and which options each of it takes. The parser, the completions and the suggestions go by this table.
enum Command: String, CaseIterable {
    case send, receive, create, remove, list, info, check, stat, tap, board, call, serve, completions

    /// What stands behind an option.
    enum Value: Equatable {
        case size, count, duration, text, mode, user, directory
        /// One of these.
        case word([String])
    }

    /// An option of a command line; one with a value is followed by it, after a blank or "=".
    struct Option {
        let name: String
        /// Nil: it takes none.
        let value: Value?
        /// Whether the value may be left out: the next word is one only if it begins with a digit.
        let isValueOptional: Bool

        static func flag(_ name: String) -> Option { Option(name: name, value: nil, isValueOptional: false) }
        static func value(_ name: String, _ value: Value) -> Option { Option(name: name, value: value, isValueOptional: false) }
        static func optionalValue(_ name: String, _ value: Value) -> Option { Option(name: name, value: value, isValueOptional: true) }
    }

    var options: [Option] {
        switch self {
        case .send: Self.transfer + [.flag("--drain"), .value("--patience", .duration)]
        case .receive:
            Self.transfer + [
                .value("--senders", .count), .value("--senders-ever", .count), .flag("--ends"),
                .value("--subscribe", .word(["reliable", "durable", "soft", "lossy"])), .value("--as", .text), .value("--from", .text),
            ]
        case .create:
            [
                .value("--capacity", .size), .value("--alignment", .size), .value("--mode", .mode), .value("--label", .text),
                .value("--barrier", .word(["automatic", "asymmetric", "symmetric"])), .value("--lanes", .count), Self.order,
                .flag("--broadcast"), .value("--subscribers", .count), Self.directory,
            ] + [.flag("--calls")] + Self.callShape
        case .remove:
            [.flag("--stale"), .flag("--damaged"), .flag("--force"), .flag("--dry-run"), .value("--subscriber", .text)] + Self.finding
        case .stat: [.optionalValue("--watch", .duration), .flag("--json"), .flag("--prometheus")] + Self.finding
        case .tap:
            [
                .flag("--text"), .flag("--hex"), .flag("--lines-json"), .flag("--from-head"), .flag("--from-tail"),
                .value("--count", .count), .value("--seconds", .duration),
            ] + Self.finding
        case .board:
            [
                .flag("--text"), .flag("--hex"), .flag("--json"), .flag("--raw"), .value("--tag", .count), .value("--if-version", .count),
                .value("--timeout", .duration), .value("--count", .count), .value("--seconds", .duration), .value("--room", .count),
                .value("--room-bytes", .size), .flag("--time"), .value("--mode", .mode), .value("--label", .text),
            ] + Self.finding
        case .call: [.flag("--stream"), .value("--timeout", .duration), .value("--retry", .text)] + Self.finding
        case .serve:
            [
                .flag("--stream"), .flag("--frames"), .value("--count", .count), .value("--timeout", .duration), .flag("--existing"),
                .flag("--exact"),
            ]
                + Self.callShape + Self.finding
        case .list: [.flag("--json"), .flag("--names"), .value("--kind", .word(ListCommand.kindWords))] + Self.finding
        case .info, .check: [.flag("--json")] + Self.finding
        case .completions: []
        }
    }

    /// What its words are that are no options.
    var operand: String {
        switch self {
        case .completions: "shell"
        case .board: "action: \(BoardCommand.Action.allCases.map(\.rawValue).joined(separator: ", "))"
        case .call: "service's name"
        case .serve: "service's name, or the command behind '--',"
        default: "ring's name"
        }
    }

    /// How many of them it takes.
    func operandCount(_ has: (String) -> Bool) -> ClosedRange<Int> {
        switch self {
        case .list: 0...0
        case .remove where has("--stale") || has("--damaged"): 0...Int.max
        case .stat, .remove, .info, .check, .board: 1...Int.max
        case .serve: 2...Int.max
        case .send, .receive, .create, .tap, .call, .completions: 1...1
        }
    }

    /// Behind the tool's name, in an overview.
    var synopsis: String {
        switch self {
        case .remove: "remove NAME...|--stale|--damaged"
        case .list: "list [options]"
        case .board: "board ACTION NAME [KEY...] [options]"
        case .serve: "serve NAME [options] -- COMMAND..."
        case .info, .check, .stat: "\(rawValue) NAME... [options]"
        case .completions: "completions SHELL"
        case .send, .receive, .create, .tap, .call: "\(rawValue) NAME [options]"
        }
    }

    var summary: String {
        switch self {
        case .send: "send standard input"
        case .receive: "write what comes to standard output"
        case .create: "make an empty ring that stays"
        case .remove: "remove rings that no process uses"
        case .list: "the rings that are there"
        case .info: "what a ring looks like, and which processes use it"
        case .check: "whether the next process can use a ring"
        case .stat: "what goes through rings, in rates"
        case .tap: "show the messages that pass, and take none"
        case .call: "call a service: standard input is the request"
        case .serve: "answer calls with what a command writes"
        case .board: "latest values: create, add, set, get, watch, list, remove"
        case .completions: "completions for bash, zsh or fish"
        }
    }

    static func named(_ word: String) throws -> Command {
        if let command = Command(rawValue: word) { return command }
        let suggestion = Suggestion.ending(for: word, among: allCases.map(\.rawValue) + ["help"])
        throw ToolFailure.usage("there is no command '\(word)'\(suggestion)")
    }

    private static let order = Option.value("--order", .word(["per-producer", "total"]))
    private static let directory = Option.value("--dir", .directory)
    private static let callShape: [Option] = [
        .value("--clients", .count), .value("--servers", .count), .value("--request", .size), .value("--reply", .size),
        .value("--streams", .size),
    ]
    private static let finding: [Option] = [.value("--owner", .user), directory]
    private static let transfer: [Option] =
        [
            .flag("--lines"), .flag("--frames"), .value("--bytes", .size), .value("--capacity", .size),
            .value("--wait", .word(["spin", "adaptive", "sleep"])), .value("--timeout", .duration), .flag("--keep"), .flag("--existing"),
            .flag("--exact"),
            .value("--lanes", .count), order,
        ] + finding
}

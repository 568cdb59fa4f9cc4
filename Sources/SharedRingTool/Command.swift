/// What the tool can do, and which options each of it takes.
enum Command: String {
    case send, receive, create, remove, list, info, check, stat, tap

    /// An option of a command line; one with a value is followed by it, after a blank or "=".
    struct Option {
        let name: String
        let hasValue: Bool
        /// Whether it may be left out: the next word is one only if it begins with a digit.
        let isValueOptional: Bool

        static func flag(_ name: String) -> Option { Option(name: name, hasValue: false, isValueOptional: false) }
        static func value(_ name: String) -> Option { Option(name: name, hasValue: true, isValueOptional: false) }
        static func optionalValue(_ name: String) -> Option { Option(name: name, hasValue: true, isValueOptional: true) }
    }

    var options: [Option] {
        switch self {
        case .send: Self.transfer + [.flag("--drain")]
        case .receive: Self.transfer + [.value("--senders"), .value("--senders-ever"), .flag("--ends")]
        case .create:
            [
                .value("--capacity"), .value("--alignment"), .value("--mode"), .value("--label"), .value("--barrier"), .value("--lanes"),
                .value("--order"), .value("--dir"),
            ]
        case .remove: [.flag("--stale"), .flag("--force"), .flag("--dry-run"), .value("--owner"), .value("--dir")]
        case .stat: [.optionalValue("--watch"), .flag("--json"), .flag("--prometheus"), .value("--owner"), .value("--dir")]
        case .tap:
            [
                .flag("--text"), .flag("--hex"), .flag("--lines-json"), .flag("--from-head"), .flag("--from-tail"), .value("--count"),
                .value("--seconds"), .value("--owner"), .value("--dir"),
            ]
        case .list, .info, .check: [.flag("--json"), .value("--owner"), .value("--dir")]
        }
    }

    /// How many rings it is about.
    func nameCount(_ has: (String) -> Bool) -> ClosedRange<Int> {
        switch self {
        case .list: 0...0
        case .remove where has("--stale"): 0...Int.max
        case .stat: 1...Int.max
        default: 1...1
        }
    }

    private static let transfer: [Option] = [
        .flag("--lines"), .flag("--frames"), .value("--bytes"), .value("--capacity"), .value("--wait"), .value("--timeout"),
        .flag("--keep"), .value("--lanes"), .value("--order"), .value("--owner"), .value("--dir"),
    ]
}

extension BoardCommand {
    /// What can be done with a board.
    enum Action: String, CaseIterable {
        case create, add, set, get, watch, list, remove

        /// How many words follow the board's name.
        var words: ClosedRange<Int> {
            switch self {
            case .create, .get, .watch: 0...Int.max
            case .add: 1...Int.max
            case .set: 1...2
            case .list, .remove: 0...0
            }
        }

        /// Whether it takes this option.
        func takes(_ option: String) -> Bool { ["--owner", "--dir"].contains(option) || options.contains(option) }

        /// Which options it takes, beside those that say where boards are and whose.
        private var options: [String] {
            switch self {
            case .create: ["--room", "--room-bytes", "--time", "--mode", "--label"]
            case .add: ["--timeout"]
            case .set: ["--hex", "--tag", "--if-version", "--timeout"]
            case .get: ["--text", "--hex", "--json", "--raw"]
            case .watch: ["--text", "--hex", "--json", "--raw", "--count", "--seconds"]
            case .list: ["--json"]
            case .remove: []
            }
        }
    }
}

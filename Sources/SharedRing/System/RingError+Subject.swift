extension RingError {
    /// What an error is about.
    @nonexhaustive
    public enum Subject: Sendable, Hashable, CustomStringConvertible {
        /// A ring, by its name, or what it was opened by.
        case ring(String)
        /// A ``Board``, by its name, or what it was opened by.
        case board(String)
        /// A ``CallService``, by its name, or what it was opened by.
        case callService(String)
        /// A directory in which rings are looked for, by its path.
        case directory(String)
        /// A link or its listener, by its socket's path.
        case link(String)
        /// A descriptor that should lead to a ring, a board or a call service, by its number. The detail says which.
        case descriptor(Int32)

        /// The name, the path or the number, as people are shown it: see ``FileName/description``.
        public var name: String {
            switch self {
            case .ring(let name), .board(let name), .callService(let name), .directory(let name), .link(let name): name.printable
            case .descriptor(let number): "\(number)"
            }
        }

        /// "ring 'prices'", "board 'settings'", "call service 'store'", "directory '/dev/shm'", "link '/run/quotes.socket'", "descriptor 5".
        public var description: String {
            switch self {
            case .ring: "ring '\(name)'"
            case .board: "board '\(name)'"
            case .callService: "call service '\(name)'"
            case .directory: "directory '\(name)'"
            case .link: "link '\(name)'"
            case .descriptor: "descriptor \(name)"
            }
        }
    }
}

import Glibc
import SharedRing

/// `sharedring board`: boards from the command line. The first operand says what to do.
struct BoardCommand {
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
    }

    private let arguments: Arguments
    private let action: Action
    private let name: FileName
    private let words: [FileName]
    private let options: RingOptions
    private let format: BoardFormat

    init(_ arguments: Arguments) throws {
        self.arguments = arguments
        let word = arguments.name.repairedText
        guard let action = Action(rawValue: word) else {
            let suggestion = Suggestion.ending(for: word, among: Action.allCases.map(\.rawValue))
            throw ToolFailure.usage("'\(word)' is nothing that can be done with a board\(suggestion)", of: .board)
        }
        self.action = action
        guard arguments.names.count > 1 else { throw ToolFailure.usage("the board's name is missing", of: .board) }
        name = arguments.names[1]
        words = Array(arguments.names.dropFirst(2))
        if words.count < action.words.lowerBound { throw ToolFailure.usage("the entry's key is missing", of: .board) }
        if words.count > action.words.upperBound {
            throw ToolFailure.usage("'\(words[action.words.upperBound])' is one word too many", of: .board)
        }
        options = try arguments.findingOptions()
        let formats = ["--text", "--hex", "--json", "--raw"].filter(arguments.has)
        if formats.count > 1 { throw ToolFailure.usage("'\(formats[0])' and '\(formats[1])' exclude each other", of: .board) }
        format = BoardFormat(rawValue: formats.first ?? "--text")!
    }

    func run() throws {
        switch action {
        case .create: try create()
        case .add:
            let board = try Board.open(named: name, options: options)
            for entry in try entries() { try board.addEntry(entry.key, capacity: entry.capacity, timeout: timeout()) }
        case .set: try set()
        case .get: try get()
        case .watch: try watch()
        case .list: try list()
        case .remove: try Board.remove(named: name, options: options)
        }
    }

    // MARK: Making

    private func create() throws {
        var options = options
        let mode = try arguments.value("--mode", "file mode in octal, like 0644") { word -> UInt32? in
            UInt32(word, radix: 8).flatMap { $0 <= 0o777 ? $0 : nil }
        }
        if let mode { options.permissions = mode }
        if let label = arguments.text("--label") { options.label = label }
        let entries = try entries()
        let room = Board.Room(
            entries: try arguments.count("--room", upTo: 4096) ?? 0, byteCount: try arguments.size("--room-bytes", upTo: 1 << 38) ?? 0)
        _ = try Board.create(named: name, entries: entries, room: room, keepsTime: arguments.has("--time"), options: options)
    }

    /// "KEY=CAPACITY", or "KEY" with the default capacity.
    private func entries() throws -> [Board.Entry] {
        try words.map { word in
            let text = try key(word)
            guard let mark = text.lastIndex(of: "=") else { return Board.Entry(text, capacity: 256) }
            let size = String(text[text.index(after: mark)...])
            guard let capacity = SizeNotation.bytes(size), capacity > 0 else {
                throw ToolFailure.usage("'\(size)' in '\(word)' is no size, like 64 or 4K", of: .board)
            }
            return Board.Entry(String(text[..<mark]), capacity: capacity)
        }
    }

    private func key(_ word: FileName) throws -> String {
        guard let text = word.text else { throw ToolFailure.usage("'\(word)' is no key: it is not UTF-8", of: .board) }
        return text
    }

    private func timeout() throws -> Duration? {
        try arguments.value("--timeout", "duration, like 500ms, 2s or 1m", DurationNotation.duration) ?? .seconds(10)
    }

    // MARK: Setting

    private func set() throws {
        let board = try Board.open(named: name, options: options)
        let key = try key(words[0])
        let bytes = try value()
        let tag = try arguments.value("--tag", "number from 0 to 4294967295", UInt32.init) ?? 0
        let version = try arguments.value("--if-version", "version, a number", UInt64.init)
        guard try board.set(key, to: bytes, tag: tag, ifVersion: version, timeout: try timeout()) != nil else {
            throw ToolFailure("entry '\(FileName(key))' of board '\(name)' has another version than \(version!), and was left as it is")
        }
    }

    /// Of the command line, or standard input to its end; with `--hex`, hexadecimal digits.
    private func value() throws -> [UInt8] {
        var bytes: [UInt8] = words.count > 1 ? words[1].bytes : try StandardStreams.rest(upTo: 1 << 30)
        guard format == .hex else { return bytes }
        bytes.removeAll { [9, 10, 13, 32].contains($0) }
        let digits = bytes.map { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count % 2 == 0, !digits.contains(nil) else {
            throw ToolFailure("the value is not made of pairs of hexadecimal digits")
        }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0]! << 4 | digits[$0 + 1]!) }
    }

    // MARK: Reading

    private func keys() throws -> [String]? { words.isEmpty ? nil : try words.map(key) }

    private func get() throws {
        var view = try Board.open(named: name, options: options).makeView(of: try keys())
        let keys = view.keys
        let values = try view.snapshot()
        let isOne = words.count == 1
        for key in keys {
            guard let value = values[key] else {
                if isOne { throw ToolFailure("entry '\(FileName(key))' of board '\(name)' has no value yet") }
                continue
            }
            try format.write(value, of: key, withKey: !isOne)
        }
    }

    private func watch() throws {
        let count = try arguments.count("--count")
        let limit = try arguments.value("--seconds", "duration, like 500ms, 2s or 1m", DurationNotation.duration)
        let begin = ContinuousClock.now
        var view = try Board.open(named: name, options: options).makeView(of: try keys())
        Signals.endInOrder(on: [SIGINT])
        var shown = 0
        while shown < count ?? .max, !Signals.isEndAskedFor {
            let left = limit.map { $0 - begin.duration(to: .now) }
            if let left, left <= .zero { return }
            let changes: [BoardView.Change]
            do throws(RingError) {
                // In short waits: a signal ends none of them.
                changes = try view.nextChanges(timeout: min(left ?? .milliseconds(200), .milliseconds(200)))
            } catch {
                switch error.code {
                case .timedOut: continue
                case .notFound: return  // it was removed
                default: throw error
                }
            }
            for change in changes where shown < count ?? .max {
                guard let value = try view.get(change.key) else { continue }
                try format.write(value, of: change.key, withKey: true)
                shown += 1
            }
            // What changes faster than anybody reads is shown ten times a second.
            if isatty(STDOUT_FILENO) == 1 { Clock.sleep(.milliseconds(100)) }
        }
    }

    private func list() throws {
        let report = try RingReport(named: name, options: options)
        guard report.kind == .board else { throw ToolFailure("'\(name)' is no board but a ring of kind \(report.kind.rawValue)") }
        switch format {
        case .json: try StandardStreams.print("\(report.json)\n")
        default: try StandardStreams.print(report.entries.map { "\($0.text)\n" }.joined())
        }
    }
}

/// How a board's values are written.
enum BoardFormat: String {
    case text = "--text"
    case hex = "--hex"
    case json = "--json"
    case raw = "--raw"

    func write(_ value: BoardValue, of key: String, withKey: Bool) throws {
        let name = withKey ? "\(FileName(key))\t" : ""
        switch self {
        case .text: try StandardStreams.print("\(name)\(String(escaping: value.bytes))\n")
        case .hex: try StandardStreams.print("\(name)\(value.bytes.map(Self.digits).joined())\n")
        case .raw: try value.bytes.withUnsafeBytes { try StandardStreams.write($0) }
        case .json:
            let members: [(String, JSON)] = [
                ("key", .string(key)), ("version", .position(value.version)), ("tag", .integer(Int(value.tag))),
                ("written_at", value.stamp.writtenNanoseconds.map { .string(Timestamp($0).iso) } ?? .null),
                ("bytes", .hexadecimal(value.bytes)), ("text", .string(value.text)),
            ]
            try StandardStreams.print("\(JSON.members(members))\n")
        }
    }

    private static func digits(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}

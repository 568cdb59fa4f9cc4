import Glibc
import SharedRing

/// `sharedring board`: boards from the command line. The first operand says what to do.
struct BoardCommand {
    private let arguments: Arguments
    private let action: Action
    private let name: FileName
    private let words: [FileName]
    private let options: RingOptions
    private let format: BoardFormat
    private let entries: [Board.Entry]
    private let room: Board.Room
    private let tag: UInt32
    private let version: UInt64?
    private let timeout: Duration
    private let count: Int?
    private let limit: Duration?

    /// Every word is judged here: before a board is opened, and before standard input is read.
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
        if let option = arguments.options.first(where: { !action.takes($0) }) {
            throw ToolFailure.usage("'\(option)' is not for 'board \(action.rawValue)'", of: .board)
        }
        var options = try arguments.findingOptions()
        let mode = try arguments.value("--mode", "file mode in octal, like 0644") { word -> UInt32? in
            UInt32(word, radix: 8).flatMap { $0 <= 0o777 ? $0 : nil }
        }
        if let mode { options.permissions = mode }
        if let label = try arguments.value("--label", "text", { $0 }) { options.label = label }
        self.options = options
        let formats = ["--text", "--hex", "--json", "--raw"].filter(arguments.has)
        if formats.count > 1 { throw ToolFailure.usage("'\(formats[0])' and '\(formats[1])' exclude each other", of: .board) }
        format = BoardFormat(rawValue: formats.first ?? "--text")!
        room = Board.Room(
            entries: try arguments.count("--room", upTo: 4096) ?? 0, byteCount: try arguments.size("--room-bytes", upTo: 1 << 38) ?? 0)
        tag = try arguments.value("--tag", "number from 0 to 4294967295", UInt32.init) ?? 0
        version = try arguments.value("--if-version", "version, a number", UInt64.init)
        timeout = try arguments.value("--timeout", "duration, like 500ms, 2s or 1m", DurationNotation.duration) ?? .seconds(10)
        count = try arguments.count("--count")
        limit = try arguments.value("--seconds", "duration, like 500ms, 2s or 1m", DurationNotation.duration)
        entries =
            switch action {
            case .create, .add: try words.map(Self.entry)
            case .set, .get, .watch, .list, .remove: []
            }
    }

    func run() throws {
        switch action {
        case .create:
            _ = try Board.create(named: name, entries: entries, room: room, keepsTime: arguments.has("--time"), options: options)
        case .add:
            let board = try Board.open(named: name, options: options)
            for entry in entries { try board.addEntry(entry.key, capacity: entry.capacity, timeout: timeout) }
        case .set: try set()
        case .get: try get()
        case .watch: try watch()
        case .list: try list()
        case .remove: try Board.remove(named: name, options: options)
        }
    }

    // MARK: Words

    /// "KEY=CAPACITY", or "KEY" with the default capacity.
    private static func entry(_ word: FileName) throws -> Board.Entry {
        let text = try key(word)
        guard let mark = text.lastIndex(of: "=") else { return Board.Entry(text, capacity: 256) }
        let size = String(text[text.index(after: mark)...])
        guard let capacity = SizeNotation.bytes(size), capacity > 0 else {
            throw ToolFailure.usage("'\(size)' in '\(word)' is no size, like 64 or 4K", of: .board)
        }
        return Board.Entry(String(text[..<mark]), capacity: capacity)
    }

    private static func key(_ word: FileName) throws -> String {
        guard let text = word.text else { throw ToolFailure.usage("'\(word)' is no key: it is not UTF-8", of: .board) }
        return text
    }

    // MARK: Setting

    private func set() throws {
        let key = try Self.key(words[0])
        let board = try Board.open(named: name, options: options)
        let bytes = try words.count > 1 ? value(words[1].bytes) : input(for: key, of: board)
        guard try board.set(key, to: bytes, tag: tag, ifVersion: version, timeout: timeout) != nil else {
            throw ToolFailure("entry '\(FileName(key))' of board '\(name)' has another version than \(version!), and was left as it is")
        }
    }

    /// Standard input to its end: no more than the entry takes is kept.
    private func input(for key: String, of board: Board) throws -> [UInt8] {
        let capacity = try board.makeReader(key).capacity
        let complaint =
            "standard input has more than the \(counted(capacity, "byte")) that entry '\(FileName(key))' of board '\(name)' takes"
        guard format == .hex else { return try StandardStreams.rest(upTo: capacity, or: complaint) }
        let most = capacity.multipliedReportingOverflow(by: 2)
        return try value(
            StandardStreams.rest(upTo: most.overflow ? .max : most.partialValue, where: { !Self.isBlank($0) }, or: complaint))
    }

    /// What the bytes stand for: with `--hex` they are hexadecimal digits.
    private func value(_ bytes: [UInt8]) throws -> [UInt8] {
        guard format == .hex else { return bytes }
        let digits = bytes.filter { !Self.isBlank($0) }.map { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count % 2 == 0, !digits.contains(nil) else {
            throw ToolFailure("the value is not made of pairs of hexadecimal digits")
        }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0]! << 4 | digits[$0 + 1]!) }
    }

    /// Whether the byte is a tab, the end of a line or a blank.
    private static func isBlank(_ byte: UInt8) -> Bool { [9, 10, 13, 32].contains(byte) }

    // MARK: Reading

    private func keys() throws -> [String]? { words.isEmpty ? nil : try words.map(Self.key) }

    private func get() throws {
        let keys = try keys()
        var view = try Board.open(named: name, options: options).makeView(of: keys)
        let values = try view.snapshot()
        let isOne = words.count == 1
        if isOne, values.isEmpty { throw ToolFailure("entry '\(words[0])' of board '\(name)' has no value yet") }
        for (key, value) in values { try format.write(value, of: key, withKey: !isOne) }
    }

    private func watch() throws {
        let keys = try keys()
        let begin = ContinuousClock.now
        var view = try Board.open(named: name, options: options).makeView(of: keys)
        Signals.endInOrder(on: [SIGINT])
        var table = format.isOneLine && isatty(STDOUT_FILENO) == 1 ? BoardTable(name) : nil
        try table?.show(view.keys, in: format)
        var shown = 0
        while shown < count ?? .max, !Signals.isEndAskedFor {
            let left = limit.map { $0 - begin.duration(to: .now) }
            // When the time is over: what is there then.
            let isLast = left.map { $0 <= .zero } ?? false
            let changes: BoardValues
            do throws(RingError) {
                // In short waits: a signal ends none of them.
                changes = try view.next(timeout: isLast ? .zero : min(left ?? .milliseconds(200), .milliseconds(200)))
            } catch {
                switch error.code {
                // What was written too fast to be read is no less new the next time.
                case .timedOut, .writerTooFast:
                    if isLast { return }
                    continue
                case .notFound: return  // it was removed, and its last values were shown
                default: throw error
                }
            }
            for (key, value) in changes.prefix((count ?? .max) - shown) {
                if table == nil { try format.write(value, of: key, withKey: true) } else { table?.note(value, of: key) }
                shown += 1
            }
            try table?.show(view.keys, in: format)
            if isLast { return }
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

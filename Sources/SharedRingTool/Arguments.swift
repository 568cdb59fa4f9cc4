import Glibc
import SharedRing

/// The words after a command: options in any order, and the ring's name.
struct Arguments {
    let command: Command
    let wantsHelp: Bool
    /// The rings, each once.
    let names: [FileName]
    /// The first of them; empty if the command takes none.
    var name: FileName { names.first ?? FileName("") }
    private let values: [String: FileName]

    init(_ words: [FileName], of command: Command) throws {
        var values: [String: FileName] = [:]
        var names: [FileName] = []
        var onlyNames = false
        var wantsHelp = false
        var rest = words[...]
        while let bytes = rest.popFirst() {
            let word = bytes.repairedText
            if onlyNames || !word.hasPrefix("-") || word == "-" {
                names.append(bytes)
                continue
            }
            if word == "--" {
                onlyNames = true
                continue
            }
            if word == "--help" || word == "-h" {
                wantsHelp = true
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let option = command.options.first(where: { $0.name == parts[0] }) else {
                let suggestion = Suggestion.ending(for: String(parts[0]), among: command.options.map(\.name))
                throw ToolFailure.usage("there is no option '\(parts[0])' of '\(command.rawValue)'\(suggestion)", of: command)
            }
            if option.value == nil {
                if parts.count > 1 { throw ToolFailure.usage("the option '\(option.name)' takes no value", of: command) }
                values[option.name] = FileName("")
            } else if parts.count > 1 {
                values[option.name] = FileName(bytes: bytes.bytes.drop { $0 != UInt8(ascii: "=") }.dropFirst())
            } else if option.isValueOptional {
                values[option.name] = rest.first?.text?.first?.isNumber == true ? rest.removeFirst() : FileName("")
            } else if let value = rest.popFirst() {
                values[option.name] = value
            } else {
                throw ToolFailure.usage("the option '\(option.name)' needs a value", of: command)
            }
        }
        self.command = command
        self.values = values
        self.wantsHelp = wantsHelp
        // The words of a board and of a command are no rings: one may be there twice.
        self.names =
            command == .board || command == .serve
            ? names : names.reduce(into: []) { names, name in if !names.contains(name) { names.append(name) } }
        if wantsHelp { return }
        let expected = command.operandCount { values[$0] != nil }
        if names.count < expected.lowerBound { throw ToolFailure.usage("the \(command.operand) is missing", of: command) }
        if names.count > expected.upperBound {
            throw ToolFailure.usage("'\(names[expected.upperBound])' is one word too many", of: command)
        }
    }

    // MARK: Values

    func has(_ option: String) -> Bool { values[option] != nil }

    /// The options that are there, in the order of the command's table.
    var options: [String] { command.options.map(\.name).filter(has) }

    func text(_ option: String) -> String? { values[option]?.repairedText }

    /// A value that `parse` makes of the option's word; nil if the option is not there.
    func value<Value>(_ option: String, _ what: String, _ parse: (String) -> Value?) throws -> Value? {
        guard let bytes = values[option] else { return nil }
        // Repaired, it could be another's name.
        guard let word = bytes.text else { throw ToolFailure.usage("'\(bytes)' after '\(option)' is not UTF-8", of: command) }
        guard let value = parse(word) else {
            throw ToolFailure.usage("'\(word)' after '\(option)' is no \(what)", of: command)
        }
        return value
    }

    func size(_ option: String, upTo most: Int = .max) throws -> Int? {
        let limit = most == .max ? "" : ", and at most \(SizeNotation.text(most))"
        return try value(option, "size, like 4096, 64K or 1MiB, above 0\(limit)") { word in
            SizeNotation.bytes(word).flatMap { (1...most).contains($0) ? $0 : nil }
        }
    }

    /// Of one lane. The library refuses a larger one when it makes a ring; here it is refused also if no ring is made.
    func capacity() throws -> Int? { try size("--capacity", upTo: 1 << 40) }

    func count(_ option: String, upTo most: Int = .max) throws -> Int? {
        try value(option, most == .max ? "number above 0" : "number from 1 to \(most)") { word in
            Int(word).flatMap { (1...most).contains($0) ? $0 : nil }
        }
    }

    // MARK: What several commands share

    /// Where the ring lives.
    func directory() throws -> FileName {
        if let given = values["--dir"] {
            if given.bytes.isEmpty { throw ToolFailure.usage("'' after '--dir' is no directory", of: command) }
            return given
        }
        if let variable = getenv("SHAREDRING_DIR"), variable.pointee != 0 {
            return FileName(bytes: UnsafeBufferPointer(start: variable, count: strlen(variable)).map(UInt8.init(bitPattern:)))
        }
        return RingOptions().directoryName
    }

    /// Which rings are found: where, and whose.
    func findingOptions() throws -> RingOptions {
        var options = RingOptions()
        options.directoryName = try directory()
        if let owners = try value("--owner", "user, user id or 'anyone'", RingOptions.Owners.init(word:)) { options.allowedOwners = owners }
        return options
    }
}

extension RingOptions.Owners {
    /// "anyone", or a user.
    fileprivate init?(word: String) {
        if word == "anyone" {
            self = .anyone
        } else if let number = UInt32(word) {
            self = .users([number])
        } else if let entry = getpwnam(word) {
            self = .users([entry.pointee.pw_uid])
        } else {
            return nil
        }
    }
}

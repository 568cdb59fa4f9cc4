import Glibc
import SharedRing

/// Why the tool ends with another status than 0.
struct ToolFailure: Error {
    /// Something went wrong.
    static let error: Int32 = 1
    /// The command line makes no sense.
    static let usage: Int32 = 2
    /// The stream was cut off: the sender ended without closing it.
    static let cutOff: Int32 = 3
    /// The other side made no progress within `--timeout`.
    static let timeout: Int32 = 4

    let status: Int32
    /// For standard error, without the "sharedring: " before it; empty: everything was said.
    let sentence: String

    /// The output has no reader any more, as after `sharedring list | head -1`: for a tool that is no error.
    static let outputClosed = ToolFailure("", status: 0)
    var isOutputClosed: Bool { sentence.isEmpty && status == 0 }

    /// A signal asked a command for an end that only shows something: no error, though the output took no more.
    static let endedInOrder = ToolFailure("", status: 0)

    /// A signal asked for an end, and it came in order.
    static func ended(by signal: Int32) -> ToolFailure { ToolFailure("", status: 128 + signal) }

    init(_ sentence: String, status: Int32 = ToolFailure.error) {
        self.sentence = sentence
        self.status = status
    }

    /// `complaint` names the wrong word.
    static func usage(_ complaint: String, of command: Command? = nil) -> ToolFailure {
        let help = command.map { "sharedring \($0.rawValue) --help" } ?? "sharedring --help"
        return ToolFailure("\(complaint); see '\(help)'", status: usage)
    }
}

extension RingError {
    /// The description without the subject.
    var reason: String { detail + (errno.map { " (\(String(cString: strerror($0))))" } ?? "") }
}

// MARK: What to do about it

extension ToolFailure {
    /// Any error of a command, with what the user can do about it.
    init(_ error: any Error, of arguments: Arguments) {
        switch error {
        case let failure as ToolFailure: self = failure
        case let error as RingError: self.init(error, of: arguments)
        default: self.init("\(error)")
        }
    }

    private init(_ error: RingError, of arguments: Arguments) {
        switch error.code {
        case .invalidName, .invalidOption:
            // The library found a word of the command line wrong.
            self = .usage("\(error)", of: arguments.command)
        case .timedOut: self.init("\(error)", status: Self.timeout)
        default: self.init("\(error)\(Self.advice(on: error, arguments))")
        }
    }

    /// Begins with "; ", or is empty.
    private static func advice(on error: RingError, _ arguments: Arguments) -> String {
        guard let options = try? arguments.findingOptions() else { return "" }
        switch error.code {
        case .notFound:
            return Suggestion.ending(
                for: error.subject.name, among: ((try? RingReport.fileNames(options: options)) ?? []).map(\.description))
        case .wrongOwner where error.errno == nil && arguments.command != .create:
            // With an errno it is the file's mode that is in the way, and no option helps.
            return
                "; '--owner \(arguments.names.lazy.compactMap { owner(of: $0, as: error.subject.name, options) }.first ?? "USER")' takes it"
        default: return ""
        }
    }

    /// A name, or an id that has none. Nil if it is another ring that the error is about.
    private static func owner(of name: FileName, as ring: String, _ options: RingOptions) -> String? {
        guard name.description == ring else { return nil }
        var facts = stat()
        let path = options.directoryName.bytes + [UInt8(ascii: "/")] + name.bytes + [0]
        guard path.withUnsafeBytes({ lstat($0.bindMemory(to: CChar.self).baseAddress!, &facts) }) == 0 else { return nil }
        return getpwuid(facts.st_uid).map { String(cString: $0.pointee.pw_name) } ?? "\(facts.st_uid)"
    }
}

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

    let status: Int32
    /// For standard error, without the "sharedring: " before it.
    let sentence: String

    init(_ sentence: String, status: Int32 = ToolFailure.error) {
        self.sentence = sentence
        self.status = status
    }

    /// For an error whose sentence must not begin with a ring.
    init(aboutNoRing error: RingError) { self.init(error.reason) }

    /// `complaint` names the wrong word.
    static func usage(_ complaint: String, of command: Command? = nil) -> ToolFailure {
        let help = command.map { "sharedring \($0.rawValue) --help" } ?? "sharedring --help"
        return ToolFailure("\(complaint); see '\(help)'", status: usage)
    }
}

extension RingError {
    /// The description without the ring.
    var reason: String { detail + (errno.map { " (\(String(cString: strerror($0))))" } ?? "") }
}

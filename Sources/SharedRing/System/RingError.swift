import CSharedRing

/// What went wrong, with the facts: about what, which system error, what was expected and what was found.
///
/// A full or an empty ring is a result, not an error. ``description`` is one sentence for people; a program decides by
/// ``code``. The value is one reference wide, so that a function that may throw it costs its caller nothing.
public struct RingError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure. More may come in later versions.
    @nonexhaustive
    public enum Code: Sendable, Hashable {
        // Finding, making and removing a ring
        /// The name has a slash or a NUL, is empty, too long, `.` or `..`.
        case invalidName
        /// An option that no ring can have: a capacity too large, an alignment that is not a power of two, …
        case invalidOption
        /// There is no ring of that name.
        case notFound
        /// `create` found the name taken.
        case alreadyExists
        /// There is something of that name, but it is not a ring: a directory, a symbolic link, another program's file.
        case notARing
        /// It is a ring whose header contradicts itself, its file or this machine. See ``DamagedRing``.
        case damaged
        /// ``DamagedRing/remove(_:dryRun:options:)`` found a sound ring, or one that is being made.
        case notDamaged
        /// A broadcast has no subscriber of that name.
        case subscriberNotFound
        /// It was made by an incompatible version, or needs a feature that this process or its kernel does not have.
        case incompatible
        /// It belongs to a user that was not allowed.
        case wrongOwner
        /// The file system has no room for the whole ring, so none was made.
        case outOfSpace
        /// The ring is there with another capacity, lane count, order or alignment than ``RingOptions/exactTraits`` asks for.
        case differentShape
        /// `remove` found a process attached.
        case inUse
        /// The name stands for another ring than the one that was opened.
        case replaced
        /// A descriptor does not forbid truncation of its memory by seals.
        case notSealed
        /// The machine was restarted since the ring was used, and it had not been flushed.
        case notFlushed

        // Attaching
        /// Another endpoint has the role.
        case roleTaken

        // A board's entries
        /// The ``Board`` has no entry of that key.
        case entryNotFound
        /// The ``Board`` has no room for a further entry.
        case boardFull
        /// An entry of a ``Board`` was written anew each time that it was read, as often as is tried.
        case writerTooFast

        // Calls
        /// A call came to no reply: see ``CallError/outcome``.
        case callFailed
        /// The client wants no more of a stream: it stopped it, gave the call up, or ended. See ``CallStreamWriter``.
        case streamStopped
        /// The client made an ordinary call, which has no stream, or the service was made without.
        case noStream

        // Sending and receiving
        /// The message is larger than the ring's `largestMessage`, or the value larger than its entry of a ``Board``.
        case messageTooLarge
        /// The message does not fit the caller's buffer, or has not the size of the asked-for type. It stays in the ring.
        case sizeMismatch
        /// The deadline passed.
        case timedOut
        /// A ``Canceller`` was used, or the waiting task was cancelled.
        case cancelled
        /// Another task, or an event source, waits on this endpoint: nothing else can be done with it meanwhile.
        case alreadyWaiting
        /// The process at the other end of a link's socket does not follow the handshake, or not in time.
        case handshakeFailed
        /// The other side went away without closing: it was killed, or dropped its endpoint.
        case peerDied
        /// The other side closed: a sender would wait for a consumer that has gone.
        case peerClosed
        /// The other side wrote something that cannot be: nothing was read or written because of it, and this endpoint
        /// refuses further work.
        case poisoned
        /// The process was forked since this endpoint was made; the endpoint belongs to the parent.
        case forked
        /// The endpoint was ended, by its `end`: nothing can be done with it any more.
        case ended

        /// The system refused; see ``RingError/errno``.
        case system
    }

    private final class Facts: Sendable {
        let code: Code
        let errno: Int32?
        let subject: Subject
        let detail: String
        let remedy: String?

        init(code: Code, errno: Int32?, subject: Subject, detail: String, remedy: String?) {
            self.code = code
            self.errno = errno
            self.subject = subject
            self.detail = detail
            self.remedy = remedy
        }
    }

    private let facts: Facts

    /// What a program decides by.
    public var code: Code { facts.code }
    /// The system's error number, where there was one.
    public var errno: Int32? { facts.errno }
    /// What it is about: a ring, a directory, a link, a descriptor.
    public var subject: Subject { facts.subject }
    /// What was expected and what was found, for people. Control characters in names and labels are escaped.
    public var detail: String { facts.detail.printable }
    /// What can be done about it, for people, where that is not plain; nil otherwise.
    public var remedy: String? {
        if let remedy = facts.remedy { return remedy }
        return switch code {
        case .damaged: "when no process uses it any more, 'sharedring remove --damaged', or DamagedRing.remove, takes it away"
        case .poisoned: "'sharedring check' says what is wrong with it; once its other users have ended it can be removed"
        default: nil
        }
    }

    /// One sentence: what it is about, what happened, the system's error if there was one, and the remedy if there is one.
    public var description: String {
        var sentence = "\(subject): \(detail)"
        if let errno { sentence += " (\(Self.text(of: errno)))" }
        if let remedy { sentence += "; \(remedy)" }
        return sentence
    }

    /// `remedy`: where the code alone does not say what can be done.
    init(_ code: Code, about subject: Subject, errno: Int32? = nil, _ detail: String, remedy: String? = nil) {
        facts = Facts(code: code, errno: errno, subject: subject, detail: detail, remedy: remedy)
    }

    init(_ code: Code, ring: String, errno: Int32? = nil, _ detail: String, remedy: String? = nil) {
        self.init(code, about: .ring(ring), errno: errno, detail, remedy: remedy)
    }

    init(_ code: Code, link path: FileName, errno: Int32? = nil, _ detail: String) {
        self.init(code, about: .link(path.description), errno: errno, detail)
    }

    init(_ code: Code, directory: FileName, errno: Int32? = nil, _ detail: String) {
        self.init(code, about: .directory(directory.description), errno: errno, detail)
    }

    /// The same, said of something else.
    func about(_ subject: Subject) -> RingError {
        RingError(code, about: subject, errno: errno, facts.detail, remedy: facts.remedy)
    }

    private static func text(of errno: Int32) -> String {
        // SAFETY: strerrordesc_np returns a constant string or NULL; unlike strerror it shares no buffer between threads.
        guard let text = unsafe sr_error_text(errno) else { return "errno \(errno)" }
        return unsafe String(cString: text)
    }
}

import Glibc
import SharedRing

/// The progress line of a long transfer on standard error, if that is a terminal. It comes after a second, changes at most
/// five times a second, and is gone at the end.
final class Progress {
    private let verb: String
    private let start = ContinuousClock.now
    private var next: ContinuousClock.Instant
    private var bytes = 0
    private var messages = 0
    private var isShown = false
    private let isEnabled: Bool

    /// - Parameters:
    ///   - verb: "sent" or "received".
    ///   - data: the descriptor of the data: if that is a terminal too, the line would be in the way.
    init(_ verb: String, data: Int32) {
        self.verb = verb
        next = start + .seconds(1)
        isEnabled = isatty(STDERR_FILENO) == 1 && isatty(data) == 0
    }

    func advance(bytes: Int, messages: Int) {
        guard isEnabled else { return }
        self.bytes += bytes
        self.messages += messages
        let now = ContinuousClock.now
        if now < next { return }
        next = now + .milliseconds(200)
        let elapsed = start.duration(to: now).components
        let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
        let rate = SizeNotation.text(Int(Double(self.bytes) / seconds))
        StandardStreams.writeError("\r\(verb) \(SizeNotation.text(self.bytes)) in \(counted(self.messages, "message")), \(rate)/s\u{1B}[K")
        isShown = true
    }

    /// Takes the line away, before something else is written or the tool ends.
    func clear() {
        if isShown { StandardStreams.writeError("\r\u{1B}[K") }
        isShown = false
    }
}

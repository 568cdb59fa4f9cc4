import Glibc
import RingBridge

/// A line of progress on a terminal, and metrics in a file.
struct Output {
    private let metrics: String?
    private let showsProgress: Bool

    init(_ arguments: inout Arguments) throws(Arguments.Failure) {
        metrics = try arguments.value("--metrics")
        showsProgress = !arguments.flag("--quiet") && isatty(2) == 1
    }

    func show(_ counts: PublishCounts, ring: String, stream: String) {
        if showsProgress {
            let state = counts.isConnected ? "connected" : "no broker"
            let failure = counts.lastFailure.map { "; last: \($0)" } ?? ""
            line("\(ring) -> \(stream): \(counts.published) published, \(counts.inFlight) in flight, \(state)\(failure)")
        }
        guard let metrics else { return }
        write(Metrics.text(counts, ring: ring, stream: stream), to: metrics)
    }

    func show(_ counts: SubscribeCounts, ring: String, stream: String) {
        if showsProgress {
            let state = counts.isConnected ? "connected" : "no broker"
            let failure = counts.lastFailure.map { "; last: \($0)" } ?? ""
            line("\(stream) -> \(ring): \(counts.forwarded) forwarded, \(counts.lag) behind, \(state)\(failure)")
        }
        guard let metrics else { return }
        write(Metrics.text(counts, ring: ring, stream: stream), to: metrics)
    }

    private func line(_ text: String) {
        var size = winsize()
        let width = ioctl(2, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1 ? Int(size.ws_col) - 1 : 79
        let shown = text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" : Character($0) }.prefix(width)
        writeError("\r\u{1b}[K" + String(shown))
    }

    /// Whole or not at all: another file, which takes the name.
    private func write(_ text: String, to path: String) {
        let temporary = "\(path).\(getpid())"
        guard let file = fopen(temporary, "w") else { return warn(temporary) }
        let isWritten = fputs(text, file) >= 0
        guard fclose(file) == 0, isWritten, rename(temporary, path) == 0 else {
            unlink(temporary)
            return warn(path)
        }
    }

    private func warn(_ path: String) {
        writeError("sharedring-nats: \(path): \(String(cString: strerror(errno)))\n")
    }
}

/// Writes to the standard error.
func writeError(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
}

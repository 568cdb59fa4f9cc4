import Glibc

/// How far a run is, on standard error: one line that rewrites itself on a terminal; elsewhere one line at the beginning.
struct Progress {
    private let total: Int
    private var done = 0
    private let start = ContinuousClock.now
    private let isOnTerminal = isatty(2) != 0

    init(cases: Int, repeats: Int) {
        total = cases * repeats
        if !isOnTerminal {
            printError("measuring \(cases == 1 ? "a case" : "\(cases) cases"), \(repeats == 1 ? "once" : "\(repeats) times")")
        }
    }

    mutating func begin(_ test: Case) {
        done += 1
        guard isOnTerminal else { return }
        printError("\r\u{1b}[K\(done) of \(total)  \(test.name)\(timeLeft)", newline: false)
    }

    /// Cases differ: before a tenth is done the rest can't be estimated.
    private var timeLeft: String {
        guard done > total / 10 + 1 else { return "" }
        let elapsed = start.duration(to: .now) / (done - 1) * (total - done + 1)
        let seconds = Int(elapsed.components.seconds) + 1
        return seconds >= 90 ? "  about \((seconds + 30) / 60) min left" : "  about \(seconds) s left"
    }

    func end() { if isOnTerminal { printError("\r\u{1b}[K", newline: false) } }
}

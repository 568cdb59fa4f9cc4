import Glibc

/// A block of lines on standard output that takes the place of the one before, if that is a terminal; otherwise it follows it.
struct Display {
    private let isTerminal = isatty(STDOUT_FILENO) == 1
    private var height = 0
    private var isFirst = true

    /// In one write, so that nothing flickers.
    mutating func show(_ lines: [String]) throws {
        guard isTerminal else {
            try StandardStreams.print((isFirst ? "" : "\n") + lines.joined(separator: "\n") + "\n")
            isFirst = false
            return
        }
        var window = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0 && window.ws_row > 1 && window.ws_col > 0
        let (rows, columns) = isKnown ? (Int(window.ws_row) - 1, Int(window.ws_col)) : (23, 80)
        // A line more than the terminal has would scroll, and the next block could not go where this one began.
        var shown = lines
        if lines.count > rows { shown = lines.prefix(rows - 1) + ["  … \(lines.count - rows + 1) more lines"] }
        let up = height > 0 ? "\u{1B}[\(min(height, rows))A\r" : ""
        try StandardStreams.print(up + shown.map { "\($0.prefix(columns))\u{1B}[K\n" }.joined() + "\u{1B}[J")
        height = shown.count
    }
}

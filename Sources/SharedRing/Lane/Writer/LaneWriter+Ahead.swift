import CSharedRing

/// The next message's cache lines, taken ahead of it while messages are far between.
///
/// A consumer that waits for an answer polls the line of the next header. The lines of the next message, which it read a lap ago, are still
/// shared with it. So the stores of payload and terminator wait for their lines, and the header's store waits behind them in the store buffer. A store
/// to these lines right after the last commit takes them while the other side is at work. A prefetch does not: the processor drops a prefetch for a
/// line that is shared.
///
/// With messages in close succession the same stores cost most of the speed: the consumer at the producer's heels takes each line back. So they are made
/// only while messages are far between. How much either matters, by processor: `Benchmarks/NOTES.md`.
///
/// The stores keep below the published write limit, in bytes that no committed record has. For every reader they are the payload of a message that was
/// never committed.
///
/// A broadcast takes none: each of its subscribers has the lines, and what a store to them costs then was not measured.
extension LaneWriter {
    /// What a commit looks at while lines are taken ahead: a word of this process that is never 0.
    static var alwaysSet: UnsafeMutablePointer<UInt32> { unsafe sr_always_set() }

    /// Whether lines are taken ahead.
    var isAhead: Bool { unsafe doorbell == Self.alwaysSet }

    /// Messages that take longer than this are far between: some nanoseconds, and some for each byte. A stream of messages is ten times as fast between
    /// near cores, and an exchange of them as slow as two transfers of a line.
    static func isFarBetween(nanoseconds: Int64, messages: UInt64, size: Int) -> Bool {
        nanoseconds / Int64(clamping: messages) > 40 + Int64(clamping: size) / 5
    }

    /// Room was opened, at most 64 KiB after the last time: were the messages since far between? Until that is known, they are taken to be.
    mutating func chooseWhetherAhead() {
        guard isPlain, subscribers == nil else { return }
        let now = (at: sr_now_ns(), messages: counted.messages)
        var isFar = true
        if let opened {
            let messages = now.messages &- opened.messages
            // Too few say nothing: the rest of a window that a batch, a claim or a full ring has cut short.
            guard messages >= 64 else { return }
            isFar = Self.isFarBetween(nanoseconds: now.at &- opened.at, messages: messages, size: max(runSize, 0))
        }
        opened = now
        unsafe doorbell = isFar ? Self.alwaysSet : sleepers.word
    }

    /// Stores to the lines of the next message, if it is like the last ones and there is room. The first is the line behind the cursor's, which was
    /// written just now; the last has its terminator.
    mutating func takeNextLines() {
        // Loaded as an atomic word: the canceller may close the window at any time.
        let room = unsafe Int(truncatingIfNeeded: sr_load_relaxed_u64(&windowEnd) &- UInt64(UInt(bitPattern: cursor)))
        guard runSize != Self.mixed, runSize <= room else { return }
        var line = unsafe Self.lineSize - Int(bitPattern: cursor) & (Self.lineSize - 1)
        while line <= min(runSpacing, Self.longestAhead) {
            // SAFETY: a message of this size and its terminator fit at the cursor.
            // Relaxed: the next header's release store comes behind it, and no reader looks here before.
            unsafe sr_store_relaxed_u64(cursor + line, 0)
            line += Self.lineSize
        }
    }

    /// Of a cache line, in bytes. Where lines are longer, two stores go to one.
    static var lineSize: Int { 64 }

    /// In bytes; the store buffer has no room for more lines at a time.
    private static var longestAhead: Int { 2048 }
}

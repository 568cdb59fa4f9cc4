import SharedRing

/// What a tap was too late for, reported on standard error: when it happens, at most once a second, and at the end.
struct MissedMessages {
    private let name: FileName
    private var times: UInt64 = 0
    private var byteCount: UInt64 = 0
    private var mostMessages: UInt64 = 0
    /// Whether `mostMessages` are so many for certain.
    private var isExact = true
    private var timesReported: UInt64 = 0
    private var nextReport = ContinuousClock.now

    init(_ name: FileName) { self.name = name }

    mutating func note(_ miss: TapMiss) {
        times += 1
        // An untrusted peer's positions: the sums may be absurd, and must not trap.
        byteCount &+= miss.byteCount
        mostMessages &+= miss.mostMessages
        if miss.messages == nil { isExact = false }
    }

    mutating func report() {
        let now = ContinuousClock.now
        guard timesReported < times, now >= nextReport else { return }
        nextReport = now + .seconds(1)
        write("so far ")
    }

    mutating func sumUp() {
        if times > 0 { write("") }
    }

    private mutating func write(_ when: String) {
        timesReported = times
        StandardStreams.note(
            "ring '\(name)': missed \(when)\(isExact ? "" : "at most ")\(counted(mostMessages, "message")), "
                + "which were overwritten before they were seen: \(counted(byteCount, "byte")), headers included")
    }
}

import CSharedRing

/// Whether a consumer that finds nothing looks again at once, or leaves the producer alone for some microseconds.
///
/// A consumer at the producer's heels takes from it, at every look, the cache line that it is writing: messages then cross one
/// by one, at the pace of line transfers. If it stays away for a moment, several are there when it comes back, and both work
/// undisturbed. But to a consumer that waits for an answer the moment is pure delay. Which of the two it is can't be told from here, so it
/// is tried: now and then, and the rarer the more often it was in vain, a few pauses of each length are made. The best length is kept if bytes
/// came faster with it than without. (Each length is tried, since the gain is no slope to be climbed: mostly only the long ones pay.)
///
/// A pause that brings one message only ends the trial, so an exchange of single messages loses one pause a trial.
struct Pacing {
    private static let shortestPause: Int64 = 1000
    private static let longestPause: Int64 = 32_000
    private static let shortestPatience = 64
    private static let longestPatience = 1 << 20
    private static let trialLength = 8
    private static let pacedLength = 1024

    /// In nanoseconds; 0: looks at once.
    private var pause: Int64 = 0
    private enum Phase {
        /// No pauses.
        case none
        /// Pauses of each length are tried, from the shortest to the longest.
        case trial
        /// Pauses of the best length.
        case kept
    }
    private var phase = Phase.none
    /// In bytes a 1,024 ns: without pauses, and the best of this trial, with its pause.
    private var rateWithout: UInt64 = 0
    private var bestRate: UInt64 = 0
    private var bestPause: Int64 = 0
    /// How many times nothing was found since `start`, and after how many to decide anew.
    private var waits = 0
    private var length = Self.shortestPatience
    /// How many times to look at once before the next trial.
    private var patience = Self.shortestPatience
    private var start: Int64 = 0
    private var startHead: UInt64 = 0
    private var lastHead: UInt64 = 0

    /// Whether the next call of `pause` may pause.
    var isPausing: Bool { pause > 0 }

    /// Nothing was found at `head`; the record before it took `spacing` bytes. Pauses, or doesn't.
    mutating func pause(at head: UInt64, spacing: UInt64) {
        let run = head &- lastHead
        lastHead = head
        if waits == 0 {
            begin(at: head)
        } else if pause > 0 && run <= spacing {
            // Another kind of traffic.
            return phase == .kept ? reset() : giveUp()
        }
        waits += 1
        if waits > length { decide(at: head) }
        guard pause > 0 else { return }
        let end = sr_now_ns() &+ pause
        while sr_now_ns() < end { sr_pause() }
    }

    /// Nothing came for longer than a moment: what was measured so far says nothing.
    mutating func reset() {
        pause = 0
        phase = .none
        waits = 0
        length = patience
    }

    private mutating func decide(at head: UInt64) {
        // Bytes in 1,024 ns.
        let rate = (head &- startHead) << 10 / UInt64(max(1, sr_now_ns() &- start))
        switch phase {
        case .none:
            // What comes without a pause is to be beaten.
            (rateWithout, bestRate, bestPause) = (rate, 0, 0)
            (phase, pause, length) = (.trial, Self.shortestPause, Self.trialLength)
        case .trial:
            if rate > bestRate { (bestRate, bestPause) = (rate, pause) }
            if pause < Self.longestPause {
                pause *= 2
            } else if bestRate > rateWithout + rateWithout / 8 {
                (phase, pause, length) = (.kept, bestPause, Self.pacedLength)
                patience = Self.shortestPatience
            } else {
                return giveUp()
            }
        case .kept:
            return reset()  // time to see whether it still pays
        }
        waits = 1
        begin(at: head)
    }

    private mutating func giveUp() {
        patience = min(patience * 2, Self.longestPatience)
        reset()
    }

    private mutating func begin(at head: UInt64) {
        start = sr_now_ns()
        startHead = head
    }
}

import CSharedRing

/// Whether a consumer that finds nothing looks again at once, or leaves the producer alone for some microseconds.
///
/// A consumer at the producer's heels takes from it, at every look, the cache line that it is writing: messages then cross one
/// by one, at the pace of line transfers. If it stays away for a moment, several are there when it comes back, and both work
/// undisturbed. But to one who waits for an answer the moment is pure delay. Which of the two it is can't be told from here, so it
/// is tried: now and then, and the rarer the more often it was in vain, a few pauses are made, and kept up if bytes came faster with
/// them; then longer ones, which pay where lines cross slowly.
///
/// A pause that brings one message only ends the trial, so an exchange of single messages loses one pause a trial.
struct Pacing {
    private static let shortestPause: Int64 = 1000
    private static let longestPause: Int64 = 8000
    private static let shortestPatience = 64
    private static let longestPatience = 1 << 20
    private static let trialLength = 8
    private static let pacedLength = 1024

    /// In nanoseconds; 0: looks at once.
    private var pause: Int64 = 0
    /// This pause is on trial, and is kept if bytes come faster than at this rate.
    private var rateToBeat: UInt64?
    /// How many times nothing was found since `start`, and after how many to decide anew.
    private var waits = 0
    private var length = Self.shortestPatience
    /// How many times to look at once before the next trial.
    private var patience = Self.shortestPatience
    private var start: Int64 = 0
    private var startHead: UInt64 = 0
    private var lastHead: UInt64 = 0

    /// Nothing was found at `head`; the record before it took `spacing` bytes. Pauses, or doesn't.
    mutating func pause(at head: UInt64, spacing: UInt64) {
        let run = head &- lastHead
        lastHead = head
        if waits == 0 {
            begin(at: head)
        } else if pause > 0 && run <= spacing {
            // Another kind of traffic.
            return rateToBeat == nil ? reset() : giveUp()
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
        rateToBeat = nil
        waits = 0
        length = patience
    }

    private mutating func decide(at head: UInt64) {
        // Bytes in 1,024 ns.
        let rate = (head &- startHead) << 10 / UInt64(max(1, sr_now_ns() &- start))
        if let toBeat = rateToBeat {
            if rate > toBeat + toBeat / 8 {
                patience = Self.shortestPatience
                lengthen(rate)
            } else {
                if pause == Self.shortestPause { return giveUp() }
                pause /= 2
                keep()
            }
        } else {
            if pause > 0 { return reset() }  // time to see whether it still pays
            lengthen(rate)
        }
        waits = 1
        begin(at: head)
    }

    /// Tries a longer pause than this, with which bytes come at `rate`.
    private mutating func lengthen(_ rate: UInt64) {
        if pause == Self.longestPause { return keep() }
        rateToBeat = rate
        pause = max(Self.shortestPause, 2 * pause)
        length = Self.trialLength
    }

    private mutating func keep() {
        rateToBeat = nil
        length = Self.pacedLength
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

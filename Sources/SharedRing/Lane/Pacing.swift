import CSharedRing

/// Whether a consumer that finds nothing looks again at once, or leaves the producer alone for a microsecond.
///
/// A consumer at the producer's heels takes from it, at every look, the cache line that it is writing: messages then cross one
/// by one, at the pace of line transfers. If it stays away for a moment, several are there when it comes back, and both work
/// undisturbed. But to one who waits for an answer the moment is pure delay. Which of the two it is can't be told from here, so it
/// is tried: now and then, and the rarer the more often it was in vain, a few pauses are made, and kept up if bytes came
/// faster with them.
///
/// A pause that brings one message only ends the trial, so an exchange of single messages loses one pause a trial.
struct Pacing {
    private enum Phase {
        /// Looks at once.
        case eager
        /// Pauses, to see whether it pays.
        case trial
        /// Pauses.
        case paced
    }

    static let pauseNanoseconds: Int64 = 1000
    private static let shortestPatience = 64
    private static let longestPatience = 1 << 20
    private static let trialLength = 8
    private static let pacedLength = 1024

    private var phase = Phase.eager
    /// How many times nothing was found in this phase.
    private var waits = 0
    /// How many times to look at once before the next trial.
    private var patience = Self.shortestPatience
    private var start: Int64 = 0
    private var startHead: UInt64 = 0
    private var lastHead: UInt64 = 0
    /// Bytes in 1,024 ns.
    private var eagerRate: UInt64 = 0

    /// Nothing was found at `head`; the record before it took `spacing` bytes. Pauses, or doesn't.
    mutating func pause(at head: UInt64, spacing: UInt64) {
        let run = head &- lastHead
        lastHead = head
        if waits == 0 { begin(at: head) }
        waits += 1
        switch phase {
        case .eager:
            guard waits > patience else { return }
            eagerRate = rate(at: head)
            phase = .trial
            waits = 1
            begin(at: head)
        case .trial:
            if waits > 1 && run <= spacing { return giveUp() }
            if waits > Self.trialLength {
                guard rate(at: head) > eagerRate + eagerRate / 8 else { return giveUp() }
                phase = .paced
                patience = Self.shortestPatience
            }
        case .paced:
            // Another kind of traffic, or time to see whether it still pays.
            if run <= spacing || waits > Self.pacedLength { return reset() }
        }
        let end = sr_now_ns() &+ Self.pauseNanoseconds
        while sr_now_ns() < end { sr_pause() }
    }

    /// Nothing came for longer than a moment: what was measured so far says nothing.
    mutating func reset() {
        phase = .eager
        waits = 0
    }

    private mutating func giveUp() {
        patience = min(patience * 2, Self.longestPatience)
        reset()
    }

    private mutating func begin(at head: UInt64) {
        start = sr_now_ns()
        startHead = head
    }

    private func rate(at head: UInt64) -> UInt64 { (head &- startHead) << 10 / UInt64(max(1, sr_now_ns() &- start)) }
}

import BenchReport
import CBench
import CSharedRing

/// Messages that are due at fixed times, whatever became of those before: a stall is charged to every message it delays.
///
/// A message's number says when it was due, and the clock is common to both processes, so the receiver knows its latency
/// from the number alone.
struct Schedule {
    /// How many are due at the same moment.
    let together: UInt64
    /// Nanoseconds from one such moment to the next.
    let spacing: Double
    /// Whether the sender may sleep until the next is due; otherwise it watches the clock.
    let isSlow: Bool

    init(_ mode: Mode) {
        switch mode {
        case .burst: (together, spacing, isSlow) = (1_000, 10_000_000, false)
        case .idle: (together, spacing, isSlow) = (1, 100_000_000, true)
        default: (together, spacing, isSlow) = (1, 10_000, false)
        }
    }

    /// The number counts from 0, in ticks.
    @inline(__always)
    func due(_ number: UInt64, start: UInt64, ticksPerNanosecond: Double) -> UInt64 {
        start &+ UInt64(Double(number / together) * spacing * ticksPerNanosecond)
    }

    @inline(__always)
    func send<S: MessageSender & ~Copyable>(
        _ numbers: Range<UInt64>, start: UInt64, ticksPerNanosecond: Double, _ sender: inout S
    ) throws {
        for number in numbers {
            let due = due(number &- numbers.lowerBound, start: start, ticksPerNanosecond: ticksPerNanosecond)
            if isSlow {
                // Awake a little early, because a sleep ends late.
                let left = Double(Int64(bitPattern: due &- cb_ticks())) / ticksPerNanosecond
                if left > 500_000 { sr_sleep_ns(Int64(left) - 300_000) }
            }
            while Int64(bitPattern: due &- cb_ticks()) > 0 { sr_pause() }
            try sender.send(number, count: 1)
        }
    }

    @inline(__always)
    func receive<R: MessageReceiver & ~Copyable>(
        _ numbers: Range<UInt64>, start: UInt64, ticksPerNanosecond: Double, _ receiver: inout R, into histogram: Histogram
    ) throws {
        for number in numbers {
            _ = try receiver.receive(number, limit: 1)
            let now = cb_ticks()
            let due = due(number &- numbers.lowerBound, start: start, ticksPerNanosecond: ticksPerNanosecond)
            histogram.record(now &- due)
        }
    }
}

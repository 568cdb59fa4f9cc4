import Foundation
import SharedRing

/// What either kind of consumer can do.
protocol SoakSource: MessageSource, SendableMetatype, ~Copyable {
    var canceller: Canceller { get }
    mutating func acknowledge() throws(RingError)
    consuming func close() throws(RingError)
}

extension Consumer: SoakSource {}
extension MergingConsumer: SoakSource {}

/// The consumer of a soak: checks what comes, and takes its time at random.
final class SoakReceiver<Source: SoakSource & ~Copyable>: @unchecked Sendable {
    private var source: Source?
    private let plan: WakeupSoak
    private let threads: SoakThreads
    private var patterns: [Pattern]
    private var lastTicket: UInt64?
    private var count = 0
    private var mismatch: Int?

    init(_ plan: WakeupSoak, _ source: consuming Source, _ threads: SoakThreads) {
        self.plan = plan
        self.threads = threads
        patterns = (0..<plan.producers).map { Pattern(seed: plan.seed &+ UInt64($0), largest: WakeupSoak.largest) }
        self.source = consume source
    }

    func run() throws -> Int {
        var source = self.source.take()!
        var random = SplitMix(seed: plan.seed ^ 0xb)
        let canceller = source.canceller
        let isManual = plan.acknowledgement == .manual
        var isOver = false
        while !isOver {
            let bits = random.next()
            if isManual, bits & 7 == 0 { try source.acknowledge() }
            // A receiver that keeps the space it has read, and then waits, waits for ever if it keeps all of it.
            let taken = source.drain(limit: isManual ? 3 : bits & 8 == 0 ? 5 : 0) { check($0) }
            if taken == 0 {
                if isManual { try source.acknowledge() }
                do throws(RingError) {
                    if let message = try source.next(timeout: nil) { check(message) } else { isOver = true }
                } catch {
                    guard error.code == .cancelled else { throw error }
                    threads.noteCancelled()
                    canceller.reset()
                }
            }
            if let mismatch { throw Soak.Mismatch(index: mismatch) }
            Soak.pause(&random)
        }
        if isManual { try source.acknowledge() }
        try source.close()
        return count
    }

    private func check(_ message: borrowing Message) {
        patterns[message.lane].advance()
        if !patterns[message.lane].matches(message) { mismatch = mismatch ?? count }
        if case .mpsc(_, .total) = plan.shape {
            let ticket = message.sequence
            if let lastTicket, ticket <= lastTicket { mismatch = mismatch ?? count }
            lastTicket = ticket
        }
        count += 1
    }
}

import CSharedRing
import Foundation
import SharedRing
import Synchronization

/// Small rings, pauses at random, and check intervals of ten minutes: nothing but the doorbells wakes a sleeper, so a lost wakeup is a
/// failure here and not a delay.
///
///     TestPeer wakeups [seconds=60] [seed=1] [messages=5000]
///
/// goes through all plans, over and over with other seeds. Prints what each came to; exits 1 at the first that hangs.
public struct WakeupSoak: Sendable, CustomStringConvertible {
    public enum Shape: Sendable, Hashable {
        case spsc
        case mpsc(producers: Int, MPSCRing.Order)
    }

    public var shape = Shape.spsc
    public var barrier = RingOptions.Barrier.automatic
    public var waiting = WaitStrategy.adaptive
    public var acknowledgement = Acknowledgement.automatic
    /// Whether a further thread cancels the waits of all at random.
    public var cancels = false
    /// Of each producer.
    public var messages = 5_000
    public var seed: UInt64 = 1

    public init() {}

    public var producers: Int { if case .mpsc(let producers, _) = shape { producers } else { 1 } }

    public var description: String {
        "\(shape), barrier \(barrier), \(waiting), \(acknowledgement) acknowledgement\(cancels ? ", cancelled" : ""), seed \(seed)"
    }

    /// Every combination that waits differently. Spinning never sleeps, so it is left out.
    public static let all: [WakeupSoak] = {
        var plans: [WakeupSoak] = []
        for shape in [Shape.spsc, .mpsc(producers: 3, .perProducer), .mpsc(producers: 3, .total)] {
            for barrier in [RingOptions.Barrier.symmetric, .automatic] {
                for waiting in [WaitStrategy.sleep, .adaptive] {
                    for acknowledgement in [Acknowledgement.automatic, .manual] {
                        var plan = WakeupSoak()
                        plan.shape = shape
                        plan.barrier = barrier
                        plan.waiting = waiting
                        plan.acknowledgement = acknowledgement
                        plans.append(plan)
                        plan.cancels = true
                        plans.append(plan)
                    }
                }
            }
        }
        return plans
    }()

    static let checkInterval = Duration.seconds(600)
    static let largest = 1500

    // MARK: Running

    /// What it came to, by the ring's own counters.
    public struct Tally: Sendable, CustomStringConvertible {
        public var received = 0
        public var full: UInt64 = 0
        /// On the space doorbells, and how often the consumer woke a producer there.
        public var producerSleeps: UInt64 = 0
        public var producersWoken: UInt64 = 0
        /// On the data doorbell, and how often a producer woke it.
        public var consumerSleeps: UInt64 = 0
        public var consumerWoken: UInt64 = 0
        public var cancelled = 0

        public init() {}

        public var description: String {
            "received \(received), full \(full), producers slept \(producerSleeps) and were woken \(producersWoken), "
                + "the consumer slept \(consumerSleeps) and was woken \(consumerWoken), cancelled \(cancelled)"
        }

        public static func += (sum: inout Tally, more: Tally) {
            sum.received += more.received
            sum.full += more.full
            sum.producerSleeps += more.producerSleeps
            sum.producersWoken += more.producersWoken
            sum.consumerSleeps += more.consumerSleeps
            sum.consumerWoken += more.consumerWoken
            sum.cancelled += more.cancelled
        }
    }

    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Runs the plan in threads of this process, each endpoint with its own mapping.
    public func run(within seconds: Double) throws -> Tally {
        var options = RingOptions(capacity: 4096)
        options.barrier = barrier
        switch shape {
        case .spsc:
            let ring = try SPSCRing.anonymous(options: options)
            let consumer = try ring.makeConsumer(
                acknowledgement: acknowledgement, waiting: waiting, options: EndpointOptions(checkInterval: Self.checkInterval))
            return try run(ring.duplicateDescriptor(), consumer, within: seconds) { () throws(RingError) in
                try ring.makeProducer(waiting: waiting, options: EndpointOptions(checkInterval: Self.checkInterval))
            }
        case .mpsc(let producers, let order):
            let ring = try MPSCRing.anonymous(lanes: producers, order: order, options: options)
            let consumer = try ring.makeConsumer(
                ending: .whenAllEnded(atLeast: producers), acknowledgement: acknowledgement, waiting: waiting,
                options: EndpointOptions(checkInterval: Self.checkInterval, budget: 3))
            return try run(ring.duplicateDescriptor(), consumer, within: seconds) { () throws(RingError) in
                try ring.makeProducer(waiting: waiting, options: EndpointOptions(checkInterval: Self.checkInterval))
            }
        }
    }

    private func run<Source: SoakSource & ~Copyable>(
        _ descriptor: Int32, _ consumer: consuming Source, within seconds: Double, _ makeProducer: () throws(RingError) -> Producer
    ) throws -> Tally {
        defer { close(descriptor) }
        let threads = SoakThreads()
        var cancellers = [consumer.canceller]
        for _ in 0..<producers {
            let producer = try makeProducer()
            cancellers.append(producer.canceller)
            let sender = SoakSender(self, producer, threads)
            threads.start { try sender.run() }
        }
        let receiver = SoakReceiver(self, consumer, threads)
        threads.start { try receiver.run() }
        if cancels { threads.startBeside { [cancellers] in Self.cancel(cancellers, seed: seed, threads) } }

        let isOver = threads.wait(within: seconds)
        var tally = try Self.statistics(of: descriptor)
        guard isOver else { throw Failure(description: "HUNG: \(self); \(tally)") }
        tally.received = try threads.outcome()
        tally.cancelled = threads.cancelled
        return tally
    }

    private static func cancel(_ cancellers: [Canceller], seed: UInt64, _ threads: SoakThreads) {
        var random = SplitMix(seed: seed ^ 0xc)
        while !threads.isOver {
            let bits = random.next()
            cancellers[Int(bits % UInt64(cancellers.count))].cancel()
            usleep(UInt32((bits >> 16) % 2000))
        }
    }

    /// The ring's counters, read from its memory.
    static func statistics(of descriptor: Int32) throws -> Tally {
        func read<Part: BitwiseCopyable>(_ part: inout Part, at offset: Int) throws {
            let size = MemoryLayout<Part>.size
            guard pread(descriptor, &part, size, off_t(offset)) == size else { throw Failure(description: "its counters can't be read") }
        }
        var header = sr_header()
        try read(&header, at: 0)
        var consumer = sr_consumer_control()
        try read(&consumer, at: Int(header.control_offset) + Int(sr_lanes_consumer_offset()))
        var tally = Tally()
        tally.consumerSleeps = consumer.statistics.sleeps
        for number in 0..<Int(header.lanes.lane_count) {
            var lane = sr_lane_control()
            try read(&lane, at: Int(header.control_offset) + Int(sr_lane_offset(UInt32(number))))
            tally.full += lane.producer_statistics.full
            tally.producerSleeps += lane.producer_statistics.sleeps
            tally.consumerWoken += lane.producer_statistics.wakes
            tally.producersWoken += lane.consumer_statistics.wakes
        }
        return tally
    }

    // MARK: As a command

    static func command(_ words: [String]) throws {
        let values = Dictionary(
            words.compactMap { word in
                let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                return parts.count == 2 ? (parts[0], parts[1]) : nil
            }, uniquingKeysWith: { $1 })
        let seconds = values["seconds"].flatMap(Double.init) ?? 60
        let start = Date()
        var seed = values["seed"].flatMap(UInt64.init) ?? 1
        var sum = Tally()
        var runs = 0
        while Date().timeIntervalSince(start) < seconds {
            var random = SplitMix(seed: seed)
            // In another order each time: a short run need not come to the end of the list.
            for var plan in all.shuffled(using: &random) where Date().timeIntervalSince(start) < seconds {
                plan.seed = seed
                plan.messages = values["messages"].flatMap(Int.init) ?? 5_000
                let tally = try plan.run(within: 300)
                guard tally.received == plan.producers * plan.messages else { throw Failure(description: "LOST: \(plan); \(tally)") }
                say("\(plan): \(tally)")
                sum += tally
                runs += 1
            }
            seed += 1
        }
        say("\(runs) runs in \(Int(Date().timeIntervalSince(start))) s: \(sum)")
    }
}

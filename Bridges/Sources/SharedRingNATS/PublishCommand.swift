import Glibc
import RingBridge
import SharedRing

/// `publish RING --stream S`.
struct PublishCommand {
    private let ring: String
    private let stream: String
    private let subject: String?
    private let isPerLane: Bool
    private let deadLetter: String?
    private let broker: BrokerOptions
    private let ringOptions: RingOptions
    private var options = PublishOptions()
    private let output: Output

    init(_ words: [String]) throws {
        var arguments = Arguments(words)
        guard let stream = try arguments.value("--stream") else { throw Arguments.Failure(text: "--stream is missing") }
        try SubjectNames.check(stream: stream)
        self.stream = stream
        subject = try arguments.value("--subject")
        isPerLane = arguments.flag("--subject-per-lane")
        deadLetter = try arguments.value("--dead-letter")
        if let deadLetter { _ = try SubjectNames(deadLetter) }
        broker = try arguments.broker()
        ringOptions = try arguments.ringOptions()
        options.drains = arguments.flag("--drain")
        options.republishes = arguments.flag("--republish")
        options.usesDeadLetters = deadLetter != nil
        if let number = try arguments.number("--window", in: 1...WindowPlan.mostMessages) { options.mostMessages = number }
        if let seconds = try arguments.number("--grace", in: 0...3600) { options.graceMilliseconds = seconds * 1000 }
        output = try Output(&arguments)
        ring = try arguments.rest(1, "a ring's name")[0]
    }

    func run() throws {
        Signals.install()
        let report = try RingReport(ring, options: ringOptions)
        let connection = try BrokerConnection(broker)
        guard let subject = try subject ?? connection.onlySubject(of: stream, stop: Signals.stop) else { return }
        let names = try SubjectNames(subject, isPerLane: isPerLane)
        if isPerLane, report.isTotallyOrdered {
            throw BridgeError(.usage, "ring '\(ring)' has a total order, which is kept in one subject: leave out --subject-per-lane")
        }
        let log = try JetStreamLog(connection, stream: stream, subjects: names, instance: report.instance, deadLetterSubject: deadLetter)
        var options = options
        // Half of the ring at most: the sender has the other half while the broker is at work.
        options.mostBytes = min(max(report.capacity / 2, 4096), 8 << 20)
        // The ring is opened after its report was made. Another ring with the same name has another instance.
        switch report.kind {
        case .spsc:
            let ring = try SPSCRing.open(ring, options: ringOptions)
            try check(ring, report)
            try publish(ring.makeConsumer(acknowledgement: .manual), of: ring, report, log, options)
        case .mpsc:
            let ring = try MPSCRing.open(ring, options: ringOptions)
            try check(ring, report)
            try publish(ring.makeConsumer(acknowledgement: .manual), of: ring, report, log, options)
        case .broadcast:
            let ring = try BroadcastRing.open(ring, options: ringOptions)
            try check(ring, report)
            try publish(ring.makeSubscriber(.reliable, from: .oldest, acknowledgement: .manual), of: ring, report, log, options)
        default: throw BridgeError(.usage, "'\(ring)' is a \(report.kind.rawValue), and no ring of messages")
        }
    }

    private func check(_ ring: some MessageRing, _ report: RingReport) throws {
        let now = try ring.report()
        guard now.instance == report.instance else {
            throw BridgeError(.message, "ring '\(self.ring)' was made anew at this moment: try again")
        }
    }

    private func publish<Source: MessageSource & ~Copyable>(
        _ source: consuming Source, of ring: some MessageRing, _ report: RingReport, _ log: JetStreamLog, _ options: PublishOptions
    ) throws {
        let usesPlans = report.kind == .mpsc && !report.isTotallyOrdered
        // The report is made with the role in hand, so a first attachment is this one. Subscribers of a broadcast have a slot each.
        let isFirstReader = try report.kind != .broadcast && ring.report().consumer.attachments == 1
        let publisher = RingPublisher(
            source, instance: report.instance, usesPlans: usesPlans, lanes: max(1, report.laneCount), isFirstReader: isFirstReader,
            heads: { () throws(RingError) in
                let lanes = try ring.report().lanes
                // A ticket is no position of a lane, and a subscriber has a head of its own.
                guard usesPlans || report.kind == .spsc else {
                    return report.kind == .mpsc && lanes.allSatisfy { $0.backlog == 0 } ? [0: .max] : [:]
                }
                var heads: [Int: UInt64] = [:]
                for lane in lanes { heads[lane.number] = lane.head }
                return heads
            }, into: log, options: options, stop: Signals.stop, report: { output.show($0, ring: self.ring, stream: stream) })
        try publisher.run()
        try publisher.close()
    }
}

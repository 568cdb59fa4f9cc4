import Glibc
import RingBridge
import SharedRing

/// `subscribe --stream S RING`.
struct SubscribeCommand {
    private let ring: String
    private let stream: String
    private let consumer: String
    private let broker: BrokerOptions
    private let ringOptions: RingOptions
    private var options = SubscribeOptions()
    private let output: Output

    init(_ words: [String]) throws {
        var arguments = Arguments(words)
        guard let stream = try arguments.value("--stream") else { throw Arguments.Failure(text: "--stream is missing") }
        try SubjectNames.check(stream: stream)
        self.stream = stream
        let consumer = try arguments.value("--durable")
        broker = try arguments.broker()
        var ringOptions = try arguments.ringOptions()
        if let capacity = try arguments.number("--capacity", in: 4096...(1 << 40)) { ringOptions.capacity = capacity }
        self.ringOptions = ringOptions
        options.drains = arguments.flag("--drain")
        if let word = try arguments.value("--sequence") {
            guard let carrier = SequenceCarrier(rawValue: word) else {
                throw Arguments.Failure(text: "--sequence takes 'front' or 'tag', not '\(word)'")
            }
            options.carrier = carrier
        }
        output = try Output(&arguments)
        ring = try arguments.rest(1, "a ring's name")[0]
        self.consumer = consumer ?? "sharedring-" + ring.map { ".*> /\\\t\r\n".contains($0) ? "_" : $0 }
    }

    func run() throws {
        Signals.install()
        let producer = try makeProducer()
        let feed = try JetStreamFeed(BrokerConnection(broker), stream: stream, consumer: consumer)
        let subscriber = StreamSubscriber(
            feed, into: producer, options: options, stop: Signals.stop, report: { output.show($0, ring: ring, stream: stream) })
        try subscriber.run()
        try subscriber.close()
    }

    /// Of the ring with this name; of a new one of one lane, if there is none.
    private func makeProducer() throws -> Producer {
        guard let report = try reportIfThere() else { return try SPSCRing.openOrCreate(ring, options: ringOptions).makeProducer() }
        switch report.kind {
        case .mpsc:
            // A second bridge may get another lane. Its messages would pass those of the first, and a filter would drop these.
            guard report.isTotallyOrdered || report.laneCount == 1 else {
                throw BridgeError(
                    .usage,
                    "ring '\(ring)' has \(report.laneCount) lanes without an order between them, so the stream's order would be lost: "
                        + "take a ring of one lane, or one with a total order")
            }
            return try MPSCRing.open(ring, options: ringOptions).makeProducer()
        case .broadcast: return try BroadcastRing.open(ring, options: ringOptions).makePublisher()
        default: return try SPSCRing.openOrCreate(ring, options: ringOptions).makeProducer()
        }
    }

    private func reportIfThere() throws(RingError) -> RingReport? {
        do throws(RingError) {
            return try RingReport(ring, options: ringOptions)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }
}

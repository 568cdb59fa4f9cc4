import Glibc
import SharedRing

/// `sharedring receive`: a ring to standard output.
struct ReceiveCommand {
    private enum Endpoint: ~Copyable {
        case single(Consumer)
        case merging(MergingConsumer)
        case subscribed(Subscriber)
    }

    private let options: TransferOptions
    private let senders: Senders?
    private let reportsEnds: Bool
    private let subscription: SubscribeOptions

    init(_ arguments: Arguments) throws {
        options = try TransferOptions(arguments)
        senders = try Senders(arguments)
        reportsEnds = arguments.has("--ends")
        subscription = try SubscribeOptions(arguments)
    }

    /// Returns after the end of the stream. What could not be written stays in the ring.
    func run() throws {
        switch try attach() {
        case .single(let consumer): try receive(consumer)
        case .merging(let consumer): try receive(consumer)
        case .subscribed(let subscriber): try receive(subscriber)
        }
    }

    private func attach() throws -> Endpoint {
        let isBuffered = options.format == .lines || options.format == .frames
        let acknowledgement = isBuffered ? Acknowledgement.manual : .automatic
        let checkInterval = options.patience.checkInterval
        return try options.ring.attach { ring throws(RingError) in
            switch ring {
            case .single(let ring):
                return .single(
                    try ring.makeConsumer(
                        acknowledgement: acknowledgement, waiting: options.waiting, options: EndpointOptions(checkInterval: checkInterval)))
            case .merging(let ring):
                let ending = senders?.ending ?? .never
                return .merging(
                    try ring.makeConsumer(
                        ending: ending, acknowledgement: acknowledgement, waiting: options.waiting,
                        options: EndpointOptions(checkInterval: checkInterval)))
            case .broadcast(let ring):
                return .subscribed(
                    try ring.makeSubscriber(
                        subscription.delivery, as: subscription.name, from: subscription.start, acknowledgement: acknowledgement,
                        waiting: options.waiting,
                        options: EndpointOptions(checkInterval: checkInterval)))
            }
        }
    }

    private func receive<Source: PartiallyAcknowledging & ~Copyable>(_ consumer: consuming Source) throws {
        let progress = Progress("received", data: STDOUT_FILENO)
        defer { progress.clear() }
        Signals.endInOrder(on: [SIGINT, SIGTERM, SIGHUP])
        var reception = Reception(consumer, options: options, senders: senders, reportsEnds: reportsEnds, progress: progress)
        do {
            try reception.receive()
        } catch {
            // Whatever it was, this receiver leaves in order; what was not written is the next one's.
            reception.noteMissed()
            reception.close()
            throw error
        }
        reception.noteMissed()
        reception.close()
    }
}

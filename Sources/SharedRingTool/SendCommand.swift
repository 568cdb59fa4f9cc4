import Glibc
import SharedRing

/// `sharedring send`: standard input into a ring.
struct SendCommand {
    private let options: TransferOptions
    private let drains: Bool
    /// How long a subscriber with a soft gate may hold the sender up.
    private let gatePatience: Duration?

    init(_ arguments: Arguments) throws {
        options = try TransferOptions(arguments)
        drains = arguments.has("--drain")
        gatePatience = try arguments.value("--patience", "duration, like 500ms, 2s or 1m", DurationNotation.duration)
    }

    /// Returns when everything is committed and the stream is closed. If it throws, the stream stays without its end, and
    /// the receiver learns that it was cut off.
    func run() throws {
        let progress = Progress("sent", data: STDIN_FILENO)
        defer { progress.clear() }
        var transmission = Transmission(try attach(), ring: options.name, patience: options.patience, progress: progress)
        if options.keepsRing { transmission.producer.makeRingPersistent() }

        let largest = transmission.producer.largestMessage
        switch options.format {
        case .reads: try transmission.sendReads(upTo: min(64 << 10, largest))
        case .chunks(let size):
            if size > largest {
                progress.clear()
                StandardStreams.note(
                    "note: '--bytes' asks for more than the largest message; sending \(counted(largest, "byte")) at a time")
            }
            try transmission.sendChunks(of: min(size, largest))
        case .lines: try transmission.sendMessages(LineSplitter(largest: largest))
        case .frames: try transmission.sendMessages(FrameSplitter(largest: largest))
        }
        if drains { try transmission.waitUntilAcknowledged() }
        try transmission.close()
    }

    private func attach() throws -> Producer {
        do {
            return try options.ring.attach { ring throws(RingError) in
                switch ring {
                case .single(let ring):
                    return try ring.makeProducer(
                        waiting: options.waiting, options: EndpointOptions(checkInterval: options.patience.checkInterval))
                case .merging(let ring):
                    return try ring.makeProducer(
                        waiting: options.waiting, options: EndpointOptions(checkInterval: options.patience.checkInterval))
                case .broadcast(let ring):
                    var endpoint = EndpointOptions(checkInterval: options.patience.checkInterval)
                    if let gatePatience { endpoint.softGatePatience = gatePatience }
                    return try ring.makePublisher(waiting: options.waiting, options: endpoint)
                }
            }
        } catch let error as RingError {
            guard error.code == .roleTaken, (try? options.ring.report().hasOneSender) == true else { throw error }
            throw ToolFailure("\(error); a ring that is made with '--lanes' takes several senders at once")
        }
    }
}

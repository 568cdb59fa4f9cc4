import CTestSupport
import SharedRing

/// The traced process: it takes its role, gets to where the operation begins, and does it between two marks.
struct Peer {
    let operation: Operation
    let shape: TestRing.Shape
    let name: String
    let options: RingOptions
    let note: Note
    /// How full to make the lane before the operation.
    let fill: Situation.Fill

    init(_ arguments: [String]) throws {
        operation = Operation(rawValue: arguments[0])!
        shape = TestRing.Shape(rawValue: arguments[1])!
        fill = Situation.Fill(rawValue: arguments[2])!
        name = arguments[4]
        var options = RingOptions(capacity: 4096)
        options.directory = arguments[3]
        options.barrier = arguments[6] == "symmetric" ? .symmetric : .asymmetric
        self.options = options
        note = Note(arguments[5], create: false)!
    }

    func run() throws {
        try warmUp()
        switch operation.side {
        case .producer: try runProducer()
        case .consumer:
            switch try TestRing.open(name, shape, options) {
            case .one(let ring):
                try runConsumer { acknowledgement throws(RingError) in
                    try ring.makeConsumer(
                        acknowledgement: acknowledgement, waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(60)))
                }
            case .many(let ring):
                try runConsumer { acknowledgement throws(RingError) in
                    try ring.makeConsumer(
                        ending: .whenAllEnded(), acknowledgement: acknowledgement, waiting: .sleep,
                        options: EndpointOptions(checkInterval: operation == .clearTicketFloor ? .milliseconds(1) : .seconds(60)))
                }
            }
        case .name: try runOnName()
        }
    }

    /// Everything once, in another ring: what a program does only the first time would be most of what is stepped through.
    private func warmUp() throws {
        var options = options
        options.directory = CrashPeer.scratch(options.directory)
        for _ in 0..<2 {
            _ = try TestRing.create(name, shape, options)
            let ring = try TestRing.openOrCreate(name, shape, options)
            var producer = try ring.makeProducer()
            let message = NumberedMessage(lane: 0, number: 0, order: 0)
            try producer.send(message.bytes(Operation.size), tag: 0, timeout: .seconds(1))
            var claim = try producer.claim(byteCount: Operation.size)
            var place = claim.bytes
            place.storeBytes(of: 0, toByteOffset: 0, as: UInt8.self)
            try claim.commit(byteCount: 0)
            var batch = producer.batch()
            try batch.append(message.bytes(), tag: 0)
            batch.commit()
            var consumer = try ring.makeReceiver()
            consumer.drain()
            try producer.close()
            consumer.drain()
            try consumer.close()
            try SPSCRing.remove(name, options: options)
        }
    }

    func fail(_ what: String) {
        say("the traced process, \(operation): \(what)")
        note.failed = 1
    }
}

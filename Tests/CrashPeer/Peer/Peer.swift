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
        switch operation.side {
        case .producer: try runProducer()
        case .consumer:
            switch try TestRing.open(name, shape, options) {
            case .one(let ring):
                try runConsumer { acknowledgement throws(RingError) in
                    try ring.makeConsumer(acknowledgement: acknowledgement, waiting: .sleep, slice: .seconds(60))
                }
            case .many(let ring):
                try runConsumer { acknowledgement throws(RingError) in
                    try ring.makeConsumer(
                        ending: .whenAllEnded(), acknowledgement: acknowledgement, waiting: .sleep,
                        slice: operation == .clearAnnouncement ? .milliseconds(1) : .seconds(60))
                }
            }
        case .name: try runOnName()
        }
    }

    /// Between the two marks stands the operation, and nothing else.
    func marked(_ body: () throws -> Void) throws {
        ts_mark()
        try body()
        ts_mark()
    }

    func fail(_ what: String) {
        say("the traced process, \(operation): \(what)")
        note.failed = 1
    }
}

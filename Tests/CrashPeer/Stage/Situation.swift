/// An operation, and what it finds.
struct Situation {
    enum Fill: String {
        case none, few, nearly, full
        /// What a producer makes room for at a time: the operation makes room again, and publishes a checkpoint.
        case run
    }

    enum Position: String {
        case start
        /// The operation's record crosses the end of the capacity.
        case edge
        /// It begins there, in the second mapping.
        case beyond
        /// And the end of the numbers.
        case last
    }

    /// How the one before in the role ended.
    enum Prior: String {
        case none, closed, died
    }

    let operation: Operation
    let shape: TestRing.Shape
    var fill = Fill.few
    var position = Position.edge
    var prior = Prior.none
    var isSymmetric = false
    /// A consumer sleeps meanwhile, in another thread.
    var hasSleeper = false

    var name: String {
        var words = ["\(operation)", "\(shape)"]
        if prior != .none { words.append("after-\(prior)") }
        if fill != .few { words.append("\(fill)") }
        if position != .edge { words.append("\(position)") }
        if isSymmetric { words.append("symmetric") }
        if hasSleeper { words.append("asleep") }
        return words.joined(separator: "/")
    }

    /// What an operation that appends to the lane counts on: the messages of a stream before it.
    var priorCount: UInt32 { prior != .none && operation.side == .producer ? 2 : 0 }

    static let capacity: UInt64 = 4096
    var spacing: UInt64 { Self.spacing(shape) }

    /// Of a message of the smallest size.
    static func spacing(_ shape: TestRing.Shape) -> UInt64 { shape == .total ? 32 : 24 }

    /// How many such messages go into the room that a producer opens at a time, an eighth of the lane.
    static func run(_ shape: TestRing.Shape) -> Int { Int(capacity / 8 / spacing(shape)) }

    /// Where the ring begins.
    var first: UInt64 {
        let before =
            switch fill {
            case .none: priorCount == 0 ? 0 : 2 * spacing
            case .run: UInt64(Self.run(shape)) * spacing
            case .few: (operation.side == .producer ? (operation == .attachProducer ? 2 : 3) : 0) * spacing
            case .nearly, .full: Self.capacity / 2
            }
        return switch position {
        case .start: 0
        case .edge: Self.capacity &- before &- 24 & ~7
        case .beyond: Self.capacity &- before &+ 48
        case .last: 0 &- before &- 24 & ~7
        }
    }

    /// Messages of the traced process come after those that were there, and before those that are sent when it is gone.
    static func order(ofPeers number: UInt32) -> UInt32 { 100_000 + number }
    static let orderAfterwards: UInt32 = 1_000_000

    /// Left out of the short form: what steps through the same code as another situation that is in it.
    var isRepetition: Bool {
        if operation.side == .name { return shape != .spsc }
        if isSymmetric || position == .last || fill == .nearly || fill == .run { return shape != .spsc }
        let ofOneLane: [Operation] = [
            .claim, .abandonedClaim, .abandonedBatch, .sendToFull, .dropProducer, .attachProducer, .receive, .receiveLast,
            .acknowledge, .closeConsumer, .dropConsumer, .attachConsumer,
        ]
        return shape == .mpsc && ofOneLane.contains(operation)
            || shape == .total && (prior == .closed || operation == .noteDeath || operation == .claim)
    }

    static let all: [Situation] = TestRing.Shape.allCases.flatMap { producers($0) + consumers($0) } + names

    private static func producers(_ shape: TestRing.Shape) -> [Situation] {
        var list: [Situation] = [
            .init(operation: .send, shape: shape, fill: .none, position: .start),
            .init(operation: .send, shape: shape),
            .init(operation: .send, shape: shape, position: .last),
            .init(operation: .send, shape: shape, fill: .nearly),
            .init(operation: .send, shape: shape, isSymmetric: true),
            .init(operation: .claim, shape: shape, fill: .none, position: .start),
            .init(operation: .claim, shape: shape),
            .init(operation: .abandonedClaim, shape: shape),
            .init(operation: .batch, shape: shape, fill: .none, position: .start),
            .init(operation: .batch, shape: shape),
            .init(operation: .batch, shape: shape, isSymmetric: true),
            .init(operation: .abandonedBatch, shape: shape),
            .init(operation: .sendToFull, shape: shape, fill: .full),
            .init(operation: .closeProducer, shape: shape, fill: .none, position: .start),
            .init(operation: .closeProducer, shape: shape),
            .init(operation: .closeProducer, shape: shape, fill: .full),
            .init(operation: .dropProducer, shape: shape),
        ]
        for isSymmetric in [false, true] {
            list.append(.init(operation: .waitForRoom, shape: shape, fill: .full, isSymmetric: isSymmetric))
            list.append(.init(operation: .send, shape: shape, fill: .none, isSymmetric: isSymmetric, hasSleeper: true))
        }
        list.append(.init(operation: .batch, shape: shape, fill: .none, hasSleeper: true))
        // A merging consumer that waits for its last producers sleeps on, and has counted what it read.
        if shape == .spsc { list.append(.init(operation: .closeProducer, shape: shape, fill: .none, hasSleeper: true)) }
        list.append(.init(operation: .send, shape: shape, fill: .run))
        for operation in [Operation.send, .claim, .batch, .abandonedBatch, .closeProducer, .dropProducer] {
            list.append(.init(operation: operation, shape: shape, fill: .run, position: .beyond))
        }
        for prior in [Prior.none, .closed, .died] {
            list.append(.init(operation: .attachProducer, shape: shape, fill: .none, prior: prior))
        }
        return list
    }

    private static func consumers(_ shape: TestRing.Shape) -> [Situation] {
        var list: [Situation] = [
            .init(operation: .receive, shape: shape),
            .init(operation: .receive, shape: shape, position: .last),
            .init(operation: .receiveLast, shape: shape),
            .init(operation: .receiveLast, shape: shape, isSymmetric: true),
            .init(operation: .drain, shape: shape, fill: .few),
            .init(operation: .drain, shape: shape, fill: .nearly),
            .init(operation: .acknowledge, shape: shape),
            .init(operation: .sleep, shape: shape, fill: .none),
            .init(operation: .sleep, shape: shape, fill: .none, isSymmetric: true),
            .init(operation: .closeConsumer, shape: shape),
            .init(operation: .dropConsumer, shape: shape),
        ]
        for prior in [Prior.none, .closed, .died] { list.append(.init(operation: .attachConsumer, shape: shape, prior: prior)) }
        if shape == .spsc {
            list.append(.init(operation: .readEnd, shape: shape))
            list.append(.init(operation: .readDeath, shape: shape))
        } else {
            list.append(.init(operation: .noteDeath, shape: shape, fill: .none))
        }
        if shape == .total { list.append(.init(operation: .clearTicketFloor, shape: shape, fill: .none)) }
        return list
    }

    private static let names: [Situation] =
        TestRing.Shape.allCases.flatMap { shape in
            [.create, .openOrCreate, .openExisting, .remove].map { .init(operation: $0, shape: shape, fill: .none, position: .start) }
        } + [.init(operation: .removeIfUnused, shape: .spsc, fill: .none, position: .start)]
}

import CTestSupport
import SharedRing

extension Peer {
    func runProducer() throws {
        let ring = try TestRing.open(name, shape, options)
        if operation == .attachProducer {
            ts_mark()
            note.life = .arriving
            var producer = try ring.makeProducer()
            note.life = .attached
            ts_mark()
            try send(&producer)
            ts_mark()
            return
        }
        var producer = try ring.makeProducer()
        note.life = .attached
        guard producer.lane == shape.lane else { return fail("it got lane \(producer.lane)") }
        try prepare(&producer)
        // Made before the mark: what is stepped through is the operation and little else.
        let messages = (0..<4).map { next(after: UInt32($0)) }
        let bytes = messages.enumerated().map { index, message in
            message.bytes(operation == .batch || operation == .abandonedBatch ? NumberedMessage.smallest + 5 * index : Operation.size)
        }
        ts_mark()
        switch operation {
        case .closeProducer:
            note.life = .leaving
            try producer.close()
            note.life = .closed
            ts_mark()
        case .dropProducer:
            drop(producer)
            ts_mark()
        default:
            try perform(&producer, messages, bytes)
            ts_mark()
            drop(producer)
        }
    }

    private func drop(_ producer: consuming Producer) {}

    private func prepare(_ producer: inout Producer) throws {
        switch fill {
        case .none: break
        case .few: for _ in 0..<3 { try send(&producer) }
        case .run: for _ in 0..<Situation.run(shape) { try send(&producer) }
        case .nearly: while producer.freeBytes >= Operation.size + 40 { try send(&producer) }
        case .full: while producer.freeBytes >= NumberedMessage.smallest { try send(&producer) }
        }
    }

    private func perform(_ producer: inout Producer, _ messages: [NumberedMessage], _ bytes: [[UInt8]]) throws {
        let lane = shape.lane
        let first = messages[0].number
        switch operation {
        case .send, .waitForRoom:
            note.begin(lane, through: first + 1, byteCount: bytes[0].count)
            try producer.send(bytes[0], tag: first, timeout: .seconds(20))
            note.finish(lane)
        case .sendToFull:
            let bytes = bytes[0]
            if try producer.trySend(bytes.span, tag: first) { fail("a full ring took a message") }
        case .claim:
            note.begin(lane, through: first + 1, byteCount: bytes[0].count)
            var claim = try producer.claim(byteCount: Operation.size + 24)
            var place = claim.bytes
            for index in 0..<place.byteCount {
                let byte = index < Operation.size ? bytes[0][index] : 0xff  // what is not committed is to leave no trace
                place.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
            }
            try claim.commit(byteCount: bytes[0].count, tag: first)
            note.finish(lane)
        case .abandonedClaim:
            var claim = try producer.claim(byteCount: Operation.size)
            var place = claim.bytes
            for index in 0..<place.byteCount { place.storeBytes(of: 0xff, toByteOffset: index, as: UInt8.self) }
        case .batch, .abandonedBatch:
            let byteCount = bytes.reduce(0) { $0 + $1.count }
            if operation == .batch { note.begin(lane, through: first + UInt32(messages.count), byteCount: byteCount) }
            var batch = producer.batch()
            for (message, bytes) in zip(messages, bytes) { try batch.append(bytes, tag: message.number) }
            if operation == .batch {
                batch.commit()
                note.finish(lane)
            }
        default: fail("it is no producer's operation")
        }
    }

    private func send(_ producer: inout Producer) throws {
        let message = next()
        let bytes = message.bytes()
        note.begin(shape.lane, through: message.number + 1, byteCount: bytes.count)
        try producer.send(bytes, tag: message.number, timeout: .zero)
        note.finish(shape.lane)
    }

    /// What is sent together has one place in the order.
    private func next(after count: UInt32 = 0) -> NumberedMessage {
        let number = note.low(shape.lane)
        return NumberedMessage(lane: UInt32(shape.lane), number: number + count, order: Situation.order(ofPeers: number))
    }
}

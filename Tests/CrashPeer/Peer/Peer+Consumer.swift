import CTestSupport
import SharedRing

extension Peer {
    func runConsumer<Source: Receiving & ~Copyable>(_ make: (Acknowledgement) throws(RingError) -> Source) throws {
        if operation == .attachConsumer {
            ts_mark()
            note.consumerLife = .arriving
            var source = try make(.automatic)
            note.consumerLife = .attached
            ts_mark()
            try receive(&source)
            ts_mark()
            return
        }
        var source = try make(operation == .acknowledge ? .manual : .automatic)
        note.consumerLife = .attached
        switch operation {
        case .acknowledge, .closeConsumer, .dropConsumer: for _ in 0..<3 { try receive(&source) }
        case .readEnd, .readDeath, .receiveLast:
            let kept: UInt32 = operation == .receiveLast ? 1 : 0
            while note.used(0) + note.used(1) + kept < note.low(0) + note.low(1) { try receive(&source) }
        default: break
        }
        ts_mark()
        switch operation {
        case .closeConsumer:
            note.consumerLife = .leaving
            try source.close()
            note.setAcknowledged()
            note.consumerLife = .closed
            ts_mark()
        case .dropConsumer:
            drop(source)
            note.setAcknowledged()
            ts_mark()
        default:
            try perform(&source)
            ts_mark()
        }
    }

    private func drop<Source: Receiving & ~Copyable>(_ source: consuming Source) {}

    private func perform<Source: Receiving & ~Copyable>(_ source: inout Source) throws {
        switch operation {
        case .receive, .sleep, .clearTicketFloor: try receive(&source)
        case .receiveLast:
            try receive(&source)
            note.setAcknowledged()
        case .drain: while note.used(0) + note.used(1) < note.low(0) + note.low(1) { try receive(&source) }
        case .acknowledge:
            try source.acknowledge()
            note.setAcknowledged()
        case .readEnd:
            if try source.next(timeout: .seconds(20)) != nil { fail("a message instead of the end") }
            note.reported = 1
            expect(.timedOut, of: &source)
            note.reported = 2
        case .readDeath:
            expect(.peerDied, of: &source)
            note.reported = 1
            expect(.timedOut, of: &source)
            note.reported = 2
        case .noteDeath:
            // The neighbour is there still. Nothing is kept before the end of all streams was reported, though the caller comes back.
            expect(.timedOut, of: &source)
            note.reported = 1
            expect(.timedOut, of: &source)
            note.reported = 2
        default: fail("it is no consumer's operation")
        }
    }

    private func expect<Source: Receiving & ~Copyable>(_ code: RingError.Code, of source: inout Source) {
        do throws(RingError) {
            let isMessage = try source.next(timeout: .zero) != nil
            fail(isMessage ? "a message instead of \(code)" : "the end instead of \(code)")
        } catch {
            if error.code != code { fail("\(error) instead of \(code)") }
        }
    }

    /// Notes a message as used only once its bytes were read: before that it must not be lost.
    private func receive<Source: Receiving & ~Copyable>(_ source: inout Source) throws {
        guard let message = try source.next(timeout: .seconds(20)) else { return fail("the end instead of a message") }
        let lane = message.lane
        if let message = NumberedMessage(message.array, tag: message.tag, lane: lane) {
            if message.number != note.used(lane) { fail("\(message) came, and \(note.used(lane)) was next in its lane") }
        } else {
            fail("a message in lane \(lane) is not as it was sent")
        }
        note.setUsed(lane, note.used(lane) + 1)
    }
}

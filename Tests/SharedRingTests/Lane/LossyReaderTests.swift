import TestPeer
import TestSupport
import Testing

@testable import SharedRing

/// A producer that writes into an array and keeps the protocol: it publishes how far it will write before it does. No reader holds it up.
private struct Publisher {
    var lane: WordLane
    var tail: UInt64
    var sent = LossyReader.Totals()
    var checkpoint: Checkpoint

    init(_ lane: WordLane, first: UInt64) {
        self.lane = lane
        tail = first
        checkpoint = Checkpoint(tail: first, messages: 0, byteCount: 0, writeLimit: first)
    }

    /// The tag says which message it is.
    mutating func send(_ byteCount: Int, stretch: UInt64) {
        let need = lane.shape.spacing(byteCount) &+ lane.shape.alignment
        if checkpoint.writeLimit &- tail < need || Int64(bitPattern: checkpoint.writeLimit &- tail) < 0 {
            checkpoint = Checkpoint(
                tail: tail, messages: sent.messages, byteCount: sent.byteCount,
                writeLimit: tail &+ min(need &+ stretch, lane.shape.capacity))
        }
        tail = lane.put([RecordHeader(byteCount: byteCount, tag: UInt32(sent.messages))], at: tail)
        sent = sent + LossyReader.Totals(messages: 1, byteCount: UInt64(byteCount))
    }
}

@Suite("What a lossy reader takes was not written over, and what it takes and what it misses is what was sent", .oneByOne)
struct LossyReaderTests {
    @Test("Beside a producer that overtakes it in the midst of a copy, at any length of stretch", arguments: 0..<12)
    func model(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        func below(_ count: UInt64) -> UInt64 { random.next() % count }
        let first = seed % 2 == 0 ? 0 : 0 &- 8192 as UInt64
        let (stretch, size) = (8 + below(1000), 1 + below(300))
        var publisher = Publisher(try WordLane(alignment: 8 << Int(seed % 3)), first: first)
        var reader = LossyReader(publisher.lane.shape, at: .init(first, sent: .init()))
        var seen = LossyReader.Totals()
        var kinds: Set<String> = []
        for _ in 0..<200 {
            for _ in 0..<below(60) { publisher.send(Int(below(size)), stretch: stretch) }
            let before = seen.messages
            var tags: [UInt32] = []
            let outcome = reader.step { walk in
                var totals = LossyReader.Totals()
                while case .message(let record) = walk.next({ publisher.lane[$0] }) {
                    totals.count(record)
                    tags.append(record.header.tag)
                    // Meanwhile the producer goes on, mostly by little and sometimes by laps.
                    if below(30) == 0 { for _ in 0..<below(400) { publisher.send(Int(below(size)), stretch: stretch) } }
                    if tags.count > 300 { break }
                }
                return totals
            } checkpoint: {
                publisher.checkpoint
            }
            switch outcome {
            case .copied(let totals):
                kinds.insert("copied")
                #expect(tags == (before..<before + totals.messages).map { UInt32($0) }, "seed \(seed)")
                seen = seen + totals
            case .overtaken(let miss):
                kinds.insert("missed")
                let missed = try #require(miss?.missed)
                #expect(missed.messages > 0 && miss?.mostMessages == missed.messages)
                seen = seen + missed
            case .lost: Issue.record("lost")
            }
            #expect(reader.place.sent == seen, "seed \(seed)")
        }
        #expect(kinds == ["copied", "missed"])
        // At rest, all the rest is taken.
        while reader.position != publisher.tail {
            let outcome = reader.step { walk in
                var totals = LossyReader.Totals()
                while case .message(let record) = walk.next({ publisher.lane[$0] }) { totals.count(record) }
                return totals
            } checkpoint: {
                publisher.checkpoint
            }
            switch outcome {
            case .copied(let totals): seen = seen + totals
            case .overtaken(let miss): seen = seen + (try #require(miss?.missed))
            case .lost: Issue.record("lost")
            }
        }
        #expect(seen == publisher.sent, "seed \(seed)")
    }

    /// A step that copies nothing.
    private func step(_ reader: inout LossyReader, _ checkpoint: Checkpoint?) -> LossyReader.Outcome {
        reader.step(copy: { _ in .init() }, checkpoint: { checkpoint })
    }

    @Test("The write limit decides to the byte: one capacity behind the position is whole, more is not") func limit() throws {
        let shape = try WordLane().shape
        for (bound, isWhole) in [(4096, true), (4104, false), (0, true), (UInt64.max - 7, true)] as [(UInt64, Bool)] {
            var reader = LossyReader(shape, at: .init(0, sent: .init()))
            let outcome = step(&reader, Checkpoint(tail: 64, messages: 4, byteCount: 32, writeLimit: bound))
            if isWhole {
                #expect(outcome == .copied(.init()) && reader.position == 0)
            } else {
                let missed = LossyReader.Totals(messages: 4, byteCount: 32)
                #expect(outcome == .overtaken(.init(position: 0, nextPosition: 64, missed: missed, mostMessages: 4)))
                #expect(reader.place == .init(64, sent: missed))
            }
        }
    }

    @Test("Where space is held, no checkpoint is asked; where there is nowhere to go on, the reader stays") func held() throws {
        let shape = try WordLane().shape
        var reader = LossyReader(shape, at: .init(0, sent: nil))
        #expect(step(&reader, nil) == .copied(.init()))
        let far = Checkpoint(tail: 8000, messages: 4, byteCount: 32, writeLimit: 9000)
        let nowhere = reader.step(copy: { _ in .init() }, checkpoint: { far }, resume: { _ in nil })
        #expect(nowhere == .lost)
        #expect(reader.position == 0)
        // Not counted before: a miss of at most so much.
        let miss = LossyReader.Miss(position: 0, nextPosition: 8000, missed: nil, mostMessages: 1000)
        #expect(step(&reader, far) == .overtaken(miss))
    }

    @Test("More messages than can stand in what was passed over are no producer's count, and not shown") func forgedCount() throws {
        var reader = LossyReader(try WordLane().shape, at: .init(0, sent: .init()))
        let miss = reader.goOn(at: .init(64, sent: .init(messages: 9, byteCount: 0)))
        #expect(miss == .init(position: 0, nextPosition: 64, missed: nil, mostMessages: 8))
        #expect(reader.goOn(at: .init(0, sent: nil)) == nil)
        #expect(reader.position == 0)
    }
}

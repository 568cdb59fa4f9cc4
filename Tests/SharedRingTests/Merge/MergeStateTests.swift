import TestSupport
import Testing

@testable import SharedRing

@Suite("A merging consumer's state, step by step", .oneByOne)
struct MergeStateTests {
    @Test("Owned, handed over and taken back: the cursor of whoever has it moves, and the owner gets the last one") func handOver() {
        var phase = MergePhase<Int>.owned
        #expect(phase.isOwned && phase.kept == nil)
        #expect(phase.move(to: 1), "the fast path's cursor is the owner's")
        #expect(phase.takeBack() == nil, "nothing was handed over")
        #expect(phase.handOver(1))
        #expect(!phase.isOwned && phase.kept == 1)
        #expect(!phase.handOver(7), "it is gone already")
        #expect(!phase.move(to: 2))
        #expect(!phase.move(to: 3))
        #expect(phase.kept == 3)
        #expect(phase.takeBack() == 3)
        #expect(phase.isOwned && phase.takeBack() == nil)
    }

    @Test("Once ended, nothing moves and nothing is taken back") func ended() {
        var phase = MergePhase<Int>.owned
        phase.end()
        #expect(phase.isEnded && !phase.isOwned)
        #expect(!phase.move(to: 1) && !phase.handOver(1) && phase.takeBack() == nil && phase.kept == nil)
        #expect(phase.isEnded)
    }

    private func word(_ verdict: EndOfStreams.Verdict) -> String {
        switch verdict {
        case .open: "open"
        case .ended: "ended"
        case .died(let error): "died: \(error.description.suffix(3))"
        case .unreadable: "unreadable"
        }
    }

    @Test("An end is told once for the same attachments, and not before enough have come") func ends() {
        var streams = EndOfStreams(ExpectedEnds(atLeast: 2, includingEarlier: false))
        #expect(word(streams.step(attachments: nil, isReadable: true)) == "open")
        #expect(word(streams.step(attachments: 1, isReadable: true)) == "open")
        #expect(word(streams.step(attachments: 2, isReadable: true)) == "ended")
        #expect(word(streams.step(attachments: 2, isReadable: true)) == "open")
        #expect(word(streams.step(attachments: nil, isReadable: true)) == "open")
        #expect(word(streams.step(attachments: 3, isReadable: true)) == "ended")
    }

    @Test("A death is told with the next end, once; what can't be read comes first; nobody is nobody's end") func deaths() {
        var streams = EndOfStreams(ExpectedEnds(atLeast: 0, includingEarlier: true))
        #expect(word(streams.step(attachments: 0, isReadable: true)) == "open")
        streams.note(RingError(.peerDied, ring: "r", "one"))
        streams.note(RingError(.peerDied, ring: "r", "two"))
        #expect(word(streams.step(attachments: 1, isReadable: false)) == "unreadable")
        #expect(word(streams.step(attachments: 2, isReadable: true)) == "died: two")
        #expect(streams.death == nil)
        #expect(word(streams.step(attachments: 3, isReadable: true)) == "ended")
        var never = EndOfStreams(nil)
        never.note(RingError(.peerDied, ring: "r", "one"))
        #expect(word(never.step(attachments: 9, isReadable: true)) == "open")
        #expect(never.death != nil)
    }
}

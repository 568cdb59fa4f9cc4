import TestSupport
import Testing

@testable import SharedRing

@Suite("A merging consumer's state, step by step", .oneByOne)
struct MergeStateTests {
    @Test("Owned, handed over and taken back: the cursor of the side that has it moves, and the owner gets the last one") func handOver() {
        var phase = MergePhase<Int>.owned
        #expect(phase.isOwned && phase.kept == nil)
        let (isFast, nothing) = (phase.move(to: 1), phase.takeBack())
        #expect(isFast, "the fast path's cursor is the owner's")
        #expect(nothing == nil, "nothing was handed over")
        let isShut = phase.handOver(1)
        #expect(isShut && !phase.isOwned && phase.kept == 1)
        let (isShutAgain, isSecond, isThird) = (phase.handOver(7), phase.move(to: 2), phase.move(to: 3))
        #expect(!isShutAgain && !isSecond && !isThird)
        #expect(phase.kept == 3)
        let (back, again) = (phase.takeBack(), phase.takeBack())
        #expect(back == 3 && again == nil)
        #expect(phase.isOwned)
    }

    @Test("Once ended, nothing moves and nothing is taken back") func ended() {
        var phase = MergePhase<Int>.owned
        phase.end()
        #expect(phase.isEnded && !phase.isOwned)
        let (isMoved, isShut, back) = (phase.move(to: 1), phase.handOver(1), phase.takeBack())
        #expect(!isMoved && !isShut && back == nil && phase.kept == nil)
        #expect(phase.isEnded)
    }

    /// What the steps come to, in words. Each is handed out.
    private func words(_ streams: inout EndOfStreams, _ steps: [(attachments: UInt64?, isReadable: Bool)]) -> [String] {
        var words: [String] = []
        for step in steps {
            switch streams.step(attachments: step.attachments, isReadable: step.isReadable) {
            case .open: words.append("open")
            case .ended: words.append("ended")
            case .died(let error): words.append("died: \(error.description.suffix(3))")
            case .unreadable: words.append("unreadable")
            }
            #expect(streams.isUnreported == (words.last != "open"))
            streams.report()
        }
        return words
    }

    @Test("An end is reported once for the same attachments, and not before enough have come") func ends() {
        var streams = EndOfStreams(ExpectedEnds(atLeast: 2, includingEarlier: false))
        let reported = words(&streams, [(nil, true), (1, true), (2, true), (2, true), (nil, true), (3, true)])
        #expect(reported == ["open", "open", "ended", "open", "open", "ended"])
    }

    @Test("A death is reported with the next end, once; what can't be read comes first; no producer is no end") func deaths() {
        var streams = EndOfStreams(ExpectedEnds(atLeast: 0, includingEarlier: true))
        let before = words(&streams, [(0, true)])
        streams.note(RingError(.peerDied, ring: "r", "one"))
        streams.note(RingError(.peerDied, ring: "r", "two"))
        let after = words(&streams, [(1, false), (2, true), (3, true)])
        #expect(before == ["open"] && after == ["unreadable", "died: two", "ended"])
        #expect(streams.death == nil)
        var never = EndOfStreams(nil)
        never.note(RingError(.peerDied, ring: "r", "one"))
        let none = words(&never, [(9, true)])
        #expect(none == ["open"] && never.death != nil)
    }

    @Test("What was found is reported when it is handed out, once; until then its death is there") func found() {
        var streams = EndOfStreams(ExpectedEnds(atLeast: 1, includingEarlier: false))
        #expect(!streams.isUnreported)
        streams.note(RingError(.peerDied, ring: "r", "one"))
        _ = streams.step(attachments: 1, isReadable: true)
        #expect(streams.isUnreported && streams.death != nil)
        streams.report()
        #expect(!streams.isUnreported && streams.death == nil)
        // What can't be read says nothing of the death: that is still to be reported.
        streams.note(RingError(.peerDied, ring: "r", "two"))
        _ = streams.step(attachments: 2, isReadable: false)
        streams.report()
        #expect(!streams.isUnreported && streams.death != nil)
    }
}

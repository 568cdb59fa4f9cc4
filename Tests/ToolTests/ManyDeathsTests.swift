import Foundation
import Glibc
import TestSupport
import Testing

/// Among many senders, one that dies costs no other process anything, is reported, and is reported once.
@Suite(.fewAtATime) struct ManyDeathsTests {
    @Test(arguments: [[], ["--order", "total"]], [[], ["--lanes", "5"]])
    func whatTheOthersSentIsThereBesideADeath(order: [String], lanes: [String]) throws {
        let space = try Workspace()
        // With an order, the ring is made by `create`, and stays.
        let stays = lanes.isEmpty
        let options = stays ? [] : lanes + order
        if stays { #expect(try ToolProcess(["create", "r", "--lanes", "5"] + order, in: space).end().status == 0) }
        let receiver = try ToolProcess(["receive", "r", "--lines", "--senders", "4"] + options, in: space)
        #expect(eventually { space.traces == ["r"] })

        let victim = try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe)
        try victim.input!.write(contentsOf: signedLines(of: 9, 1...1000))
        let others = try (0..<3).map { sender in
            try ToolProcess(["send", "r", "--lines"], in: space, input: .data(signedLines(of: sender, 1...10_000)))
        }
        // All have a lane by now, so no sender takes the victim's over.
        #expect(eventually { numbersBySender(receiver.written).count == 4 && numbersBySender(receiver.written)[9]?.count == 1000 })
        victim.send(SIGKILL)
        for sender in others { #expect(sender.end().status == 0) }
        let end = receiver.end()
        #expect(end.status == 3)
        #expect(end.errors.contains("process \(victim.id) "))
        let received = numbersBySender(receiver.written)
        #expect(received.keys.sorted() == [0, 1, 2, 9])
        for sender in 0..<3 { #expect(isRun(received[sender] ?? [], from: 1, to: 10_000)) }
        #expect(isRun(received[9] ?? [], from: 1, to: 1000))
        #expect(space.traces == (stays ? ["r"] : []))
    }

    @Test func aDeathIsNotedAndReceptionGoesOn() throws {
        let space = try Workspace()
        let receiver = try ToolProcess(["receive", "r", "--lines", "--lanes", "4"], in: space)
        #expect(eventually { space.traces == ["r"] })
        for deaths in 1...2 {
            let before = receiver.written.count
            let victim = try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe)
            try victim.input!.write(contentsOf: Data("a\n".utf8))
            #expect(eventually { receiver.written.count == before + 2 })
            victim.send(SIGKILL)
            #expect(eventually { receiver.errors.contains("went away without closing, \(deaths) in all") })
        }
        #expect(try ToolProcess.run("send", "r", "--lines", "--drain", in: space, input: Data("b\n".utf8)).end.status == 0)
        #expect(receiver.written == Data("a\na\nb\n".utf8))
        receiver.send(SIGTERM)
        receiver.end()

        // Both were reported, and that is kept: the next receiver hears only of what comes then.
        let next = try ToolProcess.run("receive", "r", "--timeout", "300ms", in: space)
        #expect(next.end == .init(status: 4, errors: "sharedring: ring 'r': no message within 300ms\n"))
    }

    @Test func onARingForOneTheOtherStreamsAreReceivedToo() throws {
        let space = try Workspace()
        let receiver = try ToolProcess(["receive", "r", "--senders", "2"], in: space)
        let victim = try ToolProcess(["send", "r"], in: space, input: .pipe)
        try victim.input!.write(contentsOf: Data("a".utf8))
        #expect(eventually { receiver.written == Data("a".utf8) })
        victim.send(SIGKILL)
        victim.end()
        #expect(try ToolProcess.run("send", "r", in: space, input: Data("b".utf8)).end.status == 0)
        let end = receiver.end()
        #expect(end.status == 3)
        #expect(end.errors.contains("without closing"))
        #expect(receiver.written == Data("ab".utf8))
        #expect(space.traces == [])
    }

    /// A ring that stays: the receiver after the one that got it waits for a new sender.
    @Test(arguments: [[], ["--lanes", "2"]])
    func aDeathIsReportedToOneReceiverOnly(lanes: [String]) throws {
        let space = try Workspace()
        #expect(try ToolProcess(["create", "r"] + lanes, in: space).end().status == 0)
        let victim = try ToolProcess(["send", "r"], in: space, input: .pipe)
        #expect(eventually { (try? RingInfo("r", in: space).number("producers_attached")) == 1 })
        victim.send(SIGKILL)
        victim.end()
        func senders(_ count: Int) -> [String] { lanes.isEmpty ? [] : ["--senders", "\(count)"] }
        #expect(try ToolProcess(["receive", "r"] + senders(1), in: space).end().status == 3)

        let idle = try ToolProcess(["receive", "r", "--timeout", "400ms"] + senders(1), in: space)
        #expect(idle.end() == .init(status: 4, errors: "sharedring: ring 'r': no message within 400ms\n"))
        let next = try ToolProcess(["receive", "r"] + senders(1), in: space)
        #expect(eventually { (try? RingInfo("r", in: space).consumer.id) == next.id })
        #expect(try ToolProcess.run("send", "r", in: space, input: Data("b".utf8)).end.status == 0)
        // Its successor marks the death that was reported already.
        #expect(next.end() == .init(status: 0, errors: ""))
        #expect(next.written == Data("b".utf8))
    }
}

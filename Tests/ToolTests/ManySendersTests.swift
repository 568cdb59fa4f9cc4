import Foundation
import Glibc
import TestSupport
import Testing

/// Rings with lanes: many senders at once, one receiver, and each sender's data whole and in order.
@Suite(.fewAtATime) struct ManySendersTests {
    @Test(
        arguments: [[], ["--order", "total"], ["--capacity", "4K"], ["--wait", "sleep"]],
        [true, false])
    func everySendersLinesArriveCompleteAndInOrder(options: [String], receiverFirst: Bool) throws {
        let space = try Workspace()
        let last = Int(soaking: 8_000)
        func receive() throws -> ToolProcess {
            try ToolProcess(["receive", "r", "--lines", "--lanes", "8", "--senders", "6"] + options, in: space)
        }
        let early = receiverFirst ? try receive() : nil
        let senders = try (0..<6).map { sender in
            try ToolProcess(
                ["send", "r", "--lines", "--lanes", "8"] + options, in: space, input: .data(signedLines(of: sender, 1...last)))
        }
        let receiver = try early ?? receive()
        for sender in senders { #expect(sender.end() == .init(status: 0, errors: "")) }
        #expect(receiver.end() == .init(status: 0, errors: ""))
        let received = numbersBySender(receiver.written)
        #expect(received.keys.sorted() == Array(0..<6))
        for (_, numbers) in received { #expect(isRun(numbers, from: 1, to: last)) }
        #expect(space.traces == [])
    }

    /// A sender without `--lanes` takes the ring as it is.
    @Test func bothSidesFindOutWhatTheRingIs() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--lanes", "3", in: space).end.status == 0)
        let receiver = try ToolProcess(["receive", "r", "--senders", "3"], in: space)
        let senders = try (0..<3).map { _ in try ToolProcess(["send", "r", "--frames"], in: space, input: .pipe) }
        for sender in senders { try sender.input!.write(contentsOf: Data([2, 0, 0, 0, 65, 66])) }
        // All three at once, and none of them has ended.
        #expect(eventually { receiver.written == Data("ABABAB".utf8) })
        for sender in senders { try sender.closeInput() }
        for sender in senders { #expect(sender.end() == .init(status: 0, errors: "")) }
        #expect(receiver.end() == .init(status: 0, errors: ""))
        #expect(space.traces == ["r"])
    }

    /// There is no receiver while the senders take turns, each with a lane of its own; still it is their turns that come out.
    @Test func aTotalOrderIsThatOfSending() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--lanes", "3", "--order", "total", in: space).end.status == 0)
        let senders = try (0..<3).map { _ in try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe) }
        #expect(eventually { (try? RingInfo("r", in: space).number("producers_attached")) == 3 })
        var before = 0
        for turn in 0..<24 {
            try senders[turn * 7 % 3].input!.write(contentsOf: Data("\(turn)\n".utf8))
            #expect(eventually { (try? RingInfo("r", in: space).number("backlog")).flatMap { $0 } ?? 0 > before })
            before = try #require(try RingInfo("r", in: space).number("backlog"))
        }
        for sender in senders { try sender.closeInput() }
        let receiver = try ToolProcess.run("receive", "r", "--lines", "--senders", "3", in: space)
        #expect(receiver.end == .init(status: 0, errors: ""))
        #expect(isRun(numbers(receiver.output), from: 0, to: 23))
    }

    @Test func moreSendersThanLanesAreRefusedWithTheHolders() throws {
        let space = try Workspace()
        let first = try ToolProcess(["send", "r", "--lanes", "2"], in: space, input: .pipe)
        #expect(eventually { space.traces == ["r"] })
        let second = try ToolProcess(["send", "r"], in: space, input: .pipe)
        #expect(eventually { (try? RingInfo("r", in: space).number("producers_attached")) == 2 })
        let third = try ToolProcess.run("send", "r", in: space)
        #expect(third.end.status == 1)
        #expect(third.end.errors.contains("process \(first.id) ") && third.end.errors.contains("process \(second.id) "))
        #expect(third.end.errors.contains("2 lanes"))
        // When one has gone there is room again.
        try first.closeInput()
        #expect(first.end().status == 0)
        #expect(try ToolProcess.run("send", "r", in: space).end.status == 0)
        try second.closeInput()
        #expect(try ToolProcess.run("receive", "r", "--senders", "3", in: space).end.status == 0)
        #expect(second.end().status == 0)
        #expect(space.traces == [])
    }

    @Test func aSecondSenderOnARingForOneHearsOfLanes() throws {
        let space = try Workspace()
        let first = try ToolProcess(["send", "r"], in: space, input: .pipe)
        #expect(eventually { (try? RingInfo("r", in: space).number("producers_attached")) == 1 })
        let second = try ToolProcess.run("send", "r", in: space)
        #expect(second.end.status == 1)
        #expect(second.end.errors.contains("process \(first.id) ") && second.end.errors.contains("'--lanes'"))
    }

    @Test func lanesCountOnlyForANewRing() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "many", "--lanes", "2", in: space).end.status == 0)
        #expect(try ToolProcess.run("create", "one", in: space).end.status == 0)
        #expect(try ToolProcess.run("send", "many", "--lanes", "2", in: space).end == .init(status: 0, errors: ""))
        for (ring, options, fact) in [
            ("many", ["--lanes", "3"], "2 lanes in per-producer order"), ("many", ["--lanes", "2", "--order", "total"], "2 lanes"),
            ("one", ["--lanes", "3"], "one lane"),
        ] {
            let end = try ToolProcess(["send", ring] + options, in: space).end()
            #expect(end.status == 0)
            #expect(end.errors.contains(fact) && end.errors.contains("only for a new one"))
        }
    }

    @Test func withoutSendersAReceiverOfManyGoesOnUntilItIsInterrupted() throws {
        let space = try Workspace()
        let receiver = try ToolProcess(["receive", "r", "--lines", "--lanes", "4"], in: space)
        #expect(eventually { space.traces == ["r"] })
        for text in ["one", "two", "three"] {
            #expect(try ToolProcess.run("send", "r", "--lines", "--drain", in: space, input: Data(text.utf8)).end.status == 0)
        }
        // Drained is acknowledged, and that comes after writing.
        #expect(receiver.written == Data("one\ntwo\nthree\n".utf8))
        receiver.send(SIGINT)
        #expect(receiver.end() == .init(status: 130, errors: ""))
        #expect(space.traces == ["r"])
    }

    @Test func aReceiverOfManyGivesUpAfterItsTimeout() throws {
        let space = try Workspace()
        let receiver = try ToolProcess.run("receive", "r", "--lanes", "4", "--timeout", "100ms", in: space)
        #expect(receiver.end == .init(status: 4, errors: "sharedring: ring 'r': no message within 100ms\n"))
        #expect(space.traces == [])
    }

    // MARK: --senders on a ring for one

    @Test(arguments: [[], ["--keep"]], [[], ["--lines"]])
    func streamsOneAfterTheOtherAreOneWithSenders(keep: [String], format: [String]) throws {
        let space = try Workspace()
        let receiver = try ToolProcess(["receive", "r", "--senders", "3"] + keep + format, in: space)
        for text in ["one\n", "", "three\n"] {
            #expect(try ToolProcess(["send", "r"] + format, in: space, input: .data(Data(text.utf8))).end().status == 0)
        }
        #expect(receiver.end() == .init(status: 0, errors: ""))
        #expect(receiver.written == Data("one\nthree\n".utf8))
        #expect(space.traces == (keep.isEmpty ? [] : ["r"]))
    }

    /// Senders that went before their receiver count; those of an earlier receiver's do not, unless asked for.
    @Test(arguments: [[], ["--lanes", "3"]])
    func sendersThatWentBeforeAreCountedOnce(lanes: [String]) throws {
        let space = try Workspace()
        #expect(try ToolProcess(["create", "r"] + lanes, in: space).end().status == 0)
        for run in ["1", "2"] {
            for text in ["a", "b"] {
                #expect(try ToolProcess.run("send", "r", in: space, input: Data((text + run).utf8)).end == .init(status: 0, errors: ""))
            }
            let receiver = try ToolProcess.run("receive", "r", "--senders", "2", in: space)
            #expect(receiver.end == .init(status: 0, errors: ""))
            #expect(receiver.output == Data("a\(run)b\(run)".utf8))
        }
        let all = try ToolProcess.run("receive", "r", "--senders-ever", "4", in: space)
        #expect(all.end.status == 0)
        #expect(all.end.errors.contains("has had 4 senders"))
        #expect(all.output == Data())
        // And one more.
        let waiting = try ToolProcess(["receive", "r", "--senders", "1"], in: space)
        #expect(try ToolProcess.run("send", "r", in: space, input: Data("c".utf8)).end.status == 0)
        #expect(waiting.end() == .init(status: 0, errors: ""))
        #expect(waiting.written == Data("c".utf8))
        #expect(try ToolProcess.run("receive", "r", "--senders", "1", "--senders-ever", "1", in: space).end.status == 2)
    }

    @Test(arguments: [[], ["--lanes", "3"]])
    func eachSendersEndIsALineIfAskedFor(lanes: [String]) throws {
        let space = try Workspace()
        let receiver = try ToolProcess(["receive", "r", "--senders", "2", "--ends"] + lanes, in: space)
        #expect(eventually { space.traces == ["r"] })
        let victim = try ToolProcess(["send", "r"], in: space, input: .pipe)
        try victim.input!.write(contentsOf: Data("x".utf8))
        #expect(eventually { receiver.written == Data("x".utf8) })
        victim.send(SIGKILL)
        victim.end()
        #expect(eventually { receiver.errors.contains("process \(victim.id) (sharedring) went away without closing\n") })
        let other = try ToolProcess(["send", "r"], in: space, input: .data(Data("y".utf8)))
        #expect(other.end().status == 0)
        #expect(receiver.end().status == 3)
        #expect(receiver.errors.contains("process \(other.id) (sharedring) closed\n"))
        #expect(receiver.written == Data("xy".utf8))
    }
}

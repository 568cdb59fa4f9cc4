import Foundation
import Glibc
import TestSupport
import Testing

/// A process that dies loses nothing that was committed, and a cut-off stream is never taken for a whole one.
@Suite(.fewAtATime) struct DeathTests {
    @Test(arguments: [[], ["--lines"], ["--wait", "spin"]])
    func afterTheDeathOfTheSenderAllItCommittedIsDelivered(options: [String]) throws {
        let space = try Workspace()
        let data = numberedLines(1...30_000)
        let sender = try ToolProcess(["send", "r"] + options, in: space, input: .pipe)
        let receiver = try ToolProcess(["receive", "r"] + options, in: space)
        try sender.input!.write(contentsOf: data)
        #expect(eventually { receiver.written.count == data.count })
        sender.send(SIGKILL)
        sender.end()
        let end = receiver.end()
        #expect(end.status == 3)
        #expect(end.errors.contains("process \(sender.id)"))
        #expect(receiver.written == data)
        #expect(space.traces == [])
    }

    @Test func aSenderKilledInTheMidstLeavesWholeMessages() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r", "--lines"], in: space, input: .data(numberedLines(1...2_000_000)))
        let receiver = try ToolProcess(["receive", "r", "--lines"], in: space, outputToPipe: true)
        // The pipe is full and the ring too while the reader stands still, so the sender is in the midst of it.
        var output = try receiver.output!.read(upToCount: 1000)!
        sender.send(SIGKILL)
        #expect(sender.end().status == nil)
        output += try receiver.output!.readToEnd() ?? Data()
        #expect(receiver.end().status == 3)
        let received = numbers(output)
        #expect(output.last == 10)
        #expect(isRun(received, from: 1, to: received.count))
        #expect(space.traces == [])
    }

    @Test(arguments: [[], ["--timeout", "200ms"]])
    func aSenderThatDiedBeforeTheReceiverCameIsReportedToo(options: [String]) throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r"], in: space, input: .pipe)
        try sender.input!.write(contentsOf: Data("abc".utf8))
        #expect(eventually { space.traces == ["r"] })
        #expect(eventually { isInputRead(sender) })
        sender.send(SIGKILL)
        sender.end()
        let receiver = try ToolProcess(["receive", "r"] + options, in: space)
        #expect(receiver.end().status == 3)
        // Read is not yet committed, so it may have died in between.
        #expect([Data("abc".utf8), Data()].contains(receiver.written))
        #expect(space.traces == [])
    }

    private func isInputRead(_ process: ToolProcess) -> Bool {
        var waiting: Int32 = 0
        return ioctl(process.input!.fileDescriptor, UInt(FIONREAD), &waiting) == 0 && waiting == 0
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func aSignalEndsTheSenderWithoutClosing(signal: Int32) throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r"], in: space, input: .pipe)
        let receiver = try ToolProcess(["receive", "r"], in: space)
        try sender.input!.write(contentsOf: Data("abc".utf8))
        #expect(eventually { receiver.written.count == 3 })
        sender.send(signal)
        #expect(sender.end() == .init(status: 128 + signal, errors: ""))
        #expect(receiver.end().status == 3)
        #expect(receiver.written == Data("abc".utf8))
        #expect(space.traces == [])
    }

    @Test(arguments: [SIGKILL, SIGTERM])
    func theNextReceiverGoesOnWithTheFirstUnacknowledgedMessage(signal: Int32) throws {
        let space = try Workspace()
        let last = 200_000
        let sender = try ToolProcess(["send", "r", "--lines", "--capacity", "64K"], in: space, input: .data(numberedLines(1...last)))
        let first = try ToolProcess(["receive", "r", "--lines", "--capacity", "64K"], in: space, outputToPipe: true)
        var output = try first.output!.read(upToCount: 1000)!
        first.send(signal)
        #expect(first.end().status == (signal == SIGKILL ? nil : 128 + signal))
        output += try first.output!.readToEnd() ?? Data()
        // The sender hears of it, and waits on.
        #expect(eventually { sender.errors.contains("process \(first.id)") && sender.errors.contains("waiting for the next one") })

        let second = try ToolProcess(["receive", "r", "--lines"], in: space)
        #expect(second.end() == .init(status: 0, errors: ""))
        #expect(sender.end().status == 0)
        let before = numbers(output)
        let after = numbers(second.written)
        #expect(isRun(before, from: 1, to: before.count))
        let start = try #require(after.first)
        #expect(start <= before.count + 1)
        #expect(isRun(after, from: start, to: last))
        #expect(space.traces == [])
    }

    @Test func aClosedOutputLeavesWhatWasNotWrittenInTheRing() throws {
        let space = try Workspace()
        let data = numberedLines(1...30_000)
        #expect(try ToolProcess.run("send", "r", "--lines", "--capacity", "2M", in: space, input: data).end.status == 0)
        let receiver = try ToolProcess(["receive", "r", "--lines"], in: space, outputToPipe: true)
        let beginning = try receiver.output!.read(upToCount: 10)!
        try receiver.output!.close()
        #expect(receiver.end() == .init(status: 0, errors: ""), "that no process reads on is no error")
        #expect(beginning == data.prefix(10))

        // Its one write did not succeed, so all is still there.
        let (next, output) = try ToolProcess.run("receive", "r", "--lines", in: space)
        #expect(next.status == 0)
        #expect(output == data)
        #expect(space.traces == [])
    }

    @Test func anErrorOfTheSenderCutsTheStreamOff() throws {
        let space = try Workspace()
        let input = Data("one\n".utf8) + Data(repeating: 120, count: 5000) + Data("\ntwo\n".utf8)
        let sender = try ToolProcess.run("send", "r", "--lines", "--capacity", "4K", in: space, input: input)
        #expect(
            sender.end == .init(status: 1, errors: "sharedring: a line has 5000 bytes, and the largest message of this ring has 4072\n"))
        let receiver = try ToolProcess.run("receive", "r", "--lines", in: space)
        #expect(receiver.end.status == 3)
        #expect(receiver.output == Data("one\n".utf8))
        #expect(space.traces == [])
    }

    @Test(
        arguments: [
            ([1, 0, 0, 0, 65, 9, 0], "its header has 4 bytes, of which 2 came"),
            ([1, 0, 0, 0, 65, 9, 0, 0, 0, 66], "it has 9 bytes, of which 1 came"),
            ([1, 0, 0, 0, 65, 255, 255, 255, 255], "4294967295 bytes"),
        ] as [([UInt8], String)])
    func aWrongFrameIsAnError(_ frames: [UInt8], _ reason: String) throws {
        let space = try Workspace()
        let sender = try ToolProcess.run("send", "r", "--frames", in: space, input: Data(frames))
        #expect(sender.end.status == 1)
        #expect(sender.end.errors.contains(reason))
        let receiver = try ToolProcess.run("receive", "r", in: space)
        #expect(receiver.end.status == 3)
        #expect(receiver.output == Data("A".utf8))
    }
}

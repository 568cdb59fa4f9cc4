import Foundation
import Glibc
import TestSupport
import Testing

/// What a receiver has written is acknowledged, and what it has not is there for the next one, however it is ended.
@Suite(.fewAtATime) struct SignalTests {
    /// A command whose output takes a pipe's worth and no more, so that it is in the midst of a write.
    private func stuck(_ words: [String], in space: Workspace) throws -> ToolProcess {
        let process = try ToolProcess(words, in: space, outputToPipe: true)
        let pipe = process.output!.fileDescriptor
        let capacity = fcntl(pipe, 1032)  // F_GETPIPE_SZ
        #expect(
            eventually {
                var waiting: Int32 = 0
                // A write of whole pages may leave a part of the last one.
                return ioctl(pipe, UInt(FIONREAD), &waiting) == 0 && waiting > capacity - 4096
            })
        return process
    }

    /// What is read of a receiver that gets a signal in the midst of a write, and how it ends.
    ///
    /// The rest of the message that was begun is waited for, but for a second at most: where this process did not get to read in that time, that message may
    /// come again. `isInTime` is whether it did for sure.
    private func rest(of receiver: ToolProcess, after signal: Int32) throws -> (data: Data, end: ToolProcess.End, isInTime: Bool) {
        let start = ContinuousClock.now
        receiver.send(signal)
        let data = try receiver.output!.readToEnd() ?? Data()
        return (data, receiver.end(), start.duration(to: .now) < .milliseconds(900))
    }

    @Test(
        arguments: [SIGINT, SIGTERM],
        [["--lines"], ["--frames"], ["--bytes", "100"]])
    func whatWasWrittenBeforeASignalDoesNotComeAgain(signal: Int32, format: [String]) throws {
        let space = try Workspace()
        var data = Data()
        if format == ["--frames"] {
            for number in 1...30_000 { data += Data([UInt8(number % 20 + 1), 0, 0, 0]) + randomData(number % 20 + 1) }
        } else {
            data = numberedLines(1...60_000)
        }
        let sender = try ToolProcess(["send", "r", "--capacity", "8M"] + format, in: space, input: .data(data))
        #expect(sender.end() == .init(status: 0, errors: ""))
        let first = try stuck(["receive", "r"] + format, in: space)
        let (before, end, isInTime) = try rest(of: first, after: signal)
        #expect(end == .init(status: 128 + signal, errors: ""))
        #expect(before.count < data.count, "it ended before the stream")
        #expect(try RingInfo("r", in: space).consumer.presence == "closed")
        let next = try ToolProcess(["receive", "r"] + format, in: space)
        #expect(next.end() == .init(status: 0, errors: ""))
        // Of the message that was cut off, if one was, at most what a message of these formats has.
        let repeated = before.count + next.written.count - data.count
        #expect((0...(isInTime ? 0 : 100)).contains(repeated), "\(before.count) + \(next.written.count) of \(data.count) bytes")
        #expect(before.dropLast(max(0, repeated)) + next.written == data)
    }

    /// As timeout(1) and a closing terminal send them.
    @Test func twoSignalsInAMomentAreOneRequest() throws {
        let space = try Workspace()
        let data = numberedLines(1...60_000)
        #expect(try ToolProcess.run("send", "r", "--lines", "--capacity", "8M", in: space, input: data).end.status == 0)
        let first = try stuck(["receive", "r", "--lines"], in: space)
        // Stopped, it gets both at once, however busy the machine is.
        first.send(SIGSTOP)
        first.send(SIGTERM)
        first.send(SIGINT)
        first.send(SIGCONT)
        let before = try first.output!.readToEnd() ?? Data()
        #expect([128 + SIGTERM, 128 + SIGINT].contains(first.end().status))
        let next = try ToolProcess.run("receive", "r", "--lines", in: space)
        #expect(next.end.status == 0)
        #expect(before + next.output == data, "\(before.count) + \(next.output.count) of \(data.count) bytes")
    }

    @Test(arguments: [[], ["--order", "total"]]) func soItIsInEachOfManyLanes(order: [String]) throws {
        let space = try Workspace()
        #expect(try ToolProcess(["create", "r", "--lanes", "3", "--capacity", "4M"] + order, in: space).end().status == 0)
        let senders = try (0..<3).map { sender in
            try ToolProcess(["send", "r", "--lines"], in: space, input: .data(signedLines(of: sender, 1...20_000)))
        }
        for sender in senders { #expect(sender.end() == .init(status: 0, errors: "")) }
        let first = try stuck(["receive", "r", "--lines"], in: space)
        let (data, end, isInTime) = try rest(of: first, after: SIGTERM)
        #expect(end.status == 128 + SIGTERM)
        #expect(data.last == 10 || !isInTime, "a whole line")
        let before = data.prefix(through: try #require(data.lastIndex(of: 10)))
        let count = before.count { $0 == 10 }

        let next = try ToolProcess(["receive", "r", "--lines"], in: space)
        #expect(eventually { next.written.count { $0 == 10 } >= 60_000 - count })
        next.send(SIGINT)
        #expect(next.end().status == 128 + SIGINT)
        for (sender, numbers) in numbersBySender(before + next.written) {
            #expect(isRun(numbers, from: 1, to: 20_000), "sender \(sender): \(numbers.count) lines")
        }
    }

    @Test func aSubscriberOfANameGoesOnBehindWhatWasWritten() throws {
        let space = try Workspace()
        let data = numberedLines(1...60_000)
        let words = ["--subscribe", "durable", "--as", "audit", "--lines"]
        #expect(try ToolProcess(["create", "r", "--broadcast", "--capacity", "8M"], in: space).end().status == 0)
        // Its place is kept from then on.
        #expect(try ToolProcess(["receive", "r", "--timeout", "1ms"] + words, in: space).end().status == 4)
        #expect(try ToolProcess(["send", "r", "--lines"], in: space, input: .data(data)).end() == .init(status: 0, errors: ""))
        let first = try stuck(["receive", "r"] + words, in: space)
        let (before, end, isInTime) = try rest(of: first, after: SIGTERM)
        #expect(end == .init(status: 128 + SIGTERM, errors: ""))
        #expect(before.count < data.count, "it ended before the stream")
        let next = try ToolProcess(["receive", "r"] + words, in: space)
        #expect(next.end() == .init(status: 0, errors: ""))
        let repeated = before.count + next.written.count - data.count
        #expect((0...(isInTime ? 0 : 6)).contains(repeated) && before.dropLast(max(0, repeated)) + next.written == data)
    }

    /// The rest of a line can't be waited for without end; then the whole line comes again.
    @Test func anOutputThatIsStuckHoldsNobodyUp() throws {
        let space = try Workspace()
        let data = numberedLines(1...60_000)
        #expect(try ToolProcess.run("send", "r", "--lines", "--capacity", "8M", in: space, input: data).end.status == 0)
        let first = try stuck(["receive", "r", "--lines"], in: space)
        first.send(SIGTERM)
        #expect(first.end().status == 128 + SIGTERM)
        let before = numbers(try first.output!.readToEnd() ?? Data())
        let after = numbers(try ToolProcess.run("receive", "r", "--lines", in: space).output)
        #expect(isRun(before + after, from: 1, to: 60_000))
    }

    @Test func aSecondSignalEndsItOnTheSpot() throws {
        let space = try Workspace()
        #expect(
            try ToolProcess.run("send", "r", "--lines", "--capacity", "8M", in: space, input: numberedLines(1...60_000)).end.status == 0)
        let first = try stuck(["receive", "r", "--lines"], in: space)
        // The first asks; it may take a second to do what is asked. The second, whenever it comes, does not.
        #expect(
            eventually {
                first.send(SIGTERM)
                return (try? RingInfo("r", in: space).consumer.presence) != "attached"
            })
        #expect(first.end().status == 128 + SIGTERM)
    }

    /// What only shows something is not asked twice either.
    @Test(arguments: [["tap", "r"], ["board", "watch", "b", "--raw"]])
    func anOutputThatIsStuckKeepsNothingFromItsEnd(words: [String]) throws {
        let space = try Workspace()
        #expect(
            try ToolProcess.run("send", "r", "--lines", "--capacity", "8M", in: space, input: numberedLines(1...60_000)).end.status == 0)
        #expect(try ToolProcess.run("board", "create", "b", "value=1M", in: space).end.status == 0)
        #expect(try ToolProcess.run("board", "set", "b", "value", in: space, input: randomData(1 << 20)).end.status == 0)
        let shows = try stuck(words, in: space)
        shows.send(SIGINT)
        #expect(shows.end() == .init(status: 0, errors: ""))
    }

    @Test func aReaderThatHasEnoughIsNoError() throws {
        let space = try Workspace()
        #expect(
            try ToolProcess.run("send", "r", "--lines", "--capacity", "8M", in: space, input: numberedLines(1...60_000)).end.status == 0)
        for command in ["receive r --lines", "tap r --seconds 0", "receive r"] {
            let (end, output) = try ToolProcess.shell("sharedring \(command) | head -c 10 >/dev/null; echo ${PIPESTATUS[0]}", in: space)
            #expect(end == .init(status: 0, errors: "") && output == Data("0\n".utf8), "\(command)")
        }
        // Nothing is lost but what was read.
        let rest = numbers(try ToolProcess.run("receive", "r", "--lines", in: space).output)
        #expect(isRun(rest, from: rest.first ?? 0, to: 60_000) && rest.count > 30_000)
    }
}

import Foundation
import Glibc
import TestSupport
import Testing

/// `tap` shows what passes, and changes nothing for those who send and receive.
@Suite(.fewAtATime) struct TapTests {
    @Test func aSlowStreamIsSeenWholeAndReceivedWhole() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe)
        var last = 0
        func sendNext() throws {
            last += 1
            try sender.input!.write(contentsOf: Data("\(last)\n".utf8))
        }
        try sendNext()
        #expect(eventually { (try? RingInfo("r", in: space))?.number("backlog") == 16 })
        let tap = try ToolProcess(["tap", "r"], in: space)
        // Only now comes the receiver, which gives back what the tap is to see.
        #expect(eventually { numbers(tap.written) == [1] })
        let late = try ToolProcess(["tap", "r", "--from-tail", "--count", "3"], in: space)
        let receiver = try ToolProcess(["receive", "r", "--lines"], in: space)
        // Whenever that tap comes, something passes then.
        #expect(
            try eventually {
                try sendNext()
                return !late.written.isEmpty
            })
        for _ in 0..<6 {
            for _ in 0..<50 { try sendNext() }
            // The next go only when these were received: a stream that no tap is too slow for.
            #expect(eventually { numbers(receiver.written).count == last && numbers(tap.written).count == last })
        }
        try sender.closeInput()
        #expect(sender.end().status == 0)
        #expect(receiver.end() == .init(status: 0, errors: ""))
        // The receiver removes the ring, and with it the tap ends.
        #expect(tap.end() == .init(status: 0, errors: ""))
        #expect(isRun(numbers(tap.written), from: 1, to: last) && isRun(numbers(receiver.written), from: 1, to: last))
        #expect(late.end().status == 0)
        let seen = numbers(late.written)
        #expect(seen.count == 3 && isRun(seen, from: seen[0], to: seen[0] + 2))
        #expect(space.traces == [])
    }

    @Test func aStreamThatLapsItIsMissedInPartAndSaidToBe() throws {
        let space = try Workspace()
        let last = 200_000
        #expect(try ToolProcess.run("create", "r", "--capacity", "64K", in: space).end.status == 0)
        let sender = try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe)
        try sender.input!.write(contentsOf: Data("0\n".utf8))
        let tap = try ToolProcess(["tap", "r"], in: space)
        #expect(eventually { numbers(tap.written) == [0] })
        tap.send(SIGSTOP)
        let receiver = try ToolProcess(["receive", "r", "--lines"], in: space)
        let input = sender.input!
        let feeding = Thread { try? input.write(contentsOf: numberedLines(1...last)) }
        feeding.start()
        // Three laps and more while the tap can't look.
        #expect(eventually { receiver.written.count > 200_000 })
        tap.send(SIGCONT)
        #expect(eventually { receiver.written.count == numberedLines(1...last).count + 2 })
        try sender.input!.write(contentsOf: Data("\(last + 1)\n".utf8))
        #expect(eventually { numbers(tap.written).last == last + 1 })
        try sender.closeInput()
        #expect(sender.end().status == 0 && receiver.end().status == 0)
        #expect(isRun(numbers(receiver.written), from: 0, to: last + 1))
        tap.send(SIGINT)
        let end = tap.end()
        #expect(end.status == 0)
        let seen = numbers(tap.written)
        #expect(end.errors.contains("missed \(last + 2 - seen.count) message"), "\(end)")
        #expect(seen.count < last && zip(seen, seen.dropFirst()).allSatisfy { $0 < $1 }, "whole messages, in order, some not there")
    }

    @Test func aDeadRingIsShownAndLeftAsItIs() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r", "--lines", "--lanes", "2"], in: space, input: .pipe)
        try sender.input!.write(contentsOf: Data("one\ntwo\n".utf8))
        #expect(eventually { (try? RingInfo("r", in: space))?.number("backlog") == 32 })
        sender.send(SIGKILL)
        sender.end()
        let file = space.rings.appendingPathComponent("r")
        let before = try Data(contentsOf: file)
        for _ in 0..<2 {
            let (end, output) = try ToolProcess.run("tap", "r", "--seconds", "0", in: space)
            #expect(end == .init(status: 0, errors: "") && output == Data("one\ntwo\n".utf8))
        }
        #expect(try ToolProcess.run("tap", "r", "--from-tail", "--seconds", "20ms", in: space).output.isEmpty)
        #expect(try ToolProcess.run("tap", "r", "--count", "1", in: space).output == Data("one\n".utf8))
        #expect(try Data(contentsOf: file) == before)
        #expect(try RingInfo("r", in: space).consumer.presence == "never_came")
        #expect(try ToolProcess.run("receive", "r", "--lines", "--senders", "1", in: space).output == Data("one\ntwo\n".utf8))
    }

    /// Many times what one look takes in.
    @Test(arguments: [[], ["--lanes", "3"]]) func allThatIsThereIsShownWithoutTime(lanes: [String]) throws {
        let space = try Workspace()
        let lines = numberedLines(1...40_000)
        let end = try ToolProcess(["send", "r", "--lines", "--capacity", "8M"] + lanes, in: space, input: .data(lines)).end()
        #expect(end == .init(status: 0, errors: ""))
        for format in [[], ["--lines-json"]] {
            let tap = try ToolProcess(["tap", "r", "--seconds", "0"] + format, in: space)
            #expect(tap.end() == .init(status: 0, errors: ""))
            if format.isEmpty { #expect(tap.written == lines) } else { #expect(tap.written.count { $0 == 10 } == 40_001) }
        }
    }

    /// However busy: it ends with what stood there when its time was over.
    @Test func aStreamThatNeverPausesDoesNotKeepIt() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--capacity", "64K", in: space).end.status == 0)
        let sender = try ToolProcess(["send", "r", "--bytes", "100"], in: space, input: .file("/dev/zero"))
        let receiver = try ToolProcess(["receive", "r"], in: space, outputTo: "/dev/null")
        #expect(eventually { (try? RingInfo("r", in: space))?.lanes.first?["head"] as? Int ?? 0 > 100_000 })
        for seconds in ["0", "50ms"] {
            let tap = try ToolProcess(["tap", "r", "--seconds", seconds], in: space, outputTo: "/dev/null")
            #expect(tap.end().status == 0)
        }
        sender.send(SIGKILL)
        #expect(receiver.end().status == 3)
    }

    @Test func formatsSayWhatAMessageIs() throws {
        let space = try Workspace()
        let message = Data("a\u{1B}[1m\t\"ü\" \\123456789".utf8) + [0xff, 0]
        #expect(
            try ToolProcess.run("send", "r", "--bytes", "100", "--lanes", "2", "--order", "total", in: space, input: message).end.status
                == 0)
        let text = try ToolProcess.run("tap", "r", "--seconds", "0", in: space).output
        #expect(String(decoding: text, as: UTF8.self) == "a\\u{1B}[1m\\t\"ü\" \\\\123456789\\xFF\\u{0}\n")

        let json = try ToolProcess.run("tap", "r", "--seconds", "0", "--lines-json", in: space).output.split(separator: 10)
        #expect(json.count == 2)
        let object = try #require(try JSONSerialization.jsonObject(with: json[0]) as? [String: Any])
        #expect(object["lane"] as? Int == 0 && object["position"] as? Int == 0 && object["tag"] as? Int == 0)
        #expect(object["ticket"] as? Int == 0 && object["bytes"] as? Int == message.count)
        #expect(object["text"] as? String == "a\u{1B}[1m\t\"ü\" \\123456789\u{FFFD}\u{0}")
        #expect(String(decoding: json[1], as: UTF8.self) == #"{"lane":0,"position":40,"end":"closed"}"#)

        let hex = try ToolProcess.run("tap", "r", "--seconds", "0", "--hex", in: space).output
        #expect(
            String(decoding: hex, as: UTF8.self) == """
                lane 0, position 0, tag 0, ticket 0: 23 bytes
                00000000  61 1b 5b 31 6d 09 22 c3  bc 22 20 5c 31 32 33 34  |a.[1m."..\" \\1234|
                00000010  35 36 37 38 39 ff 00                              |56789..|
                00000017
                lane 0, position 40: end of stream, closed

                """)
    }

    @Test func anInterruptedTapLeavesARingThatGoesOn() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe)
        try sender.input!.write(contentsOf: Data("a\n".utf8))
        #expect(eventually { (try? RingInfo("r", in: space))?.number("backlog") == 16 })
        for signal in [SIGINT, SIGKILL] {
            let tap = try ToolProcess(["tap", "r"], in: space)
            #expect(eventually { tap.written == Data("a\n".utf8) })
            tap.send(signal)
            #expect(tap.end().status == (signal == SIGINT ? 0 : nil))
        }
        let receiver = try ToolProcess(["receive", "r", "--lines"], in: space)
        try sender.input!.write(contentsOf: Data("b\n".utf8))
        try sender.closeInput()
        #expect(sender.end().status == 0)
        #expect(receiver.end() == .init(status: 0, errors: "") && receiver.written == Data("a\nb\n".utf8))
    }
}

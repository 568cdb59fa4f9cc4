import Foundation
import TestSupport
import Testing

/// What goes in comes out, and nothing stays behind.
@Suite(.fewAtATime) struct RoundTripTests {
    enum Order: CaseIterable { case senderFirst, receiverFirst, senderEndsFirst }

    /// Sends `data` and gives back what was received.
    private func transfer(_ data: Data, _ options: [String], _ order: Order) throws -> Data {
        let space = try Workspace()
        func send() throws -> ToolProcess { try ToolProcess(["send", "r"] + options, in: space, input: .data(data)) }
        func receive() throws -> ToolProcess { try ToolProcess(["receive", "r"] + options.filter { $0 != "--drain" }, in: space) }
        let sender: ToolProcess
        let receiver: ToolProcess
        switch order {
        case .senderFirst:
            sender = try send()
            receiver = try receive()
        case .senderEndsFirst:
            sender = try send()
            sender.end()
            receiver = try receive()
        case .receiverFirst:
            receiver = try receive()
            sender = try send()
        }
        #expect(sender.end() == .init(status: 0, errors: ""))
        #expect(receiver.end() == .init(status: 0, errors: ""))
        #expect(space.traces == [])
        return receiver.written
    }

    @Test(
        arguments: [Order.senderFirst, .receiverFirst],
        [[], ["--bytes", "1000"], ["--capacity", "4K"], ["--wait", "sleep"], ["--drain"]])
    func bytesArriveAsTheyWere(_ order: Order, options: [String]) throws {
        let data = randomData(Int(soaking: 2_000_001))
        #expect(try transfer(data, options, order) == data)
    }

    @Test(arguments: Order.allCases)
    func linesArriveLineForLine(_ order: Order) throws {
        let data = numberedLines(1...60_000)
        #expect(try transfer(data, ["--lines"], order) == data)
    }

    @Test func emptyLinesAndALastLineWithoutNewlineAreMessages() throws {
        #expect(try transfer(Data("\n\na\n\nb".utf8), ["--lines"], .receiverFirst) == Data("\n\na\n\nb\n".utf8))
    }

    @Test func linesLargerThanEveryBufferArrive() throws {
        let line = Data(repeating: UInt8(ascii: "x"), count: 900_000) + Data("\n".utf8)
        let data = Data("a\n".utf8) + line + line + Data("b\n".utf8) + line
        #expect(try transfer(data, ["--lines", "--capacity", "1M"], .receiverFirst) == data)
    }

    @Test(arguments: Order.allCases)
    func framesArriveFrameForFrame(_ order: Order) throws {
        var data = Data()
        for size in [0, 1, 2, 3, 4, 5, 1000, 0, 70_000, 0, 1] {
            withUnsafeBytes(of: UInt32(size).littleEndian) { data.append(contentsOf: $0) }
            data.append(randomData(size))
        }
        #expect(try transfer(data, ["--frames"], order) == data)
    }

    @Test(arguments: Order.allCases, [[], ["--lines"], ["--frames"], ["--bytes", "1K"]])
    func nothingArrivesAsNothing(_ order: Order, options: [String]) throws {
        #expect(try transfer(Data(), options, order) == Data())
    }

    @Test func linesBeforeOneThatIsTooLongAreSentBeforeItsEndHasCome() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--capacity", "4K", in: space).end.status == 0)
        let sender = try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe)
        let receiver = try ToolProcess(["receive", "r", "--lines"], in: space)
        try sender.input!.write(contentsOf: Data("a\nb\n".utf8) + Data(count: 9000))
        #expect(eventually { receiver.written == Data("a\nb\n".utf8) })
        try sender.input!.close()
        let end = sender.end()
        #expect(end.status == 1 && end.errors.contains("9000 bytes"), "\(end)")
        receiver.end()
    }

    @Test func chunksHaveTheSizeThatWasAskedFor() throws {
        let space = try Workspace()
        let data = randomData(2_500)
        #expect(try ToolProcess.run("send", "r", "--bytes", "1000", in: space, input: data).end.status == 0)
        let (end, output) = try ToolProcess.run("receive", "r", "--frames", in: space)
        #expect(end.status == 0)
        var rest = output
        var sizes: [Int] = []
        while rest.count >= 4 {
            let size = rest.prefix(4).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
            sizes.append(size)
            rest = rest.dropFirst(4 + size)
        }
        #expect(sizes == [1000, 1000, 500])
    }

    @Test func aSlowInputIsPassedOnAsItComes() throws {
        let space = try Workspace()
        let receiver = try ToolProcess(["receive", "r"], in: space)
        let sender = try ToolProcess(["send", "r"], in: space, input: .pipe)
        for text in ["one", "two", "three"] {
            let expected = receiver.written + Data(text.utf8)
            try sender.input!.write(contentsOf: Data(text.utf8))
            #expect(eventually { receiver.written == expected })
        }
        try sender.closeInput()
        #expect(sender.end().status == 0)
        #expect(receiver.end().status == 0)
    }

    @Test(arguments: [[], ["--lines"]])
    func aSenderOnAClosedRingReopensIt(options: [String]) throws {
        let space = try Workspace()
        for text in ["a\n", "b\n", "c\n"] {
            let process = try ToolProcess(["send", "r"] + options, in: space, input: .data(Data(text.utf8)))
            #expect(process.end().status == 0)
        }
        let receiver = try ToolProcess(["receive", "r"] + options, in: space)
        #expect(receiver.end().status == 0)
        #expect(receiver.written == Data("a\nb\nc\n".utf8))
        #expect(space.traces == [])
    }
}

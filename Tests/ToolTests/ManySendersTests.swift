import Foundation
import Glibc
import Testing

/// Rings with lanes: many senders at once, one receiver, and each sender's data whole and in order.
@Suite struct ManySendersTests {
    /// "b 17\n…": lines that tell whose they are.
    private func lines(of sender: Int, _ range: ClosedRange<Int>) -> Data {
        Data(range.map { "\(sender) \($0)\n" }.joined().utf8)
    }

    /// The numbers that came from each sender, in their order. A line that is not one is counted as sender -1's.
    private func numbersBySender(_ data: Data) -> [Int: [Int]] {
        var numbers: [Int: [Int]] = [:]
        for line in data.split(separator: 10) {
            let words = line.split(separator: 32).map { Int(String(decoding: $0, as: UTF8.self)) }
            if words.count == 2, let sender = words[0], let number = words[1] {
                numbers[sender, default: []].append(number)
            } else {
                numbers[-1, default: []].append(0)
            }
        }
        return numbers
    }

    private func startSenders(_ senders: Range<Int>, _ last: Int, _ options: [String], in space: Workspace) throws -> [ToolProcess] {
        try senders.map { sender in
            try ToolProcess(
                ["send", "r", "--lines", "--lanes", "8"] + options, in: space, input: .data(lines(of: sender, 1...last)), bound: 60)
        }
    }

    @Test(
        arguments: [[], ["--order", "total"], ["--capacity", "4K"], ["--wait", "sleep"]],
        [true, false])
    func everySendersLinesArriveCompleteAndInOrder(options: [String], receiverFirst: Bool) throws {
        let space = try Workspace()
        let last = 20_000
        let words = ["receive", "r", "--lines", "--lanes", "8", "--senders", "6"] + options
        let receiver = receiverFirst ? try ToolProcess(words, in: space, bound: 60) : nil
        let senders = try startSenders(0..<6, last, options, in: space)
        let last_ = try receiver ?? ToolProcess(words, in: space, bound: 60)
        for sender in senders { #expect(sender.end() == .init(status: 0, errors: "")) }
        #expect(last_.end() == .init(status: 0, errors: ""))
        let received = numbersBySender(last_.written)
        #expect(received.keys.sorted() == Array(0..<6))
        for (_, numbers) in received { #expect(isRun(numbers, from: 1, to: last)) }
        #expect(space.traces == [])
    }

    /// Who says nothing of lanes takes the ring as it is.
    @Test(arguments: [[], ["--frames"]])
    func bothSidesFindOutWhatTheRingIs(options: [String]) throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--lanes", "3", in: space).end.status == 0)
        let receiver = try ToolProcess(["receive", "r", "--senders", "3"], in: space)
        let senders = try (0..<3).map { _ in try ToolProcess(["send", "r"] + options, in: space, input: .pipe) }
        for sender in senders { try sender.input!.write(contentsOf: Data([2, 0, 0, 0, 65, 66])) }
        for sender in senders { try sender.input!.close() }
        for sender in senders { #expect(sender.end() == .init(status: 0, errors: "")) }
        #expect(receiver.end() == .init(status: 0, errors: ""))
        #expect(receiver.written.count == (options.isEmpty ? 18 : 6))
        #expect(space.traces == ["r"])
    }

    @Test func aTotalOrderIsThatOfSending() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--lanes", "4", "--order", "total", in: space).end.status == 0)
        let senders = try (0..<4).map { _ in try ToolProcess(["send", "r"], in: space, input: .pipe) }
        let receiver = try ToolProcess(["receive", "r", "--senders", "4"], in: space)
        var expected = Data()
        // Each waits for the arrival of the one before, which is more than the order asks.
        for turn in 0..<40 {
            let text = Data("\(turn),".utf8)
            expected += text
            try senders[turn * 7 % 4].input!.write(contentsOf: text)
            if turn.isMultiple(of: 2) { #expect(eventually { receiver.written == expected }) }
        }
        for sender in senders { try sender.input!.close() }
        #expect(receiver.end().status == 0)
        #expect(receiver.written.count == expected.count)
    }

    /// While nobody receives, the lanes fill one after the other; the order of sending is kept all the same.
    @Test func aTotalOrderOutlivesTheSenders() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--lanes", "4", "--order", "total", in: space).end.status == 0)
        // Three that stay hold lanes 0 to 2, and send in turns with one that comes and goes.
        let staying = try (0..<3).map { _ in try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe) }
        var expected = ""
        for turn in 0..<9 {
            try staying[turn % 3].input!.write(contentsOf: Data("s\(turn)\n".utf8))
            #expect(eventually { (try? ringInfo("r", in: space).lines(in: "backlog")) ?? 0 > turn * 2 * 16 })
            #expect(eventually { (try? Self.messages(in: space)) == turn * 2 + 1 })
            #expect(try ToolProcess.run("send", "r", "--lines", in: space, input: Data("g\(turn)\n".utf8)).end.status == 0)
            expected += "s\(turn)\ng\(turn)\n"
        }
        for sender in staying { try sender.input!.close() }
        let receiver = try ToolProcess.run("receive", "r", "--lines", "--senders", "12", in: space)
        #expect(receiver.end.status == 0)
        #expect(String(decoding: receiver.output, as: UTF8.self) == expected)
    }
}

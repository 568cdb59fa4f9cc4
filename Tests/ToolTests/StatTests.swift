import Foundation
import Glibc
import TestSupport
import Testing

/// `stat` gives rates, and disturbs no process.
@Suite(.processesOneByOne) struct StatTests {
    /// A line for each of `count` words, and when they are in the ring.
    private func send(_ lines: String..., to ring: String, in space: Workspace, _ options: String...) throws {
        let data = Data(lines.map { $0 + "\n" }.joined().utf8)
        let sender = try ToolProcess(["send", ring, "--lines"] + options, in: space, input: .data(data))
        #expect(sender.end() == .init(status: 0, errors: ""))
    }

    private func json(_ words: String..., in space: Workspace) throws -> [String: Any] {
        let process = try ToolProcess(["stat", "--json"] + words, in: space)
        #expect(process.end() == .init(status: 0, errors: ""))
        #expect(process.written.filter { $0 == 10 }.count == 1)
        return try #require(try JSONSerialization.jsonObject(with: process.written) as? [String: Any])
    }

    @Test func aRingThatIsNotThereIsAnError() throws {
        let space = try Workspace()
        for format in [[], ["--json"], ["--prometheus"], ["--watch"]] {
            let process = try ToolProcess(["stat", "none"] + format, in: space)
            let end = process.end()
            #expect(end.status == 1 && end.errors.contains("'none'"))
            #expect(process.written.isEmpty)
        }
    }

    @Test func theObjectHasCountsAndRatesOfADeadRing() throws {
        let space = try Workspace()
        try send("abc", "de", to: "r", in: space, "--lanes", "3")
        let object = try json("r", in: space)
        #expect(object["name"] as? String == "r" && object["lane_count"] as? Int == 3 && object["producers_attached"] as? Int == 0)
        let totals = try #require(object["totals"] as? [String: Any])
        #expect(totals["messages"] as? Int == 2 && totals["bytes"] as? Int == 5)
        let rates = try #require(object["rates"] as? [String: Any])
        #expect(rates["messages"] as? Double == 0)
        let lanes = try #require(object["lanes"] as? [[String: Any]])
        #expect(lanes.count == 1 && lanes[0]["backlog"] as? Int == 40)
        #expect((object["seconds"] as? Double ?? 0) >= 0.9)
        #expect(space.traces == ["r"])
    }

    /// However slow the machine: what was sent between two readings, over the time between them.
    @Test func ratesAreWhatHappenedBetweenTheReadings() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe)
        let receiver = try ToolProcess(["receive", "r", "--lines"], in: space)
        let input = sender.input!
        let feeding = Thread {
            // Until the sender is killed below.
            while (try? input.write(contentsOf: Data("abcd\n".utf8))) != nil { usleep(500) }
        }
        feeding.start()
        #expect(eventually { receiver.written.count > 100 })
        // Between two readings a busy machine may let no sender run: then once more.
        var object = try json("r", in: space)
        #expect(
            try eventually {
                if (object["rates"] as? [String: Double])?["messages"] ?? 0 > 0 { return true }
                object = try json("r", in: space)
                return false
            })
        let rates = try #require(object["rates"] as? [String: Double])
        let messages = try #require(rates["messages"])
        #expect(messages > 0 && abs(rates["bytes"]! - 4 * messages) < 0.2 * messages + 10)
        #expect(object["producers_attached"] as? Int == 1)

        let text = String(decoding: try ToolProcess.run("stat", "r", in: space).output, as: UTF8.self)
        #expect(text.hasPrefix("ring 'r' (spsc, 1.0 MiB), over "))
        #expect(text.contains("messages/s") && text.contains("process \(sender.id) (sharedring)"))
        #expect(text.contains("process \(receiver.id) (sharedring)"))
        sender.send(SIGKILL)
        sender.end()
        #expect(receiver.end().status == 3)
        while !feeding.isFinished { usleep(1000) }
    }

    @Test func idleLanesShareALine() throws {
        let space = try Workspace()
        try send("a", to: "r", in: space, "--lanes", "5")
        // Each of them is kept by a sender of its own; the first lane has what waits.
        let senders = try (0..<3).map { index in
            let sender = try ToolProcess(["send", "r"], in: space, input: .pipe)
            #expect(eventually { (try? RingInfo("r", in: space).number("producers_attached")) == index + 1 })
            return sender
        }
        let text = String(decoding: try ToolProcess.run("stat", "r", in: space).output, as: UTF8.self)
        let lines = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        #expect(lines.count == 6)
        #expect(lines[2].hasPrefix("lane 0 ") && lines[2].contains("24 B"))
        #expect(lines[3].hasPrefix("all lanes") && lines[3].hasSuffix("3 producers attached"))
        #expect(lines[4].hasPrefix("consumer") && lines[4].hasSuffix("never came"))
        #expect(lines[5] == "idle: 2 lanes (1-2); 2 producers attached")
        for sender in senders {
            try sender.closeInput()
            sender.end()
        }
    }

    @Test func prometheusGetsCountersByLaneAndEscapedLabels() throws {
        let space = try Workspace()
        let name = "a \"b\" \\c"
        try send("abc", "de", to: name, in: space, "--lanes", "3")
        let (end, output) = try ToolProcess.run("stat", name, "--prometheus", in: space)
        #expect(end == .init(status: 0, errors: ""))
        let lines = String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
        let label = #"ring="a \"b\" \\c""#
        #expect(lines.contains(#"sharedring_messages_total{\#(label),lane="0"} 2"#))
        #expect(lines.contains(#"sharedring_payload_bytes_total{\#(label),lane="0"} 5"#))
        #expect(lines.contains(#"sharedring_backlog_bytes{\#(label),lane="0"} 40"#))
        #expect(lines.contains("sharedring_consumer_attached{\(label)} 0"))
        // Each family: help, type, then samples of that name.
        var family = ""
        for line in lines {
            if line.hasPrefix("# HELP ") {
                family = String(line.split(separator: " ")[2])
            } else if line.hasPrefix("# TYPE ") {
                #expect(line == "# TYPE \(family) " + (family.hasSuffix("_total") ? "counter" : "gauge"))
            } else {
                #expect(line.hasPrefix(family + "{") && UInt64(line.split(separator: " ").last!) != nil)
            }
        }
    }

    @Test func severalRingsAreShownOneAfterTheOther() throws {
        let space = try Workspace()
        try send("abc", to: "a", in: space)
        try send("d", to: "b", in: space, "--lanes", "2")
        let text = String(decoding: try ToolProcess.run("stat", "a", "b", in: space).output, as: UTF8.self)
        let blocks = text.components(separatedBy: "\n\n")
        #expect(blocks.count == 2 && blocks[0].hasPrefix("ring 'a' (spsc") && blocks[1].hasPrefix("ring 'b' (mpsc"))

        let objects = String(decoding: try ToolProcess.run("stat", "b", "a", "--json", in: space).output, as: UTF8.self)
        #expect(objects.split(separator: "\n").map { $0.contains(#""name":"b""#) } == [true, false])

        let samples = String(decoding: try ToolProcess.run("stat", "a", "b", "a", "--prometheus", in: space).output, as: UTF8.self)
            .split(separator: "\n").map(String.init)
        let first = try #require(samples.firstIndex(of: "# TYPE sharedring_messages_total counter"))
        #expect(
            samples[(first + 1)...].prefix(2) == [
                #"sharedring_messages_total{ring="a",lane="0"} 1"#, #"sharedring_messages_total{ring="b",lane="0"} 1"#,
            ])
        #expect(samples.filter { $0.hasPrefix("# ") }.count == Set(samples.filter { $0.hasPrefix("# ") }).count)

    }

    /// A program that asks for several rings gets those that are there.
    @Test(arguments: [[], ["--json"], ["--prometheus"], ["--watch", "10ms"]])
    func aRingThatIsMissingKeepsNothingFromTheOthers(format: [String]) throws {
        let space = try Workspace()
        try send("abc", to: "a", in: space)
        try send("abc", to: "b", in: space)
        let process = try ToolProcess(["stat", "a", "none", "b"] + format, in: space)
        if format.contains("--watch") {
            #expect(eventually { process.written.count > 1000 })
            process.send(SIGINT)
        }
        let end = process.end()
        #expect(end.status == 1 && end.errors.contains("'none'") && end.errors.filter { $0 == "\n" }.count == 1)
        let text = String(decoding: process.written, as: UTF8.self)
        for name in ["a", "b"] {
            #expect(["ring '\(name)'", "\"name\":\"\(name)\"", "ring=\"\(name)\""].contains { text.contains($0) }, "\(name) in \(text)")
        }
    }

    @Test func watchingIntoAFileWritesABlockAnInterval() throws {
        let space = try Workspace()
        try send("a", to: "r", in: space)
        let process = try ToolProcess(["stat", "r", "--watch", "20ms"], in: space)
        #expect(eventually { String(decoding: process.written, as: UTF8.self).components(separatedBy: "\n\n").count >= 3 })
        process.send(SIGINT)
        #expect(process.end() == .init(status: 0, errors: ""))
        let blocks = String(decoding: process.written, as: UTF8.self).components(separatedBy: "\n\n")
        #expect(blocks.allSatisfy { $0.hasPrefix("ring 'r' (spsc, 1.0 MiB), over ") })
        #expect(!process.written.contains(0x1b))
    }

    @Test func watchingOnATerminalRedrawsInPlace() throws {
        let space = try Workspace()
        try send("a", to: "r", in: space)
        let terminal = try Terminal(rows: 10, columns: 60)
        let process = try ToolProcess(["stat", "r", "--watch=20ms"], in: space, outputTo: terminal.path)
        let drawn = terminal.read { $0.components(separatedBy: "ring 'r'").count > 3 }
        process.send(SIGINT)
        #expect(process.end() == .init(status: 0, errors: ""))
        let frames = drawn.components(separatedBy: "ring 'r'").dropFirst()
        for frame in frames.dropLast() {
            #expect(frame.hasSuffix("\u{1B}[J\u{1B}[4A\r"), "the next begins where this one did")
            #expect(frame.split(separator: "\r\n").dropFirst().dropLast().allSatisfy { $0.count <= 60 + 3 })
        }
    }

    @Test func aRingRemovedWhileWatchedEndsTheWatch() throws {
        let space = try Workspace()
        try send("a", to: "r", in: space)
        let process = try ToolProcess(["stat", "r", "--watch", "20ms"], in: space)
        #expect(eventually { !process.written.isEmpty })
        #expect(try ToolProcess.run("receive", "r", in: space).end.status == 0)
        let end = process.end()
        #expect(end.status == 1 && end.errors.contains("'r'"))
    }
}

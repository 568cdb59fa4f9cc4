import Foundation
import Glibc
import SharedRing
import Synchronization
import TestSupport
import Testing

/// Ends a test that hangs.
private let patience = Duration.seconds(patienceSeconds)
private let patienceSeconds = 120.0

/// `stat` gives rates, and disturbs no process.
@Suite(.fewAtATime) struct StatTests {
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
        #expect(text.hasPrefix("ring 'r' (spsc, \(RingOptions.defaultCapacity >> 20).0 MiB), over "))
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

    @Test("A call service stands beside rings, and what is missing is reported", arguments: [[], ["--json"], ["--watch", "10ms"]])
    func servicesAndRings(format: [String]) throws {
        let space = try Workspace()
        try send("abc", to: "r", in: space)
        #expect(try ToolProcess.run("create", "s", "--calls", in: space).end.status == 0)
        for (names, shown, isComplete) in [
            (["s", "none"], ["s"], false), (["s", "r"], ["s", "r"], true), (["r", "none", "s"], ["r", "s"], false),
        ] {
            let process = try ToolProcess(["stat"] + names + format, in: space)
            if format.contains("--watch") {
                #expect(eventually { process.written.count > 1000 })
                process.send(SIGINT)
            }
            let end = process.end()
            #expect(end.status == (isComplete ? 0 : 1) && end.errors.contains("'none'") == !isComplete, "\(names): \(end)")
            let text = String(decoding: process.written, as: UTF8.self)
            for name in shown { #expect(text.contains("'\(name)'") || text.contains("\"name\":\"\(name)\""), "\(name) in \(text)") }
        }
    }

    /// The value of a sample, which stands there once.
    private func value(_ sample: String, in lines: [String]) -> UInt64? {
        let found = lines.filter { $0.hasPrefix(sample + " ") }
        return found.count == 1 ? UInt64(found[0].dropFirst(sample.count + 1)) : nil
    }

    @Test("Prometheus gets the counters of a call service beside those of rings") func prometheusOfServices() throws {
        let space = try Workspace()
        try send("abc", to: "r", in: space)
        let name = "s \"1\""
        #expect(try ToolProcess.run("create", name, "--calls", "--clients", "5", "--request", "64", in: space).end.status == 0)
        var options = RingOptions()
        options.directory = space.rings.path
        let service = try CallService.open(name, options: options)
        var server = try service.makeServer()
        let client = try service.makeClient(slots: 3)
        let answered = Caller { for _ in 0..<64 { _ = try client.call("x", timeout: patience) } }
        for _ in 0..<64 { try server.next(timeout: patience).reply("y") }
        try answered.join()
        // One call is given up when it was started, one is started, one waits.
        let givenUp = Caller { _ = try client.call("x", timeout: patience) }
        let first = try server.next(timeout: patience)
        client.cancel()
        #expect(throws: CallError.self) { try givenUp.join() }
        client.resume()
        let started = Caller { _ = try client.call("x", timeout: patience) }
        let second = try server.next(timeout: patience)
        let waiting = Caller { _ = try client.call("x", timeout: patience) }
        #expect(try eventually { try service.report().callSlots.contains { $0.state == .waiting } })

        let (end, output) = try ToolProcess.run("stat", name, "r", "--prometheus", in: space)
        #expect(end == .init(status: 0, errors: ""))
        let lines = String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(value(#"sharedring_messages_total{ring="r",lane="0"}"#, in: lines) == 1)
        let label = #"service="s \"1\"""#
        for (metric, expected) in [
            ("calls_total", 67), ("late_replies_total", 0), ("waiting_calls", 1), ("started_calls", 2), ("given_up_calls", 1),
            ("servers_attached", 1), ("server_places", 8), ("call_slots_taken", 3), ("call_slots", 5), ("request_capacity_bytes", 64),
            ("reply_capacity_bytes", 4096), ("stream_capacity_bytes", 0),
        ] as [(String, UInt64)] {
            #expect(value("sharedring_\(metric){\(label)}", in: lines) == expected, "\(metric): \(lines)")
        }
        for (metric, expected) in [
            ("calls_started_total", 66), ("calls_answered_total", 64), ("server_attachments_total", 1), ("server_attached", 1),
        ] as [(String, UInt64)] {
            #expect(value("sharedring_\(metric){\(label),server=\"0\"}", in: lines) == expected, "\(metric): \(lines)")
        }
        for wakes in ["sharedring_server_wakes_total{\(label)}", "sharedring_client_wakes_total{\(label),server=\"0\"}"] {
            #expect(value(wakes, in: lines) != nil, "\(wakes)")
        }
        let families = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2].dropFirst("sharedring_".count) }
        #expect(families.count == 14 + 19 && Set(families).count == families.count)
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        let article = try String(contentsOfFile: root + "/Sources/SharedRing/SharedRing.docc/Embedding.md", encoding: .utf8)
        for family in families { #expect(article.contains("`\(family)`"), "the article lists \(family)") }
        try requireHistogram(of: label, in: lines, timed: 1)

        try first.reply("late")
        try second.reply("y")
        try server.next(timeout: patience).reply("y")
        try started.join()
        try waiting.join()
        server.close()
        let after = String(decoding: try ToolProcess.run("stat", name, "--prometheus", in: space).output, as: UTF8.self)
            .split(separator: "\n").map(String.init)
        #expect(!after.contains { $0.contains("ring=\"") })
        #expect(value("sharedring_started_calls{\(label)}", in: after) == 0 && value("sharedring_given_up_calls{\(label)}", in: after) == 0)
        #expect(value("sharedring_servers_attached{\(label)}", in: after) == 0)
        #expect(value("sharedring_calls_answered_total{\(label),server=\"0\"}", in: after) == 67)
    }

    /// The parts of the histogram: each bound is larger than the one before, no count is smaller, and the last one counts all.
    private func requireHistogram(of label: String, in lines: [String], timed: UInt64) throws {
        let metric = "sharedring_call_duration_seconds"
        #expect(lines.contains("# TYPE \(metric) histogram"))
        let buckets = lines.filter { $0.hasPrefix("\(metric)_bucket{\(label),le=\"") }
        let parts = buckets.map { $0.dropFirst("\(metric)_bucket{\(label),le=\"".count).split(separator: "\"} ").map(String.init) }
        let bounds = try parts.map { try #require($0[0] == "+Inf" ? Double.infinity : Double($0[0])) }
        let counts = try parts.map { try #require(UInt64($0[1])) }
        #expect(parts.count == 32 && parts[0][0] == "2e-09" && parts[9][0] == "1.024e-06" && parts[31][0] == "+Inf")
        #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 } && zip(counts, counts.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(counts.last == timed && value("\(metric)_count{\(label)}", in: lines) == timed)
    }

    @Test("A service that no process has used has its samples, too; a board has none, and is named") func prometheusOfUnused() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "s", "--calls", in: space).end.status == 0)
        var options = RingOptions()
        options.directory = space.rings.path
        _ = try Board.create("b", entries: [Board.Entry("k", capacity: 8)], options: options)
        let process = try ToolProcess(["stat", "b", "s", "--prometheus"], in: space)
        let end = process.end()
        #expect(end.status == 1 && end.errors.contains("'b'") && end.errors.filter { $0 == "\n" }.count == 1, "\(end)")
        let lines = String(decoding: process.written, as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(value(#"sharedring_calls_total{service="s"}"#, in: lines) == 0)
        #expect(value(#"sharedring_servers_attached{service="s"}"#, in: lines) == 0)
        #expect(!lines.contains { $0.contains("server=\"") }, "no server ever came")
        try requireHistogram(of: #"service="s""#, in: lines, timed: 0)
    }

    @Test func watchingIntoAFileWritesABlockAnInterval() throws {
        let space = try Workspace()
        try send("a", to: "r", in: space)
        let process = try ToolProcess(["stat", "r", "--watch", "20ms"], in: space)
        #expect(eventually { String(decoding: process.written, as: UTF8.self).components(separatedBy: "\n\n").count >= 3 })
        process.send(SIGINT)
        #expect(process.end() == .init(status: 0, errors: ""))
        let blocks = String(decoding: process.written, as: UTF8.self).components(separatedBy: "\n\n")
        #expect(blocks.allSatisfy { $0.hasPrefix("ring 'r' (spsc, \(RingOptions.defaultCapacity >> 20).0 MiB), over ") })
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

/// A thread that makes calls, and what came of it.
private final class Caller: @unchecked Sendable {
    private let done = DispatchSemaphore(value: 0)
    private let result = Mutex<Result<Void, any Error>?>(nil)

    init(_ body: @escaping @Sendable () throws -> Void) {
        let thread = Thread { [self] in
            let outcome = Result { try body() }
            result.withLock { $0 = outcome }
            done.signal()
        }
        thread.start()
    }

    /// Throws what the calls threw, or that they did not end.
    func join() throws {
        struct Hung: Error {}
        guard done.wait(timeout: .now() + patienceSeconds) == .success else { throw Hung() }
        try result.withLock { try $0?.get() }
    }
}

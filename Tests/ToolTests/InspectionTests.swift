import Foundation
import Glibc
import TestSupport
import Testing

/// `list` and `info` say what is there, and disturb no process.
@Suite(.fewAtATime) struct InspectionTests {
    @Test func anEmptyDirectoryHasNothingToList() throws {
        let space = try Workspace()
        let plain = try ToolProcess.run("list", in: space)
        #expect(plain.end == .init(status: 0, errors: ""))
        #expect(plain.output == Data())
        let json = try ToolProcess.run("list", "--json", in: space)
        #expect(json.output == Data("{\"rings\":[],\"damaged\":[],\"other_versions\":[]}\n".utf8))
    }

    @Test func theListHasALineForEachRing() throws {
        let space = try Workspace()
        try Data("no ring".utf8).write(to: space.rings.appendingPathComponent("file"))
        #expect(try ToolProcess.run("create", "many", "--lanes", "12", "--capacity", "64K", in: space).end.status == 0)
        #expect(try ToolProcess.run("create", "a-longer-name", "--capacity", "1M", in: space).end.status == 0)
        let sender = try ToolProcess(["send", "many"], in: space, input: .pipe)
        #expect(eventually { (try? RingInfo("many", in: space).number("producers_attached")) == 1 })

        let (end, output) = try ToolProcess.run("list", in: space)
        #expect(end == .init(status: 0, errors: ""))
        #expect(
            String(decoding: output, as: UTF8.self) == """
                a-longer-name  spsc  1 lane    1.0 MiB   -           backlog 0 B
                many           mpsc  12 lanes  64.0 KiB  1 producer  backlog 0 B

                """)
        try sender.closeInput()
        sender.end()

        let json = try ToolProcess.run("list", "--json", in: space)
        let object = try JSONSerialization.jsonObject(with: json.output) as? [String: Any]
        let rings = try #require(object?["rings"] as? [[String: Any]])
        #expect(rings.map { $0["name"] as? String } == ["a-longer-name", "many"])
        #expect(rings.map { $0["lane_count"] as? Int } == [1, 12])
        #expect(rings.map { $0["kind"] as? String } == ["spsc", "mpsc"])
    }

    @Test func theListCanBeOfSomeKindsOnly() throws {
        let space = try Workspace()
        let makers = [
            ["create", "one"], ["create", "many", "--lanes", "2"], ["create", "news", "--broadcast"],
            ["board", "create", "settings", "rate"],
            ["create", "upper", "--calls"], ["create", "broken"],
        ]
        for words in makers { #expect(try ToolProcess(words, in: space).end().status == 0) }
        let file = try FileHandle(forUpdating: space.rings.appendingPathComponent("broken"))
        try file.truncate(atOffset: 8192)
        try file.close()
        for (kind, names) in [
            ("spsc", ["one"]), ("mpsc", ["many"]), ("broadcast", ["news"]), ("board", ["settings"]), ("call", ["upper"]),
            ("ring", ["many", "news", "one"]), ("board,call", ["settings", "upper"]), ("ring,call", ["many", "news", "one", "upper"]),
        ] {
            let found = try ToolProcess.run("list", "--names", "--kind", kind, in: space)
            #expect(found.end == .init(status: 0, errors: "") && found.output == Data(names.map { "\($0)\n" }.joined().utf8), "\(kind)")
            let table = String(decoding: try ToolProcess.run("list", "--kind", kind, in: space).output, as: UTF8.self)
            #expect(table.split(separator: "\n").map { String($0.prefix { $0 != " " }) } == names, "\(table)")
        }
        for kind in ["boards", "", "ring,", "damaged"] {
            let end = try ToolProcess.run("list", "--kind", kind, in: space).end
            #expect(end.status == 2 && end.errors.contains("'\(kind)' after '--kind'"), "\(end)")
        }
    }

    @Test func aDirectoryThatIsNotThereIsAnError() throws {
        let space = try Workspace()
        let (end, output) = try ToolProcess.run("list", "--dir", space.rings.path + "/none", in: space)
        #expect(end.status == 1)
        #expect(end.errors.contains("No such file or directory") && !end.errors.contains("ring ''"))
        #expect(output == Data())
        #expect(try ToolProcess.run("info", "none", in: space).end.status == 1)
    }

    @Test(arguments: [Int64.min, -1, .max]) func aForgedTimeIsShownAsItIs(nanoseconds: Int64) throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("send", "r", "--lines", in: space, input: Data("a\n".utf8)).end.status == 0)
        let file = try FileHandle(forUpdating: space.rings.appendingPathComponent("r"))
        // Header, the ring's words, the lane's words, its producer's holder information: when that attached.
        try file.seek(toOffset: 4096 + 2048 + 512 + 16)
        try file.write(contentsOf: withUnsafeBytes(of: nanoseconds) { Data($0) })
        try file.close()
        let year = [Int64.min: "1677-09-21 00:12:43", -1: "1969-12-31 23:59:59", .max: "2262-04-11 23:47:16"][nanoseconds]!
        let (end, output) = try ToolProcess.run("info", "r", in: space)
        #expect(end.status == 0 && String(decoding: output, as: UTF8.self).contains("attached at \(year) UTC"))
        for words in [["info", "r", "--json"], ["list"], ["check", "r"]] { #expect(try ToolProcess(words, in: space).end().status == 0) }
    }

    @Test func infoTellsWhatTheRingWasMadeAs() throws {
        let space = try Workspace()
        let label = "a \"b\" \\ \u{1B}[1m\n\u{7F}\tü"
        let words = ["create", "r", "--lanes", "3", "--order", "total", "--capacity", "64K", "--alignment", "64", "--label", label]
        #expect(try ToolProcess(words, in: space).end().status == 0)
        let info = try RingInfo("r", in: space)
        #expect(info["name"] as? String == "r")
        #expect(info["directory"] as? String == space.rings.path)
        #expect(info["kind"] as? String == "mpsc")
        #expect(info["order"] as? String == "total")
        #expect(info.number("lane_count") == 3)
        #expect(info.number("capacity") == 65536)
        #expect(info.number("record_alignment") == 64)
        // An untrusted peer may have written it: the library leaves control characters out.
        #expect(info["label"] as? String == "a \"b\" \\ [1mü")
        #expect(info["is_persistent"] as? Bool == true)
        #expect((info["instance"] as? String)?.count == 32)
        #expect((info["created_at"] as? String)?.hasPrefix("20") == true)
        #expect(info.consumer.presence == "never_came" && info.consumer.process == nil)
        #expect(info.lanes.isEmpty)

        let text = String(decoding: try ToolProcess.run("info", "r", in: space).output, as: UTF8.self)
        #expect(text.contains("mpsc, 3 lanes, total order") && text.contains("never came"))
        #expect(!text.contains("\u{1B}"))
        let json = try ToolProcess.run("info", "r", "--json", in: space).output
        #expect(json.filter { $0 == 10 }.count == 1 && json.last == 10)
    }

    @Test func infoTellsWhoHasARoleAndHowFarLanesAre() throws {
        let space = try Workspace()
        let first = try ToolProcess(["send", "r", "--lines", "--lanes", "4"], in: space, input: .pipe)
        try first.input!.write(contentsOf: Data("abc\n".utf8))
        #expect(eventually { ((try? RingInfo("r", in: space))?.number("backlog") ?? 0) > 0 })
        #expect(try ToolProcess.run("send", "r", "--lines", in: space, input: Data("x\n".utf8)).end.status == 0)

        var info = try RingInfo("r", in: space)
        #expect(info.producer(0).presence == "attached")
        #expect(info.producer(0).id == first.id)
        #expect(info.producer(0).process?["program"] as? String == "sharedring")
        #expect((info.producer(0).process?["attached_at"] as? String)?.hasSuffix("Z") == true)
        #expect(info.producer(1).presence == "closed")
        #expect(info.lanes.map { $0["number"] as? Int } == [0, 1])
        #expect(info.number("producer_attachments") == 2 && info.number("producers_attached") == 1)
        #expect(info.lanes[0]["backlog"] as? Int == 16)
        #expect(info.lanes[0]["tail"] as? Int == 16 && info.lanes[0]["head"] as? Int == 0)
        let text = String(decoding: try ToolProcess.run("info", "r", in: space).output, as: UTF8.self)
        #expect(text.contains("attached: process \(first.id) (sharedring) since 20"))

        let receiver = try ToolProcess(["receive", "r", "--lines"], in: space)
        #expect(eventually { receiver.written.count == 6 })
        #expect(eventually { (try? RingInfo("r", in: space))?.number("backlog") == 0 })
        info = try RingInfo("r", in: space)
        #expect(info.consumer.presence == "attached" && info.consumer.id == receiver.id && info.consumer.attachments == 1)
    }

    @Test(arguments: [[], ["--lanes", "2"]])
    func aKilledSenderDied(lanes: [String]) throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r"] + lanes, in: space, input: .pipe)
        #expect(eventually { (try? RingInfo("r", in: space))?.producer(0).presence == "attached" })
        sender.send(SIGKILL)
        sender.end()
        let info = try RingInfo("r", in: space)
        #expect(info.producer(0).presence == "died")
        #expect(info.producer(0).id == sender.id)
        let text = String(decoding: try ToolProcess.run("info", "r", in: space).output, as: UTF8.self)
        #expect(text.contains("died: process \(sender.id) (sharedring), attached at 20"))
    }

    @Test func aStoppedProcessIsAttached() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r"], in: space, input: .pipe)
        let receiver = try ToolProcess(["receive", "r"], in: space)
        try sender.input!.write(contentsOf: Data("a".utf8))
        #expect(eventually { receiver.written == Data("a".utf8) })
        for process in [sender, receiver] { process.send(SIGSTOP) }
        let info = try RingInfo("r", in: space)
        #expect(info.producer(0).presence == "attached" && info.consumer.presence == "attached")
        #expect(String(decoding: try ToolProcess.run("list", in: space).output, as: UTF8.self).contains("producer, consumer"))
        for process in [sender, receiver] { process.send(SIGCONT) }
        try sender.closeInput()
        #expect(sender.end().status == 0)
        #expect(receiver.end().status == 0)
    }

    /// A receiver that ended in order, whatever its status, did not die.
    @Test(arguments: [false, true])
    func aReceiverThatHasEndedClosed(withDeath: Bool) throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
        let sender = try ToolProcess(["send", "r"], in: space, input: .pipe)
        #expect(eventually { (try? RingInfo("r", in: space))?.producer(0).presence == "attached" })
        if withDeath { sender.send(SIGKILL) } else { try sender.closeInput() }
        #expect(try ToolProcess.run("receive", "r", in: space).end.status == (withDeath ? 3 : 0))
        #expect(try RingInfo("r", in: space).consumer.presence == "closed")
    }
}

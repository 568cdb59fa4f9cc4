import Foundation
import SharedRing
import TestSupport
import Testing

@Suite("The tool calls services, serves them by a command, and knows the kind", .fewAtATime)
struct CallToolTests {
    private let done = ToolProcess.End(status: 0, errors: "")

    private func call(_ words: [String], _ request: String, in space: Workspace) throws -> (end: ToolProcess.End, output: String) {
        let process = try ToolProcess(["call"] + words, in: space, input: .data(Data(request.utf8)))
        let end = process.end()
        return (end, String(decoding: process.written, as: UTF8.self))
    }

    private func tool(_ words: String..., in space: Workspace) throws -> (end: ToolProcess.End, output: String) {
        let process = try ToolProcess(words, in: space)
        let end = process.end()
        return (end, String(decoding: process.written, as: UTF8.self))
    }

    @Test(
        "A command a request; and one for all, with frames",
        arguments: [["--", "tr", "a-z", "A-Z"], ["--frames", "--", "python3", "-c", CallToolTests.framed]])
    func serves(words: [String]) throws {
        let space = try Workspace()
        #expect(try tool("create", "upper", "--calls", "--clients", "4", "--request", "64K", "--reply", "64K", in: space).end == done)
        let server = try ToolProcess(["serve", "upper", "--count", "3", "--existing"] + words, in: space)
        #expect(try call(["upper"], "hello", in: space) == (done, "HELLO"))
        #expect(try call(["upper"], "", in: space) == (done, ""))
        let large = String(repeating: "large ", count: 10_000)
        #expect(try call(["upper"], large, in: space) == (done, large.uppercased()))
        #expect(server.end() == done)
        #expect(try tool("remove", "upper", in: space).end == done)
    }

    /// Upper case, a frame a request.
    static let framed = """
        import sys, struct
        while True:
            head = sys.stdin.buffer.read(4)
            if len(head) < 4: break
            body = sys.stdin.buffer.read(struct.unpack('<I', head)[0]).upper()
            sys.stdout.buffer.write(struct.pack('<I', len(body)) + body)
            sys.stdout.buffer.flush()
        """

    @Test("What goes wrong is said with what is known of the request") func failures() throws {
        let space = try Workspace()
        let missing = try call(["nothing"], "x", in: space).end
        #expect(missing.status == 1 && missing.errors.contains("'nothing'"), "\(missing)")
        #expect(try tool("create", "s", "--calls", "--request", "64", "--reply", "64", in: space).end == done)
        let late = try call(["s", "--timeout", "10ms"], "x", in: space).end
        #expect(late.status == 4 && late.errors.contains("was not executed"), "\(late)")
        let large = try call(["s"], String(repeating: "x", count: 65), in: space).end
        #expect(large.status == 1 && large.errors.contains("64 bytes"), "\(large)")
        let server = try ToolProcess(["serve", "s", "--count", "2", "--", "sh", "-c", "cat; exit 3"], in: space)
        let refused = try call(["s"], "x", in: space).end
        #expect(refused.status == 1 && refused.errors.contains("failed (refused)") && refused.errors.contains("status 3"), "\(refused)")
        _ = try call(["s"], "x", in: space)
        #expect(server.end() == done)
        let long = try ToolProcess(["serve", "s", "--count", "1", "--", "seq", "1", "100"], in: space)
        let tooLong = try call(["s"], "", in: space).end
        #expect(tooLong.status == 1 && tooLong.errors.contains("more than 64 bytes"), "\(tooLong)")
        #expect(long.end() == done)
        let usage = try tool("serve", "s", in: space).end
        #expect(usage.status == 2 && usage.errors.contains("command behind '--'"), "\(usage)")
        let other = try tool("create", "t", "--calls", "--lanes", "2", in: space).end
        #expect(other.status == 2 && other.errors.contains("exclude each other"), "\(other)")
        let needs = try tool("create", "t", "--clients", "2", in: space).end
        #expect(needs.status == 2 && needs.errors.contains("'--clients' needs '--calls'"), "\(needs)")
    }

    @Test("A service that is there with another shape: a note, and an error if that is asked for") func otherShape() throws {
        let space = try Workspace()
        #expect(try tool("create", "s", "--calls", "--clients", "4", "--servers", "1", "--request", "64", in: space).end == done)
        for (option, number, fact) in [
            ("--clients", "8", "4 slots for clients"), ("--servers", "2", "1 place for servers"), ("--request", "1K", "64 bytes"),
            ("--reply", "48", "4096 bytes"),
        ] {
            let exact = try tool("serve", "s", option, number, "--exact", "--count", "1", "--", "cat", in: space).end
            #expect(exact.status == 1 && exact.errors.contains("is there already, with") && exact.errors.contains(fact), "\(exact)")
        }
        let noted = try ToolProcess(["serve", "s", "--clients", "8", "--servers", "1", "--count", "1", "--", "cat"], in: space)
        #expect(try call(["s"], "x", in: space) == (done, "x"))
        let end = noted.end()
        #expect(end.status == 0 && end.errors.contains("4 slots for clients; '--clients' counts only for a new one"), "\(end)")
        #expect(end.errors.filter { $0 == "\n" }.count == 1, "\(end)")
        let same = try ToolProcess(["serve", "s", "--clients", "4", "--request", "64", "--exact", "--count", "1", "--", "cat"], in: space)
        #expect(try call(["s"], "x", in: space) == (done, "x"))
        #expect(same.end() == done)
    }

    @Test("A server that is killed in a call: unknown, and the token repeats it") func killed() throws {
        let space = try Workspace()
        // Made first: a call that comes before the service has nothing to wait for.
        #expect(try tool("create", "s", "--calls", in: space).end == done)
        let server = try ToolProcess(["serve", "s", "--", "sh", "-c", "kill -9 $PPID; cat"], in: space)
        let unknown = try call(["s"], "x", in: space).end
        #expect(unknown.status == 1 && unknown.errors.contains("may have been executed (unknown)"), "\(unknown)")
        #expect(server.end().status == nil)
        let token = try #require(unknown.errors.split(separator: " ").first { $0.contains(":0:1") }.map { String($0.dropLast(1)) })
        let next = try ToolProcess(["serve", "s", "--count", "1", "--", "cat"], in: space)
        #expect(try call(["s", "--retry", token], "again", in: space) == (done, "again"))
        #expect(next.end() == done)
    }

    @Test("Lists, reports and checks name the servers, the slots and the calls") func inspection() throws {
        let space = try Workspace()
        #expect(try tool("create", "s", "--calls", "--clients", "3", "--servers", "2", "--label", "of calls", in: space).end == done)
        #expect(try tool("list", in: space).output.contains("3 slots"))
        var options = RingOptions()
        options.directory = space.rings.path
        let service = try CallService.open("s", options: options)
        let server = try service.makeServer()
        let client = try service.makeClient(slots: 1)
        let info = try tool("info", "s", in: space).output
        for fact in [
            "call service 's'", "3 slots for clients, 2 places for servers", "of calls", "server 0  attached", "slot 0    attached",
            "0 made, 0 waiting",
        ] {
            #expect(info.contains(fact), "\(fact): \(info)")
        }
        let json = try tool("info", "s", "--json", in: space).output
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(object["kind"] as? String == "call" && object["call_slot_count"] as? Int == 3 && object["server_count"] as? Int == 2)
        #expect((object["servers"] as? [Any])?.count == 1 && (object["call_slots"] as? [Any])?.count == 1)
        #expect(try tool("check", "s", in: space).output.contains("in use"))
        let stat = try tool("stat", "s", in: space).output
        #expect(stat.contains("0.0 calls/s, 0 waiting, 0 started") && stat.contains("1 server attached, 1 slot taken"), "\(stat)")
        #expect(stat.contains("in all 0 calls made, 0 started, 0 answered; servers were woken 0 times, clients 0 times"), "\(stat)")
        #expect(info.contains("0 started, 0 answered"), "\(info)")
        let removed = try tool("remove", "s", in: space).end
        #expect(removed.status == 1 && removed.errors.contains("as server") && removed.errors.contains("client in slot 0"), "\(removed)")
        let sent = try tool("receive", "s", "--existing", in: space).end
        #expect(sent.status == 1 && sent.errors.contains("kind call"), "\(sent)")
        server.close()
        withExtendedLifetime(client) {}
    }
}

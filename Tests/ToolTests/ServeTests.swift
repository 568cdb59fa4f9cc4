import Foundation
import TestSupport
import Testing

@Suite("Serving by commands that fail, do not end, or do not follow the frames", .fewAtATime)
struct ServeTests {
    private let done = ToolProcess.End(status: 0, errors: "")
    private let space: Workspace

    init() throws {
        space = try Workspace()
        // Made first: a call that comes before the service has nothing to wait for.
        let made = try ToolProcess.run("create", "s", "--calls", "--request", "1M", "--reply", "48", in: space)
        try #require(made.end.status == 0)
    }

    private func call(_ request: String, _ words: String...) throws -> (end: ToolProcess.End, output: String) {
        let process = try ToolProcess(["call", "s"] + words, in: space, input: .data(Data(request.utf8)))
        let end = process.end()
        return (end, String(decoding: process.written, as: UTF8.self))
    }

    private func serve(_ words: String...) throws -> ToolProcess { try ToolProcess(["serve", "s"] + words, in: space) }

    @Test("A failed command's half output is no reply, whatever the tool's parent does with SIGCHLD") func ignoredChildren() throws {
        let server = try ToolProcess(
            ["--ignore-signal=CHLD", ToolProcess.path, "serve", "s", "--count", "1", "--", "sh", "-c", "echo part; exit 3"],
            of: "/usr/bin/env", in: space)
        let (end, output) = try call("x")
        #expect(end.status == 1 && end.errors.contains("failed (refused)") && end.errors.contains("status 3"), "\(end)")
        #expect(output == "")
        #expect(server.end() == done)
    }

    /// Replies with "early" when it has a frame's header, and only then reads the rest.
    private static let early = """
        import sys, struct
        while True:
            head = sys.stdin.buffer.read(4)
            if len(head) < 4: break
            sys.stdout.buffer.write(struct.pack('<I', 5) + b'early')
            sys.stdout.buffer.flush()
            sys.stdin.buffer.read(struct.unpack('<I', head)[0])
        """

    @Test("A reply before the request was read: the next request begins where it begins") func earlyReply() throws {
        let server = try serve("--frames", "--count", "2", "--", "python3", "-c", Self.early)
        #expect(try call(String(repeating: "x", count: 500_000)) == (done, "early"))
        #expect(try call("hello") == (done, "early"))
        #expect(server.end() == done)
    }

    @Test("So it is with a reply of many reads, while the request is not taken") func longEarlyReply() throws {
        let made = try ToolProcess.run("create", "large", "--calls", "--request", "1M", "--reply", "1M", in: space)
        #expect(made.end.status == 0)
        let script = Self.early.replacingOccurrences(of: "5) + b'early'", with: "300000) + b'early' * 60000")
        let server = try ToolProcess(["serve", "large", "--frames", "--count", "2", "--", "python3", "-c", script], in: space)
        for size in [500_000, 5] {
            let process = try ToolProcess(["call", "large"], in: space, input: .data(Data(count: size)))
            #expect(process.end() == done)
            #expect(process.written.count == 300_000)
        }
        #expect(server.end() == done)
    }

    /// Every reply twice, in one write.
    private static let doubled = """
        import sys, struct
        while True:
            head = sys.stdin.buffer.read(4)
            if len(head) < 4: break
            body = sys.stdin.buffer.read(struct.unpack('<I', head)[0])
            sys.stdout.buffer.write((struct.pack('<I', len(body)) + body) * 2)
            sys.stdout.buffer.flush()
        """

    @Test("A reply too many reaches no caller") func surplusReply() throws {
        let server = try serve("--frames", "--", "python3", "-c", Self.doubled)
        let first = try call("one")
        #expect(first.end.status == 1 && first.end.errors.contains("more than a reply"), "\(first)")
        let end = server.end()
        #expect(end.status == 1 && end.errors.contains("'python3' wrote more than a reply"), "\(end)")
        #expect(try call("two", "--timeout", "10ms").end.status == 4)
    }

    @Test("SIGTERM ends a command that does not end, refuses its call, and leaves no process") func endless() throws {
        let pidFile = space.scratch.appendingPathComponent("pid").path
        let server = try serve("--", "sh", "-c", "echo $$ >'\(pidFile)'; exec sleep 100000")
        let caller = try ToolProcess(["call", "s"], in: space)
        var pid: Int32?
        #expect(
            eventually {
                pid = (try? String(contentsOfFile: pidFile, encoding: .utf8)).flatMap { Int32($0.dropLast()) }
                return pid != nil
            })
        server.send(SIGTERM)
        #expect(server.end().status == 128 + SIGTERM)
        let refused = caller.end()
        #expect(refused.status == 1 && refused.errors.contains("ended by a signal"), "\(refused)")
        #expect(kill(try #require(pid), 0) != 0)
    }

    @Test(
        "A command that takes too long, goes on without an output, or writes without end is ended, and the server goes on",
        arguments: [
            (["--timeout", "3s"], "sleep 100000", "took longer"), (["--timeout", "3s"], "exec >&-; sleep 100000", "took longer"),
            ([], "trap '' PIPE TERM; while :; do echo word 2>/dev/null; done", "more than 48 bytes"),
        ])
    func ends(options: [String], script: String, reason: String) throws {
        let server = try ToolProcess(
            ["serve", "s", "--count", "2"] + options + [
                "--", "sh", "-c", "read word; case $word in slow) \(script);; *) echo $word;; esac",
            ],
            in: space)
        let slow = try call("slow\n")
        #expect(slow.end.status == 1 && slow.end.errors.contains(reason), "\(slow)")
        #expect(try call("quick\n") == (done, "quick\n"))
        #expect(server.end() == done)
    }

    @Test("A refusal is cut to what fits, and ends no server") func longRefusal() throws {
        let script = space.scratch.appendingPathComponent(String(repeating: "long", count: 20)).path
        try "#!/bin/sh\nexit 1\n".write(toFile: script, atomically: true, encoding: .utf8)
        chmod(script, 0o700)
        let server = try serve("--count", "2", "--", script)
        for _ in 0..<2 {
            let refused = try call("x")
            #expect(refused.end.status == 1 && refused.end.errors.contains("failed (refused)"), "\(refused)")
        }
        #expect(server.end() == done)
    }

    @Test("A command that is not there is an error before any call; one that goes refuses the next") func missingCommand() throws {
        let missing = try ToolProcess.run("serve", "t", "--", "no-such-command", in: space).end
        #expect(missing.status == 1 && missing.errors.contains("'no-such-command'"), "\(missing)")
        #expect(space.traces == ["s"])
        let script = space.scratch.appendingPathComponent("goes").path
        try "#!/bin/sh\nrm \"$0\"\ncat\n".write(toFile: script, atomically: true, encoding: .utf8)
        chmod(script, 0o700)
        let server = try serve("--count", "2", "--", script)
        #expect(try call("here") == (done, "here"))
        let gone = try call("gone")
        #expect(gone.end.status == 1 && gone.end.errors.contains("failed (refused)"), "\(gone)")
        let end = server.end()
        #expect(end.status == 0 && end.errors.contains("can't be started"), "\(end)")
    }

    @Test("A long-lived command that ends between two calls ends its server") func endedBetween() throws {
        let end = try serve("--frames", "--", "false").end()
        #expect(end.status == 1 && end.errors.contains("'false' ended"), "\(end)")
    }

    @Test("A check names a server that was killed") func killedServer() throws {
        let server = try serve("--", "cat")
        #expect(try call("x") == (done, "x"))
        server.send(SIGKILL)
        server.end()
        let check = try ToolProcess.run("check", "s", in: space)
        #expect(String(decoding: check.output, as: UTF8.self).contains("not all have closed"))
        let json = try ToolProcess.run("check", "s", "--json", in: space)
        #expect(String(decoding: json.output, as: UTF8.self).contains("left_by_the_dead"))
    }
}

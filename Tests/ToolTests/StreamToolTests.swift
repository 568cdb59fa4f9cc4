import Foundation
import TestSupport
import Testing

@Suite("The tool calls and serves streams", .fewAtATime)
struct StreamToolTests {
    private let done = ToolProcess.End(status: 0, errors: "")

    private func call(_ words: [String], in space: Workspace) throws -> (end: ToolProcess.End, output: Data) {
        let process = try ToolProcess(["call"] + words, in: space, input: .data(Data("request".utf8)))
        let end = process.end()
        return (end, process.written)
    }

    private func create(_ words: String..., in space: Workspace) throws {
        #expect(try ToolProcess.run("create", "s", "--calls", words[0], words[1], in: space).end == done)
    }

    @Test("What a command writes comes in parts, however much it is, and its request is there") func streams() throws {
        let space = try Workspace()
        try create("--streams", "1K", in: space)
        let server = try ToolProcess(
            ["serve", "s", "--existing", "--stream", "--count", "3", "--", "sh", "-c", "cat; head -c 1000000 /dev/zero"], in: space)
        for _ in 0..<2 {
            let (end, output) = try call(["s", "--stream"], in: space)
            #expect(end == done)
            #expect(output == Data("request".utf8) + Data(count: 1_000_000))
        }
        // A call without a stream is answered as usual: here with more than the largest reply.
        let plain = try call(["s"], in: space)
        #expect(plain.end.status == 1 && plain.end.errors.contains("failed (refused)"), "\(plain.end)")
        #expect(server.end() == done)
    }

    @Test("A command that fails, behind its parts; one that takes longer than its timeout; and one whose client has gone") func failures()
        throws
    {
        let space = try Workspace()
        let server = try ToolProcess(["serve", "s", "--stream", "--count", "1", "--", "sh", "-c", "echo part; exit 3"], in: space)
        let refused = try callOnceThere(["s", "--stream"], in: space)
        #expect(refused.end.status == 1 && refused.end.errors.contains("status 3") && refused.output == Data("part\n".utf8), "\(refused)")
        #expect(server.end() == done)

        let slow = try ToolProcess(
            ["serve", "s", "--stream", "--count", "1", "--timeout", "100ms", "--", "sh", "-c", "echo part; exec sleep 1000"], in: space)
        let late = try callOnceThere(["s", "--stream"], in: space)
        #expect(
            late.end.status == 1 && late.end.errors.contains("longer than its timeout") && late.output == Data("part\n".utf8), "\(late)")
        #expect(slow.end() == done)

        // An endless command: the client stops, and the server goes on with the next call.
        let endless = try ToolProcess(["serve", "s", "--stream", "--count", "2", "--", "yes"], in: space)
        for _ in 0..<2 {
            let (end, output) = try ToolProcess.shell("sharedring call s --stream < /dev/null | head -n 1000 | tail -n 1", in: space)
            #expect(end.status == 0 && output == Data("y\n".utf8), "\(end)")
        }
        #expect(endless.end() == done)
    }

    /// The service is made by the server, which may not be there yet.
    private func callOnceThere(_ words: [String], in space: Workspace) throws -> (end: ToolProcess.End, output: Data) {
        for _ in 0..<2000 {
            if try ToolProcess.run("info", "s", in: space).end.status == 0 { break }
            usleep(5000)
        }
        return try call(words, in: space)
    }

    @Test("A service without streams: said by both sides, and so are options that exclude each other") func without() throws {
        let space = try Workspace()
        try create("--clients", "2", in: space)
        let call = try call(["s", "--stream"], in: space).end
        #expect(call.status == 1 && call.errors.contains("made without streams") && call.errors.contains("was not executed"), "\(call)")
        let usage = try ToolProcess.run("serve", "s", "--stream", "--frames", "--", "cat", in: space).end
        #expect(usage.status == 2 && usage.errors.contains("exclude each other"), "\(usage)")
        let exact = try ToolProcess.run("serve", "s", "--stream", "--exact", "--", "cat", in: space).end
        #expect(exact.status == 1 && exact.errors.contains("no streams"), "\(exact)")
        let needs = try ToolProcess.run("create", "t", "--streams", "4K", in: space).end
        #expect(needs.status == 2 && needs.errors.contains("'--streams' needs '--calls'"), "\(needs)")
    }

    @Test("info and stat name the streams") func info() throws {
        let space = try Workspace()
        try create("--streams", "5K", in: space)
        let text = String(decoding: try ToolProcess.run("info", "s", in: space).output, as: UTF8.self)
        #expect(text.contains("streams through 8192 bytes"), "\(text)")
        let json = String(decoding: try ToolProcess.run("info", "s", "--json", in: space).output, as: UTF8.self)
        #expect(json.contains("\"stream_capacity\": 8192") || json.contains("\"stream_capacity\":8192"), "\(json)")
    }
}

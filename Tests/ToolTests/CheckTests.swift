import Foundation
import Glibc
import TestSupport
import Testing

/// `check` says whether the next process can use a ring, and what it will find.
@Suite(.fewAtATime) struct CheckTests {
    private func check(_ name: String, in space: Workspace) throws -> (status: Int32?, text: String, errors: String) {
        let (end, output) = try ToolProcess.run("check", name, in: space)
        return (end.status, String(decoding: output, as: UTF8.self), end.errors)
    }

    private func json(_ name: String, in space: Workspace) throws -> [String: Any] {
        let output = try ToolProcess.run("check", name, "--json", in: space).output
        #expect(output.filter { $0 == 10 }.count == 1 && output.last == 10)
        return try #require(try JSONSerialization.jsonObject(with: output) as? [String: Any])
    }

    @Test func aNewRingIsUsable() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
        let (status, text, errors) = try check("r", in: space)
        #expect(status == 0 && errors == "")
        #expect(text.contains("usable: no process has attached yet") && text.contains("waits for the first producer"))
        let json = try json("r", in: space)
        #expect(json["usable"] as? Bool == true && json["state"] as? String == "unused" && (json["lanes"] as? [Any])?.isEmpty == true)
    }

    @Test func whatItForetellsOfAKilledSenderIsWhatHappens() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe)
        try sender.input!.write(contentsOf: Data("a\nbb\nccc\n".utf8))
        #expect(eventually { (try? json("r", in: space))?["messages"] as? Int == 3 })
        #expect(try json("r", in: space)["state"] as? String == "in_use")
        sender.send(SIGKILL)
        sender.end()

        let (status, text, _) = try check("r", in: space)
        #expect(status == 0, "however its last users ended")
        #expect(text.contains("died: process \(sender.id) (sharedring)") && text.contains("position 0 to 48, 3 messages of 6 bytes"))
        #expect(text.contains("goes on at position 48 and writes an end record for the one that died"))
        #expect(text.contains("starts at position 0 and gets 3 messages, then learns that a producer died"))
        #expect(try json("r", in: space)["state"] as? String == "left_by_the_dead")

        let (end, output) = try ToolProcess.run("receive", "r", "--lines", "--keep", in: space)
        #expect(end.status == 3 && output == Data("a\nbb\nccc\n".utf8))
        let after = try check("r", in: space)
        #expect(
            after.status == 0 && after.text.contains("gets 0 messages, then waits for a producer\n"),
            "that death was reported: \(after.text)")
    }

    @Test func damageIsAStatusAlsoWhereTheOutputHasNoReader() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "good", in: space).end.status == 0)
        #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
        #expect(try ToolProcess.run("send", "r", in: space, input: Data("abc".utf8)).end.status == 0)
        let file = try FileHandle(forUpdating: space.rings.appendingPathComponent("r"))
        try file.seek(toOffset: 8192)
        try file.write(contentsOf: Data([0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff]))
        let script = "mkfifo f; exec 3<>f 4>f 3<&-; "
        #expect(try ToolProcess.shell(script + "sharedring check good >&4", in: space).end.status == 0)
        #expect(try ToolProcess.shell(script + "sharedring check r >&4", in: space).end.status == 1)
        #expect(try ToolProcess.shell("rm f; " + script + "sharedring check good r >&4", in: space).end.status == 1)
    }

    @Test func ofDamageItSaysWhatAndWhere() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("send", "r", "--lines", in: space, input: Data("a\nb\n".utf8)).end.status == 0)
        let file = try FileHandle(forUpdating: space.rings.appendingPathComponent("r"))
        try file.seek(toOffset: 8192 + 16)
        try file.write(contentsOf: Data([1, 2, 3, 4, 5, 6, 7, 8]))
        try file.close()
        let (status, text, errors) = try check("r", in: space)
        #expect(status == 1)
        #expect(text.contains("lane 0, position 16, byte 8208 of the file: the record header is 0x807060504030201"))
        #expect(errors.contains("ring 'r' is damaged: lane 0, position 16"))
        let json = try json("r", in: space)
        let damage = try #require((json["damage"] as? [[String: Any]])?.first)
        #expect(json["usable"] as? Bool == false && damage["file_offset"] as? Int == 8208 && damage["position"] as? Int == 16)
        #expect(try ToolProcess.run("receive", "r", "--lines", in: space).end.status == 1, "and so it is")
    }

    @Test func whatIsNoRingIsNotUsable() throws {
        let space = try Workspace()
        try Data("text".utf8).write(to: space.rings.appendingPathComponent("file"))
        #expect(try check("file", in: space).status == 1)
        #expect(try json("file", in: space)["state"] as? String == "not_a_ring")
        let none = try check("none", in: space)
        #expect(none.status == 1 && none.errors.contains("there is none") && none.text == "")
        #expect(try json("none", in: space)["state"] as? String == "not_found")
        #expect(try check("a/b", in: space).status == 2)
        #expect(try ToolProcess.run("check", in: space).end.status == 2)
    }

    @Test(arguments: [[], ["--lanes", "2", "--order", "total"]]) func aRingInUseIsNeverDamaged(lanes: [String]) throws {
        let space = try Workspace()
        let source = space.scratch.appendingPathComponent("lines")
        try numberedLines(1...200_000).write(to: source)
        // Round and round: the sender is started anew until the checks are done.
        let receiver = try ToolProcess(
            ["receive", "r", "--lines", "--keep", "--senders", "1000"] + (lanes.isEmpty ? ["--lanes", "1"] : lanes), in: space)
        let file = space.rings.appendingPathComponent("r").path
        try #require(eventually { FileManager.default.fileExists(atPath: file) })
        var checks = 0
        while checks < 12 {
            let sender = try ToolProcess(["send", "r", "--lines", "--keep"], in: space, input: .file(source.path))
            for _ in 0..<4 {
                let (status, text, errors) = try check("r", in: space)
                #expect(status == 0 && !text.contains("damaged"), "\(text) \(errors)")
                checks += 1
            }
            #expect(sender.end().status == 0)
        }
        receiver.send(SIGTERM)
        receiver.end()
    }
}

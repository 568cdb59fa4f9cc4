import Foundation
import Glibc
import TestSupport
import Testing

/// `remove --stale` takes what its users have left behind, and nothing else.
@Suite(.fewAtATime) struct StaleTests {
    /// A ring that is done with, one with messages, a new one, one in use, and a file.
    private func fill(_ space: Workspace) throws -> ToolProcess {
        #expect(try ToolProcess.run("send", "done", "--keep", in: space, input: Data("x".utf8)).end.status == 0)
        #expect(try ToolProcess.run("receive", "done", "--keep", in: space).end.status == 0)
        #expect(try ToolProcess.run("send", "full", "--lines", in: space, input: Data("a\nbb\n".utf8)).end.status == 0)
        #expect(try ToolProcess.run("create", "new", in: space).end.status == 0)
        try Data("text".utf8).write(to: space.rings.appendingPathComponent("file"))
        let receiver = try ToolProcess(["receive", "busy"], in: space)
        #expect(eventually { (try? RingInfo("busy", in: space))?.consumer.presence == "attached" })
        return receiver
    }

    private func remove(_ words: String..., in space: Workspace) throws -> (status: Int32?, lines: [String]) {
        let process = try ToolProcess(["remove", "--stale"] + words, in: space)
        let status = process.end().status
        return (status, String(decoding: process.written, as: UTF8.self).split(separator: "\n").map(String.init))
    }

    @Test func itSaysWhatWentAndWhatStayedAndWhy() throws {
        let space = try Workspace()
        let receiver = try fill(space)
        let before = space.traces.sorted()

        let dryRun = try remove("--dry-run", in: space)
        #expect(dryRun.status == 0)
        #expect(dryRun.lines.filter { $0.hasPrefix("would remove") } == ["would remove  'done', in which nothing waited"])
        #expect(space.traces.sorted() == before)

        let (status, lines) = try remove(in: space)
        #expect(status == 0)
        #expect(
            lines == [
                "kept     'busy': it is in use by process \(receiver.id) (sharedring) as consumer",
                "removed  'done', in which nothing waited",
                "kept     'file': not a ring: its file has 4 bytes, a ring's header alone has 512",
                "kept     'full': it has 2 undelivered messages of 3 bytes and 1 unread end of a stream; with --force it goes, too",
                "kept     'new': no process has attached to it yet",
            ])
        #expect(space.traces.sorted() == ["busy", "file", "full", "new"])

        let forced = try remove("--force", in: space)
        #expect(forced.status == 0)
        #expect(forced.lines.contains("removed  'full', with 2 undelivered messages of 3 bytes and 1 unread end of a stream"))
        #expect(space.traces.sorted() == ["busy", "file", "new"])
        receiver.send(SIGKILL)
        receiver.end()
        #expect(try remove("busy", in: space).lines == ["removed  'busy', in which nothing waited"])
    }

    @Test func onlyWhatIsNamedIsLookedAt() throws {
        let space = try Workspace()
        let receiver = try fill(space)
        #expect(try remove("full", "new", in: space).lines.count == 2)
        #expect(space.traces.sorted() == ["busy", "done", "file", "full", "new"])
        let (status, lines) = try remove("none", "done", in: space)
        #expect(status == 1 && lines.contains("removed  'done', in which nothing waited"))
        #expect(try remove("a/b", in: space).status == 2)
        receiver.send(SIGTERM)
        receiver.end()
    }

    @Test func itsOptionsNeedIt() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
        for option in ["--force", "--dry-run"] { #expect(try ToolProcess.run("remove", option, "r", in: space).end.status == 2) }
        #expect(try ToolProcess.run("remove", in: space).end.status == 2)
        #expect(space.traces == ["r"])
        #expect(try ToolProcess.run("remove", "--stale", "--dir", space.rings.path + "/none", in: space).end.status == 1)
    }

    /// No process can attach to it, so only its owner could get rid of it.
    @Test func aDamagedRingIsListedAndCanBeRemoved() throws {
        let space = try Workspace()
        for name in ["broken", "sound"] { #expect(try ToolProcess.run("create", name, in: space).end.status == 0) }
        let file = try FileHandle(forUpdating: space.rings.appendingPathComponent("broken"))
        try file.truncate(atOffset: 8192)
        try file.close()
        let message = try ToolProcess.run("send", "broken", in: space).end
        #expect(message.status == 1 && message.errors.contains("'sharedring remove --damaged'"))

        let list = String(decoding: try ToolProcess.run("list", in: space).output, as: UTF8.self).split(separator: "\n")
        #expect(list.count == 2 && list[0].hasPrefix("broken  damaged ") && list[1].hasPrefix("sound   spsc "))
        let json = try JSONSerialization.jsonObject(with: try ToolProcess.run("list", "--json", in: space).output) as? [String: Any]
        #expect((json?["damaged"] as? [[String: Any]])?.map { $0["name"] as? String } == ["broken"])
        #expect((json?["rings"] as? [[String: Any]])?.count == 1)
        #expect(try ToolProcess.run("list", "--names", in: space).output == Data("sound\n".utf8))

        func remove(_ words: String...) throws -> (status: Int32?, text: String) {
            let process = try ToolProcess(["remove", "--damaged"] + words, in: space)
            return (process.end().status, String(decoding: process.written, as: UTF8.self))
        }
        let dryRun = try remove("--dry-run")
        #expect(dryRun.status == 0 && dryRun.text.hasPrefix("would remove  'broken': ") && space.traces.count == 2)
        let kept = try remove("sound")
        #expect(kept.status == 0 && kept.text.hasPrefix("kept     'sound': it is not damaged"))
        #expect(try remove("none").status == 1)
        #expect(try remove("--dry-run", "none").status == 1)
        let keptDry = try remove("--dry-run", "sound")
        #expect(keptDry.status == 0 && keptDry.text.hasPrefix("would keep    'sound': it is not damaged"))
        let removal = try remove()
        #expect(removal.status == 0 && removal.text.hasPrefix("removed  'broken': "))
        #expect(space.traces == ["sound"])
    }

    /// A dry run looks at the locks, too.
    @Test func aDamagedRingThatAProcessUsesIsKeptAndADryRunSaysSo() throws {
        let space = try Workspace()
        let receiver = try ToolProcess(["receive", "busy"], in: space)
        #expect(eventually { (try? RingInfo("busy", in: space))?.consumer.presence == "attached" })
        receiver.send(SIGSTOP)
        let file = try FileHandle(forUpdating: space.rings.appendingPathComponent("busy"))
        try file.seek(toOffset: 504)  // the header's checksum
        try file.write(contentsOf: Data(repeating: 0x41, count: 8))
        try file.close()
        for (option, line) in [(["--dry-run"], "would keep    'busy': "), ([], "kept     'busy': ")] {
            for names in [[], ["busy"]] {
                let process = try ToolProcess(["remove", "--damaged"] + option + names, in: space)
                #expect(process.end() == .init(status: 0, errors: ""))
                let text = String(decoding: process.written, as: UTF8.self)
                #expect(text.hasPrefix(line) && text.contains("a process holds a role of it"), "\(text)")
            }
        }
        #expect(space.traces == ["busy"])
        receiver.send(SIGKILL)
        receiver.end()
        let (end, output) = try ToolProcess.run("remove", "--damaged", "--dry-run", "busy", in: space)
        #expect(end.status == 0 && String(decoding: output, as: UTF8.self).hasPrefix("would remove  'busy': "))
        #expect(space.traces == ["busy"])
    }
}

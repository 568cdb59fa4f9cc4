import Foundation
import Glibc
import Testing

/// The command line, the ring's coming and going, and what the tool says when something is wrong.
@Suite struct CommandTests {
    @Test(arguments: [
        ([], "command is missing"), (["frob"], "'frob'"), (["--frob"], "'--frob'"), (["send"], "name is missing"),
        (["send", "a", "b"], "'b'"), (["send", "a", "--frob"], "'--frob'"), (["receive", "a", "--drain"], "'--drain'"),
        (["send", "a", "--lines", "--frames"], "'--frames'"), (["send", "a", "--capacity", "12X"], "'12X'"),
        (["send", "a", "--capacity", "0"], "'0'"), (["send", "a", "--bytes=-1"], "'-1'"), (["send", "a", "--wait", "idly"], "'idly'"),
        (["send", "a", "--timeout", "soon"], "'soon'"), (["send", "a", "--timeout"], "'--timeout' needs a value"),
        (["send", "a", "--lines=1"], "'--lines' takes no value"), (["create", "a", "--mode", "999"], "'999'"),
        (["create", "a", "--alignment", "12"], "12"), (["create", "a/b"], "'a/b'"), (["help", "frob"], "'frob'"),
        (["create", "a", "--order", "total"], "'--lanes'"), (["send", "a", "--order", "total"], "'--lanes'"),
        (["create", "a", "--lanes", "0"], "'0'"), (["receive", "a", "--lanes", "1025"], "'1025'"),
        (["create", "a", "--lanes", "2", "--order", "some"], "'some'"), (["receive", "a", "--senders", "0"], "'0'"),
        (["receive", "a", "--senders", "two"], "'two'"), (["send", "a", "--senders", "2"], "'--senders'"), (["list", "a"], "'a'"),
        (["info"], "name is missing"), (["info", "a/b"], "'a/b'"), (["info", "a", "--lines"], "'--lines'"),
        (["list", "--json=1"], "'--json' takes no value"), (["check"], "name is missing"), (["check", "a", "b"], "'b'"),
        (["remove", "a", "b"], "'b'"), (["remove"], "name is missing"), (["remove", "a", "--force"], "'--stale'"),
        (["stat"], "name is missing"), (["stat", "a", "--json", "--prometheus"], "'--prometheus'"), (["stat", "a", "--watch", "0"], "'0'"),
        (["tap", "a", "--text", "--hex"], "'--hex'"), (["tap", "a", "--count", "0"], "'0'"), (["tap", "a", "--seconds", "soon"], "'soon'"),
        (["send", "a", "--owner", "no-such-user"], "'no-such-user'"), (["create", "a", "--owner", "0"], "'--owner'"),
    ])
    func aWrongWordIsNamedWithAPointerToHelp(_ words: [String], _ named: String) throws {
        let space = try Workspace()
        let process = try ToolProcess(words, in: space)
        let end = process.end()
        #expect(end.status == 2)
        #expect(end.errors.hasPrefix("sharedring: ") && end.errors.contains(named) && end.errors.contains("--help"))
        #expect(end.errors.filter { $0 == "\n" }.count == 1)
        #expect(space.traces == [])
    }

    @Test(arguments: [
        ["--help"], ["help"], ["send", "--help"], ["help", "send"], ["receive", "x", "--help"], ["help", "create"], ["list", "--help"],
        ["help", "info"], ["help", "check"], ["help", "stat"], ["tap", "--help"], ["remove", "--stale", "--help"], ["--version"],
    ])
    func helpGoesToStandardOutput(_ words: [String]) throws {
        let space = try Workspace()
        let process = try ToolProcess(words, in: space)
        #expect(process.end() == .init(status: 0, errors: ""))
        #expect(String(decoding: process.written, as: UTF8.self).contains("sharedring"))
    }

    @Test func createdRingsStayUntilTheyAreRemoved() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--capacity", "100K", "--label", "mine", "--mode", "0640", in: space).end.status == 0)
        let facts = try FileManager.default.attributesOfItem(atPath: space.rings.appendingPathComponent("r").path)
        #expect(facts[.posixPermissions] as? Int == 0o640)
        let again = try ToolProcess.run("create", "r", in: space)
        #expect(again.end.status == 1)

        for text in ["one", "two"] {
            #expect(try ToolProcess.run("send", "r", in: space, input: Data(text.utf8)).end.status == 0)
            #expect(try ToolProcess.run("receive", "r", in: space).output == Data(text.utf8))
            #expect(space.traces == ["r"])
        }
        #expect(try ToolProcess.run("remove", "r", in: space).end.status == 0)
        #expect(space.traces == [])
        #expect(try ToolProcess.run("remove", "r", in: space).end.status == 1)
    }

    @Test func aRingThatStaysGivesAllItsClosedStreamsToOneReceiver() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
        for text in ["one\n", "", "two\n"] {
            #expect(try ToolProcess.run("send", "r", "--lines", in: space, input: Data(text.utf8)).end.status == 0)
        }
        #expect(try ToolProcess.run("receive", "r", "--lines", in: space).output == Data("one\ntwo\n".utf8))
        #expect(space.traces == ["r"])
    }

    @Test(arguments: ["send", "receive"])
    func keepLeavesTheRing(who: String) throws {
        let space = try Workspace()
        let keep = ["--keep"]
        let sender = try ToolProcess(["send", "r"] + (who == "send" ? keep : []), in: space, input: .data(Data("abc".utf8)))
        #expect(sender.end().status == 0)
        let receiver = try ToolProcess(["receive", "r", "--lines"] + (who == "receive" ? keep : []), in: space)
        #expect(receiver.end().status == 0)
        #expect(receiver.written == Data("abc\n".utf8))
        #expect(space.traces == ["r"])
        // Its end was told, and is not told again: the next receiver waits.
        let next = try ToolProcess.run("receive", "r", "--timeout", "200ms", "--keep", in: space)
        #expect(next.end.status == 1)
        #expect(next.output == Data())
    }

    @Test func aSecondReceiverIsRefused() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r"], in: space, input: .pipe)
        let first = try ToolProcess(["receive", "r"], in: space)
        try sender.input!.write(contentsOf: Data("a".utf8))
        #expect(eventually { first.written == Data("a".utf8) })
        let second = try ToolProcess.run("receive", "r", in: space)
        #expect(second.end.status == 1)
        #expect(second.end.errors.contains("process \(first.id)"))
        let removal = try ToolProcess.run("remove", "r", in: space)
        #expect(removal.end.status == 1)
        #expect(removal.end.errors.contains("process \(first.id)") && removal.end.errors.contains("process \(sender.id)"))
        try sender.input!.close()
        #expect(first.end().status == 0)
        #expect(space.traces == [])
    }

    @Test func aReceiverGivesUpAfterItsTimeout() throws {
        let space = try Workspace()
        let (end, output) = try ToolProcess.run("receive", "r", "--timeout", "100ms", in: space)
        #expect(end == .init(status: 1, errors: "sharedring: ring 'r': no message within 100ms\n"))
        #expect(output == Data())
        #expect(space.traces == [])
    }

    @Test(arguments: [[], ["--drain"]])
    func aSenderGivesUpAfterItsTimeout(options: [String]) throws {
        let space = try Workspace()
        let data = options.isEmpty ? randomData(100_000) : Data("a".utf8)
        let sender = try ToolProcess(["send", "r", "--capacity", "4K", "--timeout", "0.1"] + options, in: space, input: .data(data))
        let end = sender.end()
        #expect(end.status == 1)
        #expect(end.errors.hasSuffix("within 0.1 s\n"))
        #expect(try ToolProcess.run("receive", "r", in: space).end.status == 3)
    }

    @Test func aReceiverWithATimeoutStillTellsADeath() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r"], in: space, input: .pipe)
        let receiver = try ToolProcess(["receive", "r", "--timeout", "60"], in: space)
        try sender.input!.write(contentsOf: Data("a".utf8))
        #expect(eventually { receiver.written.count == 1 })
        sender.send(SIGKILL)
        #expect(receiver.end().status == 3)
    }

    @Test func drainWaitsForTheReceiver() throws {
        let space = try Workspace()
        let sender = try ToolProcess(["send", "r", "--drain"], in: space, input: .data(Data("abc".utf8)))
        let receiver = try ToolProcess(["receive", "r"], in: space)
        #expect(sender.end().status == 0)
        #expect(receiver.written == Data("abc".utf8))
        #expect(receiver.end().status == 0)
    }

    @Test func anotherCapacityIsNoted() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--capacity", "64K", in: space).end.status == 0)
        let same = try ToolProcess.run("send", "r", "--capacity", "60000", in: space)
        #expect(same.end == .init(status: 0, errors: ""))
        let other = try ToolProcess.run("send", "r", "--capacity", "1M", in: space)
        #expect(other.end.status == 0)
        #expect(other.end.errors.contains("65536"))
    }

    @Test func theDirectoryOfTheCommandLineCountsMost() throws {
        let space = try Workspace()
        let other = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--dir", other.rings.path, in: space).end.status == 0)
        #expect(space.traces == [] && other.traces == ["r"])
    }

    @Test func whatIsNotARingIsLeftAlone() throws {
        let space = try Workspace()
        let file = space.rings.appendingPathComponent("r")
        try Data("mine".utf8).write(to: file)
        for command in ["send", "receive", "remove"] {
            #expect(try ToolProcess.run(command, "r", in: space).end.status == 1)
        }
        #expect(try Data(contentsOf: file) == Data("mine".utf8))
    }

    @Test func anOutputWithoutRoomIsAnError() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("send", "r", in: space, input: Data("abc".utf8)).end.status == 0)
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = ["-c", "timeout 20 \"$0\" receive r --dir \"$1\" >/dev/full 2>/dev/null", ToolProcess.path, space.rings.path]
        try shell.run()
        shell.waitUntilExit()
        #expect(shell.terminationStatus == 1)
        #expect(try ToolProcess.run("receive", "r", in: space).output == Data("abc".utf8))
    }

    @Test(.enabled(if: SmallFileSystem.isPossible, "needs the right to mount a tmpfs"))
    func aRingThatDoesNotFitIsNotMade() throws {
        let space = try Workspace()
        let small = try SmallFileSystem(at: space.rings)
        defer { small.unmount() }
        for words in [["create", "r"], ["send", "r"], ["receive", "r"]] {
            let end = try ToolProcess(words, in: space).end()
            #expect(end.status == 1)
            #expect(end.errors.contains("No space left on device"))
        }
        #expect(space.traces == [])
    }
}

/// A tmpfs of 64 KiB.
struct SmallFileSystem {
    private let place: String

    static let isPossible: Bool = {
        guard let space = try? Workspace(), let small = try? SmallFileSystem(at: space.rings) else { return false }
        small.unmount()
        return true
    }()

    init(at place: URL) throws {
        self.place = place.path
        guard mount("tmpfs", self.place, "tmpfs", 0, "size=64k") == 0 else { throw POSIXError(.EPERM) }
    }

    func unmount() { umount2(place, Int32(MNT_DETACH)) }
}

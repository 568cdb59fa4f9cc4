import Foundation
import Glibc
import SharedRing
import TestSupport
import Testing

/// The command line, the ring's coming and going, and what the tool says when something is wrong.
@Suite(.fewAtATime) struct CommandTests {
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
        (["list", "--json=1"], "'--json' takes no value"), (["check"], "name is missing"), (["tap", "a", "b"], "'b'"),
        (["completions"], "shell is missing"), (["completions", "tcsh"], "'tcsh'"), (["remove"], "name is missing"),
        (["remove", "a", "--force"], "'--stale'"), (["remove", "--stale", "--damaged"], "'--damaged'"),
        (["remove", "--damaged", "--force"], "'--stale'"), (["remove", "a", "--dry-run"], "'--damaged'"),
        (["stat"], "name is missing"), (["stat", "a", "--json", "--prometheus"], "'--prometheus'"), (["stat", "a", "--watch", "0"], "'0'"),
        (["tap", "a", "--text", "--hex"], "'--hex'"), (["tap", "a", "--count", "0"], "'0'"), (["tap", "a", "--seconds", "soon"], "'soon'"),
        (["sned", "a"], "did you mean 'send'?"), (["send", "a", "--capcity", "1M"], "did you mean '--capacity'?"),
        (["--versoin"], "did you mean '--version'?"), (["help", "recieve"], "did you mean 'receive'?"),
        (["list", "--json", "--names"], "'--names'"), (["send", "\u{1B}[1m", "--bytes", "\u{1B}"], "'\\u{1B}'"),
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
        ["help", "info"], ["help", "check"], ["help", "stat"], ["tap", "--help"], ["remove", "--stale", "--help"], ["help", "completions"],
        ["--version"],
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
        // Its end was reported, and is not reported again: the next receiver waits.
        let next = try ToolProcess.run("receive", "r", "--timeout", "200ms", "--keep", in: space)
        #expect(next.end.status == 4)
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
        try sender.closeInput()
        #expect(first.end().status == 0)
        #expect(space.traces == [])
    }

    @Test func aReceiverGivesUpAfterItsTimeout() throws {
        let space = try Workspace()
        let (end, output) = try ToolProcess.run("receive", "r", "--timeout", "100ms", in: space)
        #expect(end == .init(status: 4, errors: "sharedring: ring 'r': no message within 100ms\n"))
        #expect(output == Data())
        #expect(space.traces == [])
    }

    @Test(arguments: [[], ["--drain"]])
    func aSenderGivesUpAfterItsTimeout(options: [String]) throws {
        let space = try Workspace()
        let data = options.isEmpty ? randomData(100_000) : Data("a".utf8)
        let sender = try ToolProcess(["send", "r", "--capacity", "4K", "--timeout", "0.1"] + options, in: space, input: .data(data))
        let end = sender.end()
        #expect(end.status == 4)
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

    /// Each of these trapped, or could: the last one after it had attached to the ring.
    @Test(arguments: [
        ["--capacity", "8000000000G"], ["--capacity", "9223372036854775807"], ["--capacity", "2049G"],
        ["--capacity", "99999999999999999999999"], ["--bytes", "99999999999999999999"], ["--timeout", "1e400"],
        ["--timeout", "99999999999999999999h"], ["--lanes", "99999999999999999999"], ["--owner", "4294967296"],
    ])
    func noNumberTraps(_ option: [String]) throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
        for words in [["send", "r"] + option, ["receive", "r"] + option] {
            let end = try ToolProcess(words, in: space).end()
            #expect(end.status == 2 && end.errors.contains("'\(option[1])'"), "\(words): \(end)")
        }
        #expect(try RingInfo("r", in: space).number("producer_attachments") == 0, "it is refused before it attaches")
    }

    @Test func moreSendersThanNumbersAreAwaitedForEver() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
        #expect(try ToolProcess.run("send", "r", "--lines", in: space, input: Data("1\n".utf8)).end.status == 0)
        #expect(try ToolProcess.run("receive", "r", "--lines", in: space).end.status == 0)
        let receiver = try ToolProcess(["receive", "r", "--lines", "--senders", "9223372036854775807"], in: space)
        #expect(try eventually { try RingInfo("r", in: space).consumer.presence == "attached" })
        let killed = try ToolProcess(["send", "r", "--lines"], in: space, input: .pipe)
        try killed.input!.write(contentsOf: Data("2\n".utf8))
        #expect(eventually { receiver.written == Data("2\n".utf8) })
        killed.send(SIGKILL)
        killed.end()
        #expect(try ToolProcess.run("send", "r", "--lines", in: space, input: Data("3\n".utf8)).end.status == 0)
        #expect(eventually { receiver.written == Data("2\n3\n".utf8) })
        receiver.send(SIGTERM)
        #expect(receiver.end().status == 128 + SIGTERM)
    }

    @Test(arguments: ["create n --broadcast --label", "receive n --subscribe durable --as", "remove n --subscriber"])
    func aTextThatIsNotUTF8IsNotRepaired(command: String) throws {
        let space = try Workspace()
        let end = try ToolProcess.shell("sharedring \(command) $'audit\\xff'", in: space).end
        #expect(end.status == 2 && end.errors.contains("is not UTF-8"), "\(end)")
        #expect(space.traces == [])
    }

    @Test(arguments: [
        ["board", "create", "b", "k=8000000000G"], ["board", "create", "b", "k=8", "--room", "99999999999999999999"],
        ["board", "create", "b", "k=8", "--room", "1", "--room-bytes", "8000000000G"],
        ["create", "b", "--calls", "--request", "99999999999999999999"], ["create", "b", "--calls", "--reply", "8000000000G"],
        ["create", "b", "--calls", "--clients", "9223372036854775807"],
        ["create", "b", "--broadcast", "--subscribers", "9223372036854775807"],
        ["serve", "b", "--servers", "9223372036854775807", "--", "cat"],
    ])
    func norDoesOneOfAnotherKind(words: [String]) throws {
        let space = try Workspace()
        let end = try ToolProcess(words, in: space).end()
        #expect(end.status == 2 && end.errors.hasPrefix("sharedring: "), "\(words): \(end)")
        #expect(space.traces == [])
    }

    @Test func theLargestNumbersThatAreAllowedDoNoHarm() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
        let most = "\(Int.max)"
        for words in [
            // First: a message of the largest size wants all of the ring, and who closes leaves the end of a stream in it.
            ["send", "r", "--bytes", most], ["send", "r", "--capacity", "1024G"], ["send", "r", "--timeout", "9000000000s"],
            ["send", "r", "--timeout", "0"], ["send", "r", "--lanes", "1024"],
            ["tap", "r", "--seconds", "0", "--count", most], ["send", "r", "--timeout", "0.0000000000000000000001"],
        ] { #expect(try ToolProcess(words, in: space).end().status == 0, "\(words)") }
        let slow = try ToolProcess(["receive", "r", "--senders", most, "--timeout", "1ms"], in: space).end()
        #expect([0, 4].contains(slow.status))
        for words in [["create", "s", "--alignment", most], ["create", "s", "--mode", "77777777777777777777777"]] {
            #expect(try ToolProcess(words, in: space).end().status == 2, "\(words)")
        }
        for words in [["stat", "r", "--watch", "99999999999h"], ["tap", "r", "--count", most + "0"], ["tap", "r", "--seconds", "1e11"]] {
            #expect(try ToolProcess(words, in: space).end().status == 2, "\(words)")
        }
    }

    @Test(arguments: [
        (["--capacity", "1M"], "65536"), (["--lanes", "3"], "2"), (["--lanes", "2", "--order", "total"], "per"),
    ])
    func anExactShapeIsRequiredIfAskedFor(options: [String], fact: String) throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "r", "--lanes", "2", "--capacity", "64K", in: space).end.status == 0)
        for more in [["--exact"], ["--exact", "--existing"]] {
            let end = try ToolProcess(["send", "r"] + options + more, in: space).end()
            #expect(end.status == 1 && end.errors.contains("is there already") && end.errors.contains(fact), "\(end)")
        }
        #expect(try RingInfo("r", in: space).number("producer_attachments") == 0)
        let noted = try ToolProcess(["send", "r"] + options, in: space).end()
        #expect(noted.status == 0 && noted.errors.contains(fact) && noted.errors.contains("only for a new one"))
        let same = ["send", "r", "--exact", "--capacity", "60000", "--lanes", "2", "--order", "per-producer"]
        #expect(try ToolProcess(same, in: space).end() == .init(status: 0, errors: ""))
        #expect(try ToolProcess(["send", "new", "--exact"] + options, in: space).end().status == 0)
    }

    // MARK: Names

    /// As they are on the disk: in two normalisations, and not UTF-8.
    @Test func namesAreBytes() throws {
        let space = try Workspace()
        let script = """
            set -e
            a=$'caf\\xc3\\xa9' b=$'cafe\\xcc\\x81' c=$'\\xe9' d=$'\\xea'
            for name in "$a" "$b" "$c" "$d"; do sharedring create "$name"; done
            sharedring stat --json "$a" "$b" "$c" "$d" | wc -l
            sharedring stat --prometheus "$a" "$b" "$c" "$d" | grep -c sharedring_consumer_attached{
            sharedring remove "$c" "$b"
            sharedring list | wc -l
            ls "$SHAREDRING_DIR" | wc -l
            test -e "$SHAREDRING_DIR/$a" && test -e "$SHAREDRING_DIR/$d"
            sharedring info "$d" | head -n 1
            """
        let (end, output) = try ToolProcess.shell(script, in: space)
        #expect(end == .init(status: 0, errors: ""))
        #expect(
            String(decoding: output, as: UTF8.self) == "4\n4\n2\n2\nring '\\xEA' in \(space.rings.path)\n")
    }

    @Test(arguments: ["send", "receive"]) func existingMakesNoRing(command: String) throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "prices", in: space).end.status == 0)
        let none = try ToolProcess.run(command, "prizes", "--existing", in: space)
        #expect(none.end.status == 1 && none.end.errors.contains("there is none") && none.end.errors.contains("did you mean 'prices'?"))
        #expect(space.traces == ["prices"])
        #expect(try ToolProcess.run("send", "prices", "--existing", in: space).end.status == 0)
    }

    @Test func aRingThatIsNotThereIsNamedWithOneThatIs() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "orders", in: space).end.status == 0)
        for command in ["info", "check", "stat", "tap", "remove"] {
            let end = try ToolProcess.run(command, "oders", in: space).end
            #expect(end.status == 1 && end.errors.contains("did you mean 'orders'?"), "\(command): \(end)")
            #expect(try !ToolProcess.run(command, "xyz", in: space).end.errors.contains("did you mean"))
        }
    }

    @Test func severalNamesAreDealtWithOneByOne() throws {
        let space = try Workspace()
        for name in ["a", "b", "c"] { #expect(try ToolProcess.run("create", name, in: space).end.status == 0) }
        for command in ["info", "check"] {
            let (end, output) = try ToolProcess.run(command, "a", "none", "b", in: space)
            let text = String(decoding: output, as: UTF8.self)
            #expect(end.status == 1 && end.errors.contains("'none'") && end.errors.filter { $0 == "\n" }.count == 1)
            #expect(text.hasPrefix("ring 'a' in") && text.contains("\n\nring 'b' in"))
            let json = try ToolProcess.run(command, "--json", "a", "b", in: space)
            #expect(json.end.status == 0 && json.output.filter { $0 == 10 }.count == 2)
        }
        let removal = try ToolProcess.run("remove", "a", "none", "b", in: space)
        #expect(removal.end.status == 1 && removal.end.errors.contains("'none'"))
        #expect(space.traces == ["c"])
    }

    @Test func controlCharactersOfNamesAreEscapedInEveryOutput() throws {
        let space = try Workspace()
        let name = "a\u{1B}[31m\nb"
        for words in [
            ["info", name], ["send", name, "--frob"], ["remove", name], ["stat", name], ["tap", name], ["receive", name, "--existing"],
            ["create", name], ["create", name], ["info", name], ["check", name], ["list"], ["list", "--names"], ["list", "--json"],
            ["send", name, "--capacity", "1"], ["stat", name, "--json"], ["stat", name, "--prometheus"], ["remove", "--stale"],
            ["receive", name, "--timeout", "1ms"], ["send", name, "--dir", "\u{1B}none"],
        ] {
            let process = try ToolProcess(words, in: space)
            let errors = process.end().errors
            #expect(!errors.contains("\u{1B}") && errors.split(separator: "\n").allSatisfy { $0.hasPrefix("sharedring: ") }, "\(words)")
            // Prometheus' format has no escape for it: labels are any text.
            if !words.contains("--prometheus") { #expect(!process.written.contains(0x1B), "\(words)") }
        }
    }

    /// Of a subscriber's name and a board's key, which another process chose.
    @Test func soAreNamesOfSubscribersAndKeys() throws {
        let space = try Workspace()
        let name = "a\u{1B}[31m\nb"
        #expect(try ToolProcess.run("create", "r", "--broadcast", in: space).end.status == 0)
        let subscriber = try ToolProcess(["receive", "r", "--subscribe", "durable", "--as", name], in: space)
        #expect(
            eventually {
                (try? ToolProcess.run("info", "r", in: space).output).map { String(decoding: $0, as: UTF8.self) }?.contains("u{1B}") == true
            })
        #expect(try ToolProcess.run("board", "create", "b", name + "=8", in: space).end.status == 0)
        for words in [
            ["info", "r"], ["info", "r", "--json"], ["check", "r"], ["stat", "r"],
            ["receive", "r", "--subscribe", "durable", "--as", name],
            ["remove", "r"], ["remove", "r", "--subscriber", name], ["remove", "r", "--subscriber", "other" + name],
            ["board", "list", "b"], ["board", "get", "b", name], ["board", "set", "b", name, "123456789"],
            ["board", "set", "b", name, "x"],
            ["board", "get", "b"], ["board", "get", "b", name, "--json"], ["board", "get", "b", "other" + name], ["info", "b"],
            ["info", "b", "--json"],
            ["check", "b"], ["board", "add", "b", name + "=16"],
        ] {
            let process = try ToolProcess(words, in: space)
            let errors = process.end().errors
            #expect(
                !errors.contains("\u{1B}") && errors.split(separator: "\n").allSatisfy { $0.hasPrefix("sharedring: ") },
                "\(words): \(errors)")
            #expect(!process.written.contains(0x1B), "\(words)")
        }
        subscriber.send(SIGTERM)
        #expect(subscriber.end().status == 128 + SIGTERM)
    }

    @Test(arguments: [[], ["--lanes", "2"]]) func aRingHasTheSizeThatTheLibraryGivesIt(lanes: [String]) throws {
        let space = try Workspace()
        #expect(try ToolProcess(["create", "a"] + lanes, in: space).end().status == 0)
        #expect(try ToolProcess(["send", "b"] + lanes, in: space).end().status == 0)
        for name in ["a", "b"] { #expect(try RingInfo(name, in: space).number("capacity") == RingOptions().capacity) }
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
        let shell = try ToolProcess.shell("sharedring receive r >/dev/full 2>/dev/null", in: space)
        #expect(shell.end.status == 1)
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

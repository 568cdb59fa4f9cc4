import Foundation
import Glibc
import SharedRing
import TestSupport
import Testing

@Suite("The tool makes boards, sets and shows their values, and watches them", .fewAtATime)
struct BoardCommandTests {
    private func run(_ words: [String], in space: Workspace, input: Data = Data()) throws -> (end: ToolProcess.End, output: String) {
        let process = try ToolProcess(["board"] + words, in: space, input: .data(input))
        let end = process.end()
        return (end, String(decoding: process.written, as: UTF8.self))
    }

    private let done = ToolProcess.End(status: 0, errors: "")

    @Test("Values come back in every format, from the command line and from standard input") func roundTrip() throws {
        let space = try Workspace()
        #expect(try run(["create", "b", "rate=8", "mode", "--room", "1", "--room-bytes", "100", "--time"], in: space).end == done)
        #expect(try run(["set", "b", "rate", "rate", "--tag", "7"], in: space).end == done)
        #expect(try run(["set", "b", "mode"], in: space, input: Data("fast\n".utf8)).end == done)
        #expect(try run(["add", "b", "late=100"], in: space).end == done)
        #expect(try run(["get", "b", "rate"], in: space).output == "rate\n")
        #expect(try run(["get", "b", "mode"], in: space).output == "fast\\n\n")
        #expect(try run(["get", "b", "mode", "--raw"], in: space).output == "fast\n")
        #expect(try run(["get", "b", "rate", "--hex"], in: space).output == "72617465\n")
        #expect(try run(["get", "b"], in: space).output == "rate\trate\nmode\tfast\\n\n")
        let json = try run(["get", "b", "rate", "--json"], in: space).output
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(object["version"] as? Int == 1 && object["tag"] as? Int == 7 && object["bytes"] as? String == "72617465")
        #expect(object["written_at"] is String)
        #expect(try run(["set", "b", "late", "00ff", "--hex"], in: space).end == done)
        #expect(try run(["get", "b", "late", "--hex"], in: space).output == "00ff\n")
        let list = try run(["list", "b"], in: space).output
        #expect(list.contains("'rate': version 1, 4 of 8 bytes, tag 7, written ") && list.contains("'late': version 1, 2 of 100 bytes"))
    }

    @Test("What can't be done ends with status 1 or 2 and says why") func refusals() throws {
        let space = try Workspace()
        #expect(try run(["create", "b", "rate=8"], in: space).end == done)
        func failure(_ words: String..., status: Int32, saying facts: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
            let end = try run(words, in: space).end
            #expect(end.status == status, "\(words): \(end)", sourceLocation: sourceLocation)
            for fact in facts { #expect(end.errors.contains(fact), "\(words): \(end)", sourceLocation: sourceLocation) }
        }
        try failure("get", "b", "rate", status: 1, saying: "'rate'", "no value yet")
        try failure("get", "b", "nothing", status: 1, saying: "board 'b'", "'nothing'")
        try failure("get", "c", status: 1, saying: "board 'c'")
        try failure("set", "b", "rate", "123456789", status: 1, saying: "9 bytes", "8")
        try failure("set", "b", "rate", "x", "--if-version", "3", status: 1, saying: "another version than 3")
        try failure("set", "b", "rate", "abc", "--hex", status: 1, saying: "hexadecimal")
        try failure("sett", "b", "rate", "x", status: 2, saying: "'sett'", "did you mean 'set'")
        try failure("get", status: 2, saying: "name is missing")
        try failure("set", "b", status: 2, saying: "key is missing")
        try failure("set", "b", "rate", "x", "y", status: 2, saying: "'y'")
        try failure("create", "d", "rate=0", status: 2, saying: "'0'")
        try failure("create", "d", status: 2, saying: "entries")
        // An option that would have no effect.
        for (words, option) in [
            ("watch b --timeout 1s", "--timeout"), ("add b k --room 5 --room-bytes 1M", "--room"), ("get b --count 1", "--count"),
            ("get b --if-version 3", "--if-version"), ("remove b --json", "--json"), ("list b --raw", "--raw"), ("list b --hex", "--hex"),
            ("set b rate x --json", "--json"), ("create d rate --tag 1", "--tag"), ("add b k --mode 0644", "--mode"),
        ] {
            let end = try run(words.split(separator: " ").map(String.init), in: space).end
            let action = words.prefix { $0 != " " }
            #expect(end.status == 2 && end.errors.contains("'\(option)' is not for 'board \(action)'"), "\(words): \(end)")
        }
        #expect(space.traces == ["b"])
        let sent = try ToolProcess(["receive", "b", "--existing"], in: space).end()
        #expect(sent.status == 1 && sent.errors.contains("board"), "\(sent)")
    }

    @Test("An entry that another process keeps ends --timeout with the status of a timeout") func timeout() throws {
        let space = try Workspace()
        #expect(try run(["create", "b", "rate=8"], in: space).end == done)
        var options = RingOptions()
        options.directory = space.rings.path
        let writer = try Board.open("b", options: options).makeWriter("rate")
        let end = try run(["set", "b", "rate", "x", "--timeout", "50ms"], in: space).end
        #expect(end.status == 4 && end.errors.contains("to the deadline"), "\(end)")
        writer.close()
        #expect(try run(["set", "b", "rate", "x", "--timeout", "1m"], in: space).end == done)
    }

    @Test("Each word is judged before anything is opened or read") func judgement() throws {
        let space = try Workspace()
        for (words, fact) in [
            (["set", "none", "k", "--tag", "x"], "'x' after '--tag'"),
            (["set", "none", "k", "--timeout", "soon"], "'soon' after '--timeout'"),
            (["set", "none", "k", "--if-version", "one"], "'one' after '--if-version'"), (["add", "none", "k=0"], "'0' in 'k=0'"),
            (["add", "none", "k", "--timeout", "soon"], "'soon' after '--timeout'"),
            (["create", "none", "k", "--room", "x"], "'x' after '--room'"),
            (["watch", "none", "--seconds", "x"], "'x' after '--seconds'"), (["get", "none", "--json", "--raw"], "exclude each other"),
        ] {
            // An input that never ends.
            let process = try ToolProcess(["board"] + words, in: space, input: .pipe)
            let end = process.end()
            #expect(end.status == 2 && end.errors.contains(fact), "\(words): \(end)")
        }
        #expect(space.traces == [])
    }

    @Test("Of standard input no more is read than the entry takes") func endlessInput() throws {
        let space = try Workspace()
        #expect(try run(["create", "b", "rate=8"], in: space).end == done)
        for format in [[], ["--hex"]] {
            let process = try ToolProcess(["board", "set", "b", "rate"] + format, in: space, input: .file("/dev/zero"))
            let end = process.end()
            #expect(end.status == 1 && end.errors.contains("more than the 8 bytes that entry 'rate' of board 'b' takes"), "\(end)")
        }
        let unknown = try ToolProcess(["board", "set", "b", "other"], in: space, input: .file("/dev/zero")).end()
        #expect(unknown.status == 1 && unknown.errors.contains("'other'"), "\(unknown)")
        #expect(try run(["get", "b"], in: space).output == "", "nothing was set")
        #expect(try run(["set", "b", "rate"], in: space, input: Data("12345678".utf8)).end == done)
        // Blanks between the digits don't count.
        let hex = Data("00 01 02 03\r\n\t04 05 06 ff\n\n\n".utf8)
        #expect(try run(["set", "b", "rate", "--hex"], in: space, input: hex).end == done)
        #expect(try run(["get", "b", "rate", "--hex"], in: space).output == "00010203040506ff\n")
    }

    @Test("A watch without time writes what is there, and ends") func watchWithoutTime() throws {
        let space = try Workspace()
        #expect(try run(["create", "b", "rate=8", "mode"], in: space).end == done)
        #expect(try run(["watch", "b", "--seconds", "0"], in: space) == (done, ""))
        #expect(try run(["set", "b", "rate", "1"], in: space).end == done)
        #expect(try run(["watch", "b", "--seconds", "0"], in: space) == (done, "rate\t1\n"))
        #expect(try run(["watch", "b", "mode", "--seconds", "0"], in: space) == (done, ""))
    }

    @Test("A watch writes each newest value, and ends when the board is removed") func watch() throws {
        let space = try Workspace()
        #expect(try run(["create", "b", "rate=8"], in: space).end == done)
        let watch = try ToolProcess(["board", "watch", "b"], in: space)
        for value in ["1", "2", "3"] {
            #expect(try run(["set", "b", "rate", value], in: space).end == done)
            #expect(eventually { String(decoding: watch.written, as: UTF8.self).hasSuffix("rate\t\(value)\n") })
        }
        #expect(try run(["remove", "b"], in: space).end == done)
        #expect(watch.end() == done)
        #expect(space.traces == [])
    }

    @Test("In a terminal a watch shows each entry in a place of its own, and draws over what it drew") func watchInTerminal() throws {
        let space = try Workspace()
        #expect(try run(["create", "b", "rate=8", "mode"], in: space).end == done)
        let terminal = try Terminal(rows: 10, columns: 60)
        let watch = try ToolProcess(["board", "watch", "b"], in: space, outputTo: terminal.path)
        let first = terminal.read { $0.contains("mode  -") }
        #expect(first.contains("board 'b'") && first.contains("  rate  -") && first.contains("  mode  -"), "\(first)")
        #expect(try run(["set", "b", "rate", "one"], in: space).end == done)
        let second = terminal.read { $0.contains("mode  -") }
        #expect(second.hasPrefix("\u{1B}[3A\r") && second.contains("  rate  1  one"), "\(second)")
        #expect(try run(["remove", "b"], in: space).end == done)
        #expect(watch.end() == done)
    }

    @Test("info, check, list and remove know a board, stat and tap say that it is one; it is never stale") func others() throws {
        let space = try Workspace()
        #expect(try run(["create", "b", "rate=8", "mode=100"], in: space).end == done)
        #expect(try run(["set", "b", "rate", "v"], in: space).end == done)
        for command in ["info", "check"] {
            let (end, output) = try ToolProcess.run(command, "b", in: space)
            let text = String(decoding: output, as: UTF8.self)
            #expect(end == done && text.contains("board 'b'") && text.contains("'rate': version 1, 1 of 8 bytes"), "\(text)")
            let (jsonEnd, json) = try ToolProcess.run(command, "b", "--json", in: space)
            #expect(jsonEnd == done && (try? JSONSerialization.jsonObject(with: json)) != nil)
        }
        for words in [["stat", "b"], ["tap", "b", "--seconds", "0"]] {
            let end = try ToolProcess(words, in: space).end()
            #expect(end.status == 1 && end.errors.contains("it is a board"), "\(end)")
        }
        let (_, list) = try ToolProcess.run("list", in: space)
        #expect(String(decoding: list, as: UTF8.self).contains("b  board  2 entries"))
        let (_, stale) = try ToolProcess.run("remove", "--stale", in: space)
        #expect(String(decoding: stale, as: UTF8.self).contains("kept     'b': it is a board"))
        #expect(try ToolProcess.run("remove", "b", in: space).end == done)
        #expect(space.traces == [])
    }
}

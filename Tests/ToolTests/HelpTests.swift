import Foundation
import Glibc
import TestSupport
import Testing

/// The help says what the tool does.
@Suite(.fewAtATime) struct HelpTests {
    private static let commands = [
        "send", "receive", "create", "remove", "list", "info", "check", "stat", "tap", "board", "call", "serve", "completions",
    ]

    private func help(_ words: String..., in space: Workspace) throws -> String {
        let process = try ToolProcess(words + ["--help"], in: space)
        #expect(process.end() == .init(status: 0, errors: ""))
        return String(decoding: process.written, as: UTF8.self)
    }

    private func examples(in help: String) -> [String] {
        let lines = help.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.firstIndex(of: "Examples:") else { return [] }
        return lines[(start + 1)...].prefix { $0.hasPrefix("  ") }.map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// What the examples of a command find: rings, files, and senders.
    private static let scenes = [
        "send": "sharedring create log --lanes 4",
        "receive": """
        sharedring send photos < photos.tar
        for one in 1 2; do sharedring send log --lanes 4 --lines < app.log; done
        seq 1 100 | sharedring send numbers --lines
        sharedring create news --broadcast; seq 1 20 | sharedring send news --lines
        """,
        "remove": "for ring in prices log orders; do sharedring create $ring; done",
        "list": "for ring in prices log; do sharedring create $ring; done",
        "info": "for ring in prices log; do sharedring create $ring; done",
        "check": "for ring in prices log; do sharedring create $ring; done",
        "stat": "for ring in prices log; do sharedring create $ring; done",
        "call": """
        seq 1 9 > words.txt; sharedring create upper --calls; sharedring create numbers --calls --streams 4K
        (sharedring serve upper --count 2 -- tr a-z A-Z < /dev/null > /dev/null 2>&1 &)
        (sharedring serve numbers --stream --count 1 -- seq 1 100000 < /dev/null > /dev/null 2>&1 &)
        """,
        "serve": """
        sharedring create upper --calls; sharedring create sum --calls --request 64K
        sharedring create numbers --calls --streams 64K
        (for call in upper sum 'numbers --stream'; do echo hello | sharedring call $call; done < /dev/null > /dev/null 2>&1 &)
        """,
        "tap": "sharedring send log --lines < app.log",
        "completions": "mkdir -p ~/.zfunc ~/.config/fish/completions",
    ]

    @Test(arguments: commands) func everyExampleWorks(command: String) throws {
        let space = try Workspace()
        let files = "seq 1 1000 > app.log; seq 1 10000 > photos.tar\n"
        let scene = try ToolProcess.shell(files + (Self.scenes[command] ?? "") + "\n", in: space)
        #expect(scene.end == .init(status: 0, errors: ""))
        let examples = examples(in: try help(command, in: space))
        #expect(examples.count >= 2)
        for example in examples {
            let (end, _) = try ToolProcess.shell("set -o pipefail; " + example, in: space)
            #expect(end == .init(status: 0, errors: ""), "\(example)")
        }
        if command == "receive" {
            let (_, output) = try ToolProcess.shell("cmp copy.tar photos.tar && wc -l < all.txt", in: space)
            #expect(output == Data("2000\n".utf8))
        }
    }

    @Test func theOverviewsExamplesWork() throws {
        let space = try Workspace()
        let examples = examples(in: try help(in: space)).joined(separator: "\n")
        let (end, output) = try ToolProcess.shell(
            "seq 1 10000 > photos.tar; for file in a b c; do seq 1 1000 > $file.log; done\n\(examples)\nwait\ncmp copy.tar photos.tar; wc -l < all.txt",
            in: space)
        #expect(end == .init(status: 0, errors: ""))
        #expect(output == Data("3000\n".utf8))
        #expect(space.traces == [])
    }

    /// Whatever the parser takes is documented, and the other way round.
    @Test(arguments: commands) func everyOptionIsDocumented(command: String) throws {
        let space = try Workspace()
        let script = try ToolProcess.run("completions", "bash", in: space).output
        let prefix = "    \(command)) options='"
        let lines = String(decoding: script, as: UTF8.self).split(separator: "\n")
        let line = try #require(lines.first { $0.contains(prefix) })
        let options = line.components(separatedBy: "'")[1].split(separator: " ").map(String.init)
        let help = try help(command, in: space)
        for option in options where option != "--help" { #expect(help.contains("\n  \(option) "), "\(option) of \(command)") }
        for line in help.split(separator: "\n") where line.hasPrefix("  --") {
            let option = line.split(separator: " ")[0]
            #expect(options.contains(String(option)), "\(option) of \(command)")
        }
        #expect(help.contains("Exit status: ") && help.hasPrefix("Usage: sharedring \(command)"))
        #expect(help.split(separator: "\n").allSatisfy { $0.count <= 104 })
    }

    @Test func theListHasHeadingsOnATerminalOnly() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "prices", in: space).end.status == 0)
        let terminal = try Terminal()
        let process = try ToolProcess(["list"], in: space, outputTo: terminal.path)
        let lines = terminal.read { $0.filter { $0 == "\r\n" }.count == 2 }.split(separator: "\r\n")
        #expect(process.end().status == 0)
        #expect(lines.count == 2 && lines[0].hasPrefix("NAME ") && lines[1].hasPrefix("prices "))
        #expect(try ToolProcess.run("list", in: space).output.starts(with: Data("prices ".utf8)))
        #expect(try ToolProcess.run("list", "--names", in: space).output == Data("prices\n".utf8))
    }

    /// A container or a jail may have no /proc: the words of the command line come all the same.
    @Test(.enabled(if: HelpTests.canHideProc, "no mount namespaces here")) func withoutProcItHearsItsWords() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "prices", in: space).end.status == 0)
        let (end, output) = try ToolProcess.shell("unshare --mount sh -c 'umount -l /proc && exec sharedring list --names'", in: space)
        #expect(end == .init(status: 0, errors: "") && output == Data("prices\n".utf8))
    }

    private static let canHideProc: Bool = {
        guard let space = try? Workspace() else { return false }
        return (try? ToolProcess.shell("unshare --mount umount -l /proc", in: space))?.end.status == 0
    }()

    /// The names are other users', too: none is taken apart, and none for an option.
    @Test func theListsNamesAreWordsForOtherCommands() throws {
        let space = try Workspace()
        let example = try #require(examples(in: try help("list", in: space)).first { $0.contains("xargs") })
        let names = ["a b", "it's", "-x", "--dir=tmp", "--json", "a\\b", "$HOME"]
        for name in names { #expect(try ToolProcess.run("create", "--", name, in: space).end.status == 0) }
        let (end, output) = try ToolProcess.shell(example, in: space)
        #expect(end == .init(status: 0, errors: ""))
        let text = String(decoding: output, as: UTF8.self)
        for name in names where !name.contains("\\") { #expect(text.contains("ring '\(name)'"), "\(text)") }
        #expect(text.split(separator: "\n").count { $0.hasPrefix("ring '") } == names.count)
    }

    /// Of what the tool takes and does, what its help once left out.
    @Test func theHelpSaysWhatIsTakenAndWhatIsDone() throws {
        let space = try Workspace()
        for (command, facts) in [
            ("serve", ["the service stays", "128 + N", "more than the largest reply", "us, ms, s, m (or min) or h"]),
            ("send", ["of a broadcast: how long", "us, ms, s, m (or min) or h"]),
            ("stat", ["leave no trace", "us, ms, s, m (or min) or h"]),
            ("tap", ["us, ms, s, m (or min) or h"]), ("board", ["0: write all that is there"]), ("list", ["--kind KIND"]),
        ] {
            let text = try help(command, in: space)
            for fact in facts { #expect(text.contains(fact), "\(command): \(fact)") }
        }
        for duration in ["20000us", "20ms", "0.02", "0.02s", "0.0003min", "0.0003m", "0.000005h"] {
            #expect(try ToolProcess.run("create", "r", in: space).end.status == 0)
            #expect(try ToolProcess.run("tap", "r", "--seconds", duration, in: space).end == .init(status: 0, errors: ""), "\(duration)")
            #expect(try ToolProcess.run("remove", "r", in: space).end.status == 0)
        }
    }

    @Test(arguments: [["help"], ["help", "--help"], ["help", "-h"], ["help", "help"], ["--help"]]) func helpHasHelp(words: [String]) throws
    {
        let space = try Workspace()
        let process = try ToolProcess(words, in: space)
        #expect(process.end() == .init(status: 0, errors: ""))
        #expect(String(decoding: process.written, as: UTF8.self).contains("sharedring help COMMAND"))
    }

    @Test func nothingSaysOneBytes() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("send", "r", "--lines", "--lanes", "1", in: space, input: Data("a\n".utf8)).end.status == 0)
        let words = [
            ["info", "r"], ["check", "r"], ["list"], ["stat", "r"], ["tap", "r", "--hex", "--seconds", "0"],
            ["remove", "--stale", "--dry-run"],
        ]
        let processes = try words.map { try ToolProcess($0, in: space) }
        for process in processes {
            process.end()
            let text = String(decoding: process.written, as: UTF8.self)
            for wrong in ["1 bytes", "1 messages", "1 lanes", "1 ends", "1 producers", "1 attachments"] {
                #expect(!" \(text)".contains(" " + wrong), "\(text)")
            }
        }
    }
}

import Foundation
import TestSupport
import Testing

/// Completions offer what the tool takes, and never expand a ring's name.
@Suite(.processesOneByOne) struct CompletionTests {
    /// What a real bash is offered for the last of these words.
    private func complete(_ words: String..., in space: Workspace) throws -> [String] {
        let list = words.map { "'\($0)'" }.joined(separator: " ")
        let (end, output) = try ToolProcess.shell(
            """
            eval "$(sharedring completions bash)"
            compopt() { :; }   # outside of a completion it is an error
            COMP_WORDS=(sharedring \(list))
            COMP_CWORD=\(words.count)
            _sharedring sharedring "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """, in: space)
        #expect(end == .init(status: 0, errors: ""))
        return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func bashIsOfferedCommandsOptionsValuesAndRings() throws {
        let space = try Workspace()
        for name in ["prices", "prizes", "log"] { #expect(try ToolProcess.run("create", name, in: space).end.status == 0) }
        #expect(try complete("re", in: space) == ["receive", "remove"])
        #expect(try complete("receive", "--se", in: space) == ["--senders", "--senders-ever"])
        #expect(try complete("send", "--se", in: space) == [])
        #expect(try complete("send", "--wait", "s", in: space) == ["spin", "sleep"])
        #expect(try complete("send", "--wait", "=", "a", in: space) == ["adaptive"])
        #expect(try complete("create", "--order", "", in: space) == ["per-producer", "total"])
        #expect(try complete("send", "--capacity", "", in: space) == [])
        #expect(try complete("info", "pri", in: space).sorted() == ["prices", "prizes"])
        #expect(try complete("info", "--json", "prices", "", in: space).sorted() == ["log", "prices", "prizes"])
        #expect(try complete("list", "p", in: space) == [])
        #expect(try complete("help", "ta", in: space) == ["tap"])
        #expect(try complete("completions", "f", in: space) == ["fish"])
        #expect(try complete("send", "--owner", "any", in: space) == ["anyone"])
        let other = try Workspace()
        #expect(try ToolProcess.run("create", "elsewhere", in: other).end.status == 0)
        #expect(try complete("info", "--dir", other.rings.path, "", in: space) == ["elsewhere"])
        #expect(try complete("info", "--dir", "=", other.rings.path, "", in: space) == ["elsewhere"])
    }

    @Test func aRingsNameIsQuotedAndNotExpanded() throws {
        let space = try Workspace()
        let names = ["a b", "a$(touch pwned)", "a`touch pwned`", "a;touch pwned", "a*", "a'b"]
        for name in names { #expect(try ToolProcess.run("create", name, in: space).end.status == 0) }
        let offered = try complete("info", "a", in: space)
        #expect(offered.count == names.count && offered.contains("a\\ b"))
        let (end, output) = try ToolProcess.shell("sharedring info \(offered.joined(separator: " ")) >/dev/null && echo fine", in: space)
        #expect(end.status == 0 && output == Data("fine\n".utf8), "each is the word for its ring: \(end.errors)")
        #expect(!FileManager.default.fileExists(atPath: space.scratch.appendingPathComponent("pwned").path))
    }

    /// As at a keyboard.
    @Test func aTabCompletesAtAPrompt() throws {
        let space = try Workspace()
        #expect(try ToolProcess.run("create", "prices", in: space).end.status == 0)
        let terminal = try Terminal()
        let rc = space.scratch.appendingPathComponent("rc")
        try Data("PS1='ready> '\nbind 'set enable-bracketed-paste off'\neval \"$(sharedring completions bash)\"\n".utf8).write(to: rc)
        let bash = try ToolProcess(
            ["-c", "exec setsid --ctty --wait bash --noprofile --rcfile '\(rc.path)' -i <'\(terminal.path)' >'\(terminal.path)' 2>&1"],
            of: "/bin/bash",
            in: space,
            environment: ["TERM": "xterm"])
        #expect(terminal.read { $0.contains("ready> ") }.contains("ready> "))
        terminal.type("sharedring inf\tpri\t--js\t\n")
        let drawn = terminal.read { $0.contains("\"name\":\"prices\"") }
        #expect(drawn.contains("sharedring info prices --json") && drawn.contains("\"name\":\"prices\""), "\(drawn)")
        terminal.type("exit\n")
        #expect(bash.end().status == 0)
    }

    @Test func eachShellsScriptIsOne() throws {
        let space = try Workspace()
        for shell in ["bash", "zsh", "fish"] {
            let (end, output) = try ToolProcess.run("completions", shell, in: space)
            #expect(end.status == 0)
            let text = String(decoding: output, as: UTF8.self)
            for word in ["receive", "senders", "per-producer", "list --names"] { #expect(text.contains(word), "\(word) for \(shell)") }
            // Checked by the shell itself where it is installed.
            let check = try ToolProcess.shell(
                "command -v \(shell) >/dev/null || exit 0; sharedring completions \(shell) | \(shell) -n", in: space)
            #expect(check.end == .init(status: 0, errors: ""))
        }
    }
}

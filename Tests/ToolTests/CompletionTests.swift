import Foundation
import TestSupport
import Testing

/// Completions offer what the tool takes, and never expand a ring's name.
@Suite(.fewAtATime) struct CompletionTests {
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
        #expect(try ToolProcess.run("create", "upper", "--calls", in: space).end.status == 0)
        #expect(try ToolProcess.run("board", "create", "settings", "rate", in: space).end.status == 0)
        #expect(try complete("board", "wa", in: space) == ["watch"])
        #expect(try complete("board", "pri", in: space) == [])
        #expect(try complete("board", "get", "", in: space) == ["settings"])
        #expect(try complete("board", "--owner", "anyone", "get", "--json", "", in: space) == ["settings"])
        #expect(try complete("board", "create", "", in: space) == [])
        #expect(try complete("board", "get", "settings", "", in: space) == [])
        #expect(try complete("board", "watch", "settings", "--se", in: space) == ["--seconds"])
        #expect(try complete("board", "set", "settings", "rate", "--se", in: space) == [])
        for command in ["send", "receive", "tap"] {
            #expect(try complete(command, "", in: space).sorted() == ["log", "prices", "prizes"])
            #expect(try complete(command, "log", "", in: space) == [])
        }
        for command in ["call", "serve"] { #expect(try complete(command, "", in: space) == ["upper"]) }
        #expect(try complete("stat", "", in: space).sorted() == ["log", "prices", "prizes", "upper"])
        #expect(try complete("check", "", in: space).sorted() == ["log", "prices", "prizes", "settings", "upper"])
        #expect(try complete("create", "", in: space) == [])
        #expect(try complete("list", "--kind", "b", in: space) == ["broadcast", "board"])
        #expect(Set(try complete("serve", "upper", "--frames", "--", "sharedri", in: space)) == ["sharedring"])
        #expect(try complete("serve", "upper", "--", "tr", "--fr", in: space) == [], "that is a word for the command")
        #expect(try complete("info", "--", "set", in: space) == ["settings"])
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

    /// Names that a script could take for something else. None has a control character: those are not offered.
    private static let names = ["a b", "a'b", "a\"b", "a$(touch pwned)", "a`touch pwned`", "a;touch pwned", "a*", "a\\b", "aé", "a日本"]

    private static func isInstalled(_ shell: String) -> Bool {
        ["/usr/local/bin", "/usr/bin", "/bin"].contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(shell)") }
    }

    /// Rings in two places, and what a shell is offered behind these characters. A class: both places stay as long as it does.
    private final class ShellSession {
        let space: Workspace
        private let other: Workspace
        let offers: [(typed: String, offered: Set<String>)]

        init() throws {
            space = try Workspace()
            other = try Workspace()
            let rings: Set<String> = ["prices", "prizes", "log"]
            for name in rings { #expect(try ToolProcess.run("create", name, in: space).end.status == 0) }
            #expect(try ToolProcess.run("create", "upper", "--calls", in: space).end.status == 0)
            #expect(try ToolProcess.run("board", "create", "settings", "rate", in: space).end.status == 0)
            let place = other.rings.appendingPathComponent("a place")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            #expect(try ToolProcess.run("create", "elsewhere", "--dir", place.path, in: other).end.status == 0)
            offers = [
                ("sharedring re", ["receive", "remove"]), ("sharedring receive --se", ["--senders", "--senders-ever"]),
                ("sharedring send --se", []), ("sharedring send --wait s", ["spin", "sleep"]),
                ("sharedring create --order ", ["per-producer", "total"]), ("sharedring send --capacity ", []),
                ("sharedring info pri", ["prices", "prizes"]), ("sharedring info --json prices ", rings.union(["settings", "upper"])),
                ("sharedring list p", []), ("sharedring help ta", ["tap"]), ("sharedring completions f", ["fish"]),
                ("sharedring info --dir \(other.rings.path) ", []), ("sharedring info --dir '\(place.path)' ", ["elsewhere"]),
                ("sharedring info --dir='\(place.path)' ", ["elsewhere"]), ("sharedring board wa", ["watch"]),
                ("sharedring board pri", []), ("sharedring board get ", ["settings"]), ("sharedring board create ", []),
                ("sharedring board --owner anyone get --json ", ["settings"]), ("sharedring board get settings ", []),
                ("sharedring board watch settings --se", ["--seconds"]), ("sharedring board set settings rate --se", []),
                ("sharedring send ", rings), ("sharedring tap ", rings), ("sharedring tap log ", []), ("sharedring call ", ["upper"]),
                ("sharedring serve ", ["upper"]), ("sharedring stat ", rings.union(["upper"])), ("sharedring create ", []),
                ("sharedring list --kind b", ["broadcast", "board"]), ("sharedring serve upper --frames -- setsi", ["setsid"]),
                ("sharedring serve upper -- sharedring inf", ["info"]), ("sharedring serve upper -- sharedring --fr", []),
                ("sharedring info -- set", ["settings"]),
            ]
        }
    }

    /// The command that a shell completed wrote what it found into the file `answer`: of this ring, and nothing was expanded.
    private func expectAnswer(about name: String, in space: Workspace) {
        let answer = space.scratch.appendingPathComponent("answer")
        let object = try? JSONSerialization.jsonObject(with: Data(contentsOf: answer)) as? [String: Any]
        #expect(object?["name"] as? String == name)
        #expect(!FileManager.default.fileExists(atPath: space.scratch.appendingPathComponent("pwned").path))
    }

    // MARK: zsh

    /// An interactive zsh that has loaded the script, and writes what it is offered at each tab to the file `offered`, a line each.
    private func zsh(_ space: Workspace, on terminal: Terminal) throws -> ToolProcess {
        let rc = """
            PS1='ready> '
            unsetopt prompt_sp prompt_cr zle_bracketed_paste 2>/dev/null
            zle_bracketed_paste=()
            autoload -Uz compinit && compinit -u -D
            eval "$(sharedring completions zsh)"
            compadd() {
                local -a matches
                builtin compadd -O matches "$@"
                (( $#matches )) && print -rl -- $matches >> '\(space.scratch.path)/offered'
                builtin compadd "$@"
            }

            """
        try Data(rc.utf8).write(to: space.scratch.appendingPathComponent(".zshrc"))
        let shell = try ToolProcess(
            ["-c", "exec setsid --ctty --wait zsh -d -i <'\(terminal.path)' >'\(terminal.path)' 2>&1"], of: "/bin/bash", in: space,
            environment: ["TERM": "xterm", "LC_ALL": "C.UTF-8", "ZDOTDIR": space.scratch.path])
        #expect(terminal.read { $0.contains("ready> ") }.contains("ready> "))
        return shell
    }

    /// What zsh is offered at a tab behind these characters.
    private func zshOffers(_ typed: String, on terminal: Terminal, in space: Workspace) -> Set<String> {
        let file = space.scratch.appendingPathComponent("offered")
        let mark = space.scratch.appendingPathComponent("mark-\(UUID().uuidString)")
        try? FileManager.default.removeItem(at: file)
        // The line is thrown away, and the next one says that zsh is done with it.
        terminal.type(typed + "\t\u{15}: > \(mark.path)\n")
        #expect(eventually { FileManager.default.fileExists(atPath: mark.path) })
        _ = terminal.read { $0.contains("ready> ") }
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return Set(text.split(separator: "\n").map(String.init))
    }

    @Test(.enabled(if: isInstalled("zsh"), "zsh is not installed"))
    func zshIsOfferedCommandsOptionsValuesAndRings() throws {
        let session = try ShellSession()
        let terminal = try Terminal()
        let shell = try zsh(session.space, on: terminal)
        for (typed, offered) in session.offers { #expect(zshOffers(typed, on: terminal, in: session.space) == offered, "\(typed)") }
        terminal.type("exit\n")
        #expect(shell.end().status == 0)
    }

    /// Each name is offered, and what a tab makes of its beginning is the word for its ring.
    @Test(.enabled(if: isInstalled("zsh"), "zsh is not installed"))
    func zshQuotesARingsNameAndDoesNotExpandIt() throws {
        for name in Self.names {
            let space = try Workspace()
            #expect(try ToolProcess.run("create", name, in: space).end.status == 0)
            let terminal = try Terminal(rows: 24, columns: 200)
            let shell = try zsh(space, on: terminal)
            #expect(zshOffers("sharedring info ", on: terminal, in: space) == [name])
            terminal.type("sharedring info a\t --json > answer; exit\n")
            #expect(shell.end().status == 0, "\(name)")
            expectAnswer(about: name, in: space)
        }
    }

    /// As the README loads them: before compinit there is nothing to load them into, which is said.
    @Test(.enabled(if: isInstalled("zsh"), "zsh is not installed")) func withoutCompinitZshLearnsWhatIsMissing() throws {
        let space = try Workspace()
        let load = #"eval "$(sharedring completions zsh)""#
        let (bare, _) = try ToolProcess.shell("zsh -f -c '\(load)'", in: space)
        #expect(bare.status == 1 && bare.errors.contains("compinit") && !bare.errors.contains("command not found"))
        let (loaded, _) = try ToolProcess.shell("zsh -f -c 'autoload -Uz compinit && compinit -u -D; \(load)'", in: space)
        #expect(loaded == .init(status: 0, errors: ""))
    }

    // MARK: fish

    /// As the README loads them.
    @Test(.enabled(if: isInstalled("fish"), "fish is not installed")) func fishLoadsThemByEval() throws {
        let space = try Workspace()
        let (end, output) = try ToolProcess.shell(
            #"fish --no-config -c 'eval "$(sharedring completions fish)"; complete -C "sharedring chec"'"#, in: space)
        #expect(end == .init(status: 0, errors: "") && output.starts(with: Data("check".utf8)))
    }

    /// What fish is offered for this line, in its order.
    private func fishOffers(_ line: String, in space: Workspace) throws -> [String] {
        let process = try ToolProcess(
            ["-c", #"exec fish --no-config -c 'sharedring completions fish | source; complete -C "$argv[1]"' -- "$1""#, "bash", line],
            of: "/bin/bash", in: space, environment: ["LC_ALL": "C.UTF-8"])
        #expect(process.end() == .init(status: 0, errors: ""), "\(line)")
        // Behind a tab stands a description.
        return String(decoding: process.written, as: UTF8.self).split(separator: "\n").map { String($0.prefix { $0 != "\t" }) }
    }

    @Test(.enabled(if: isInstalled("fish"), "fish is not installed"))
    func fishIsOfferedCommandsOptionsValuesAndRings() throws {
        let session = try ShellSession()
        for (line, offered) in session.offers + [("sharedring send --owner any", ["anyone"])] {
            #expect(Set(try fishOffers(line, in: session.space)) == offered, "\(line)")
        }
    }

    /// Each name is offered, and what a tab makes of its beginning is the word for its ring.
    @Test(.enabled(if: isInstalled("fish"), "fish is not installed"))
    func fishQuotesARingsNameAndDoesNotExpandIt() throws {
        let space = try Workspace()
        for name in Self.names { #expect(try ToolProcess.run("create", name, in: space).end.status == 0) }
        #expect(Set(try fishOffers("sharedring info ", in: space)) == Set(Self.names))
        for name in Self.names {
            let space = try Workspace()
            #expect(try ToolProcess.run("create", name, in: space).end.status == 0)
            let terminal = try Terminal(rows: 24, columns: 200)
            let script = "function fish_prompt; printf 'ready> '; end; sharedring completions fish | source"
            let command = "exec setsid --ctty --wait fish --no-config -i -C \"$1\" <'\(terminal.path)' >'\(terminal.path)' 2>&1"
            let shell = try ToolProcess(
                ["-c", command, "bash", script], of: "/bin/bash", in: space,
                environment: ["TERM": "xterm", "LC_ALL": "C.UTF-8", "XDG_DATA_HOME": space.scratch.path])
            #expect(terminal.read { $0.contains("ready> ") }.contains("ready> "))
            terminal.type("sharedring info a\t --json > answer; exit\r")
            #expect(shell.end().status == 0, "\(name)")
            expectAnswer(about: name, in: space)
        }
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

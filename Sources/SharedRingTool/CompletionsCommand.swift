import SharedRing

/// `sharedring completions`: a script by which a shell completes commands, options and names of rings. Made of the table of commands,
/// so that it can't lag behind.
///
/// Names of rings are anybody's words: no script may expand them.
struct CompletionsCommand {
    private enum Shell: String, CaseIterable {
        case bash, zsh, fish
    }

    private let shell: Shell

    init(_ arguments: Arguments) throws {
        let name = arguments.name.repairedText
        guard let shell = Shell(rawValue: name) else {
            let suggestion = Suggestion.ending(for: name, among: Shell.allCases.map(\.rawValue))
            throw ToolFailure.usage("'\(name)' is no shell of bash, zsh and fish\(suggestion)", of: .completions)
        }
        self.shell = shell
    }

    func run() throws {
        switch shell {
        case .bash: try StandardStreams.print(Self.bash)
        case .zsh: try StandardStreams.print(Self.zsh)
        case .fish: try StandardStreams.print(Self.fish)
        }
    }

    // MARK: What the scripts have in common

    private static let commands = Command.allCases.map(\.rawValue) + ["help"]

    private static func words(_ words: [String]) -> String { words.joined(separator: " ") }

    /// The commands behind which a ring's name may stand.
    private static let commandsOfRings = Command.allCases.filter { ![.list, .completions, .board].contains($0) }.map(\.rawValue)

    /// Every option that has a value, of whatever command: the same name means the same everywhere.
    private static let optionsWithValue: [Command.Option] = Command.allCases.flatMap(\.options).reduce(into: []) { options, option in
        if option.value != nil, !options.contains(where: { $0.name == option.name }) { options.append(option) }
    }

    private static let optionsOfCommands = Command.allCases.map { command in
        "    \(command.rawValue)) options='\(words(command.options.map(\.name) + ["--help"]))' ;;"
    }.joined(separator: "\n")

    /// A case for each kind of value, with the body that completes it; without one nothing is offered.
    private static func cases(_ body: (Command.Value) -> String) -> String {
        optionsWithValue.filter { !$0.isValueOptional }.map { "    \($0.name)) \(body($0.value!)) ;;" }.joined(separator: "\n")
    }

    // MARK: bash

    private static var bash: String {
        let values = cases { value in
            switch value {
            case .word(let choices): "mapfile -t COMPREPLY < <(compgen -W '\(words(choices))' -- \"$word\"); return"
            case .directory: "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$word\"); return"
            case .user: "mapfile -t COMPREPLY < <(compgen -u -W anyone -- \"$word\"); return"
            case .size, .count, .duration, .text, .mode: "return"
            }
        }
        return #"""
            # Completions of sharedring for bash: eval "$(sharedring completions bash)"
            _sharedring() {
                local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
                local options= name quoted i
                local -a names places=()
                local IFS=$' \n'
                COMPREPLY=()
                if ((COMP_CWORD == 1)); then
                    mapfile -t COMPREPLY < <(compgen -W '\#(words(commands)) --help --version' -- "$word")
                    return
                fi
                # bash takes '--dir=x' apart.
                if [[ $word == = ]]; then
                    word=
                elif [[ $before == = ]]; then
                    before=${COMP_WORDS[COMP_CWORD - 2]}
                fi
                case $before in
            \#(values)
                esac
                case $command in
            \#(optionsOfCommands)
                help) mapfile -t COMPREPLY < <(compgen -W '\#(words(Command.allCases.map(\.rawValue)))' -- "$word"); return ;;
                *) return ;;
                esac
                if [[ $word == -* ]]; then
                    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
                    return
                fi
                case $command in
                completions) mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- "$word"); return ;;
                list) return ;;
                esac
                # Rings of the directory that the line names.
                for ((i = 2; i < COMP_CWORD; i++)); do
                    if [[ ${COMP_WORDS[i]} == --dir || ${COMP_WORDS[i]} == --owner ]]; then
                        name=${COMP_WORDS[i]} quoted=${COMP_WORDS[i + 1]}
                        [[ $quoted == = ]] && quoted=${COMP_WORDS[i + 2]}
                        places+=("$name" "$quoted")
                    fi
                done
                # Compared and quoted, never expanded: the names are anybody's.
                mapfile -t names < <("$1" list --names "${places[@]}" 2>/dev/null)
                for name in "${names[@]}"; do
                    printf -v quoted %q "$name"
                    if [[ $name == "$word"* || $quoted == "$word"* ]]; then COMPREPLY+=("$quoted"); fi
                done
            }
            complete -F _sharedring sharedring

            """#
    }

    // MARK: zsh

    private static var zsh: String {
        let values = cases { value in
            switch value {
            case .word(let choices): "compadd -- \(words(choices)); return"
            case .directory: "_files -/; return"
            case .user: "compadd -- anyone; _users; return"
            case .size, .count, .duration, .text, .mode: "return"
            }
        }
        return #"""
            #compdef sharedring
            # Completions of sharedring for zsh.
            _sharedring() {
                local command=$words[2] before=$words[CURRENT-1] options i
                local -a names places
                if (( CURRENT == 2 )); then
                    compadd -- \#(words(commands)) --help --version
                    return
                fi
                case $before in
            \#(values)
                esac
                case $command in
            \#(optionsOfCommands)
                help) compadd -- \#(words(Command.allCases.map(\.rawValue))); return ;;
                *) return ;;
                esac
                if [[ $PREFIX == -* ]]; then
                    compadd -- ${=options}
                    return
                fi
                case $command in
                completions) compadd -- bash zsh fish; return ;;
                list) return ;;
                esac
                # Rings of the directory that the line names.
                for (( i = 3; i < CURRENT; i++ )); do
                    case $words[i] in
                    --dir|--owner) places+=($words[i] "${(Q)words[i+1]}") ;;
                    --dir=*|--owner=*) places+=("${(Q)words[i]}") ;;
                    esac
                done
                names=("${(@f)$(_call_program rings ${(q)words[1]} list --names ${(q)places} 2>/dev/null)}")
                compadd -- $names
            }
            if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
                _sharedring "$@"
            elif (( $+functions[compdef] )); then
                compdef _sharedring sharedring
            else
                print -u2 "sharedring: its completions need 'autoload -Uz compinit && compinit' before them"
                false
            fi

            """#
    }

    // MARK: fish

    private static let ringsForFish = #"""
        # Rings of the directory that the line names.
        function __sharedring_rings
            set -l words (commandline -opc)
            set -l places
            for i in (seq 3 (count $words))
                switch $words[$i]
                    case --dir --owner
                        set -a places $words[$i] $words[(math $i + 1)]
                    case '--dir=*' '--owner=*'
                        set -a places $words[$i]
                end
            end
            sharedring list --names $places 2>/dev/null
        end
        """#

    private static var fish: String {
        var lines = [
            "# Completions of sharedring for fish.", ringsForFish, "complete -c sharedring -f",
            "complete -c sharedring -n __fish_use_subcommand -l help", "complete -c sharedring -n __fish_use_subcommand -l version",
            "complete -c sharedring -n __fish_use_subcommand -a help -d 'the options of a command'",
            "complete -c sharedring -n '__fish_seen_subcommand_from help' -a '\(words(Command.allCases.map(\.rawValue)))'",
            "complete -c sharedring -n '__fish_seen_subcommand_from completions' -a 'bash zsh fish'",
            "complete -c sharedring -n '__fish_seen_subcommand_from \(words(commandsOfRings))' -a '(__sharedring_rings)'",
        ]
        for command in Command.allCases {
            lines.append("complete -c sharedring -n __fish_use_subcommand -a \(command.rawValue) -d '\(command.summary)'")
            let condition = "complete -c sharedring -n '__fish_seen_subcommand_from \(command.rawValue)'"
            for option in command.options {
                let value =
                    switch option.value {
                    case _ where option.isValueOptional: ""
                    case nil: ""
                    case .word(let choices): " -x -a '\(words(choices))'"
                    case .directory: " -x -a '(__fish_complete_directories)'"
                    case .user: " -x -a 'anyone (__fish_complete_users)'"
                    case .size, .count, .duration, .text, .mode: " -x"
                    }
                lines.append("\(condition) -l \(option.name.dropFirst(2))\(value)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

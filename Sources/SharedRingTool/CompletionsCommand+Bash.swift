extension CompletionsCommand {
    static var bash: String {
        let values = cases { value in
            switch value {
            case .word(let choices): "mapfile -t COMPREPLY < <(compgen -W '\(words(choices))' -- \"$word\"); return"
            case .directory: "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$word\"); return"
            case .user: "mapfile -t COMPREPLY < <(compgen -u -W anyone -- \"$word\"); return"
            case .size, .count, .duration, .text, .mode: "return"
            }
        }
        let kinds = nameKinds.map { commands, kinds, takesOne in
            let enough = takesOne ? "((${#operands[@]} > 0)) && return; " : ""
            return "    \(commands.map(\.rawValue).joined(separator: "|"))) \(enough)kinds=\(kinds ?? "") ;;"
        }.joined(separator: "\n")
        return #"""
            # Completions of sharedring for bash: eval "$(sharedring completions bash)"
            _sharedring() {
                local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
                local options= kinds= name quoted i
                local -a names places=() operands=()
                local IFS=$' \n'
                COMPREPLY=()
                if ((COMP_CWORD == 1)); then
                    mapfile -t COMPREPLY < <(compgen -W '\#(commands) help --help --version' -- "$word")
                    return
                fi
                # The words that are neither options nor their values, and where the line looks for rings. bash takes '--dir=x' apart.
                for ((i = 2; i < COMP_CWORD; i++)); do
                    case ${COMP_WORDS[i]} in
                    --)
                        [[ $command == serve ]] || continue
                        # Behind it stands a command with its words.
                        if ((i + 1 < COMP_CWORD)); then compopt -o default; else mapfile -t COMPREPLY < <(compgen -c -- "$word"); fi
                        return ;;
                    \#(optionsWithValue.map(\.name).joined(separator: "|")))
                        name=${COMP_WORDS[i]}
                        [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
                        ((i++))
                        [[ $name == --dir || $name == --owner ]] && places+=("$name" "${COMP_WORDS[i]}") ;;
                    -*) ;;
                    *) operands+=("${COMP_WORDS[i]}") ;;
                    esac
                done
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
                help) mapfile -t COMPREPLY < <(compgen -W '\#(commands)' -- "$word"); return ;;
                *) return ;;
                esac
                if [[ $command == board ]]; then
                    case ${operands[0]} in
            \#(optionsOfActions)
                    esac
                fi
                if [[ $word == -* ]]; then
                    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
                    return
                fi
                case $command in
                completions) mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- "$word"); return ;;
                board)
                    if ((${#operands[@]} == 0)); then
                        mapfile -t COMPREPLY < <(compgen -W '\#(actions)' -- "$word")
                        return
                    fi
                    # A new board's name is new, and behind a name stand keys.
                    if ((${#operands[@]} > 1)) || [[ ${operands[0]} == create ]]; then return; fi
                    kinds=board ;;
            \#(kinds)
                *) return ;;
                esac
                # Compared and quoted, never expanded: the names are untrusted.
                mapfile -t names < <("$1" list --names ${kinds:+--kind "$kinds"} "${places[@]}" 2>/dev/null)
                for name in "${names[@]}"; do
                    printf -v quoted %q "$name"
                    if [[ $name == "$word"* || $quoted == "$word"* ]]; then COMPREPLY+=("$quoted"); fi
                done
            }
            complete -F _sharedring sharedring

            """#
    }
}

extension CompletionsCommand {
    static var zsh: String {
        let values = cases { value in
            switch value {
            case .word(let choices): "compadd -- \(words(choices)); return"
            case .directory: "_files -/; return"
            case .user: "compadd -- anyone; _users; return"
            case .size, .count, .duration, .text, .mode: "return"
            }
        }
        let kinds = nameKinds.map { commands, kinds, takesOne in
            let enough = takesOne ? "(( $#operands > 0 )) && return; " : ""
            return "    \(commands.map(\.rawValue).joined(separator: "|"))) \(enough)kinds=\(kinds ?? "") ;;"
        }.joined(separator: "\n")
        let others = optionsWithValue.map(\.name).filter { $0 != "--dir" && $0 != "--owner" }.joined(separator: "|")
        return #"""
            #compdef sharedring
            # Completions of sharedring for zsh.
            _sharedring() {
                local command=$words[2] before=$words[CURRENT-1] options kinds i
                local -a names places operands
                if (( CURRENT == 2 )); then
                    compadd -- \#(commands) help --help --version
                    return
                fi
                # The words that are neither options nor their values, and where the line looks for rings.
                for (( i = 3; i < CURRENT; i++ )); do
                    case $words[i] in
                    --)
                        [[ $command == serve ]] || continue
                        # Behind it stands a command, which has completions of its own.
                        shift $i words
                        (( CURRENT -= i ))
                        _normal
                        return ;;
                    --dir|--owner) places+=($words[i] "${(Q)words[i+1]}"); (( i++ )) ;;
                    --dir=*|--owner=*) places+=("${(Q)words[i]}") ;;
                    \#(others)) (( i++ )) ;;
                    -*) ;;
                    *) operands+=("$words[i]") ;;
                    esac
                done
                case $before in
            \#(values)
                esac
                case $command in
            \#(optionsOfCommands)
                help) compadd -- \#(commands); return ;;
                *) return ;;
                esac
                if [[ $command == board ]]; then
                    case $operands[1] in
            \#(optionsOfActions)
                    esac
                fi
                if [[ $PREFIX == -* ]]; then
                    compadd -- ${=options}
                    return
                fi
                case $command in
                completions) compadd -- bash zsh fish; return ;;
                board)
                    if (( $#operands == 0 )); then
                        compadd -- \#(actions)
                        return
                    fi
                    # A new board's name is new, and behind a name stand keys.
                    if (( $#operands > 1 )) || [[ $operands[1] == create ]]; then return; fi
                    kinds=board ;;
            \#(kinds)
                *) return ;;
                esac
                names=("${(@f)$(_call_program rings ${(q)words[1]} list --names ${kinds:+--kind} $kinds ${(q)places} 2>/dev/null)}")
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
}

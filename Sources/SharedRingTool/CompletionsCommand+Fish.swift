extension CompletionsCommand {
    private static let functionsForFish = #"""
        # Whether the line is one of these commands, and its word not one of the command behind 'serve NAME --'.
        function __sharedring_is
            set -l words (commandline -opc)
            set -q words[2]; and contains -- $words[2] $argv; and not __sharedring_is_served
        end

        # Whether the word is one of the command behind 'serve NAME --'.
        function __sharedring_is_served
            set -l words (commandline -opc)
            test "$words[2]" = serve; and contains -- -- $words
        end

        function __sharedring_served
            set -l words (commandline -opc)
            set -l place (contains -i -- -- $words)
            set -l line
            for i in (seq (math $place + 1) (count $words))
                set -a line (string escape -- $words[$i])
            end
            complete -C (string join ' ' -- $line (commandline -ct))
        end

        # The words behind the command that are neither options nor their values.
        function __sharedring_operands
            set -l words (commandline -opc)
            set -l is_value no
            for i in (seq 3 (count $words))
                if test $is_value = yes
                    set is_value no
                    continue
                end
                switch $words[$i]
                    case \#(words(optionsWithValue.map(\.name)))
                        set is_value yes
                    case '-*'
                    case '*'
                        printf '%s\n' $words[$i]
                end
            end
        end

        function __sharedring_has_operands
            test (count (__sharedring_operands)) -eq $argv[1]
        end

        # Whether one of these is done with a board, or may be.
        function __sharedring_does
            set -l operands (__sharedring_operands)
            not set -q operands[1]; or contains -- $operands[1] $argv
        end

        # Rings of the directory that the line names; of these kinds, if any are given.
        function __sharedring_names
            set -l words (commandline -opc)
            set -l places
            set -q argv[1]; and set places --kind $argv[1]
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

    static var fish: String {
        let named = BoardCommand.Action.allCases.filter { $0 != .create }.map(\.rawValue)
        var lines = [
            "# Completions of sharedring for fish.", functionsForFish, "complete -c sharedring -f",
            "complete -c sharedring -n __fish_use_subcommand -l help", "complete -c sharedring -n __fish_use_subcommand -l version",
            "complete -c sharedring -n __fish_use_subcommand -a help -d 'the options of a command'",
            "complete -c sharedring -n '__sharedring_is help' -a '\(commands)'",
            "complete -c sharedring -n '__sharedring_is completions' -a 'bash zsh fish'",
            "complete -c sharedring -n __sharedring_is_served -a '(__sharedring_served)'",
            "complete -c sharedring -n '__sharedring_is board; and __sharedring_has_operands 0' -a '\(actions)'",
            // A new board's name is new, and behind a name stand keys.
            "complete -c sharedring -n '__sharedring_is board; and __sharedring_has_operands 1; and __sharedring_does \(words(named))' -a '(__sharedring_names board)'",
        ]
        for (commands, kinds, takesOne) in nameKinds {
            let condition = "__sharedring_is \(words(commands.map(\.rawValue)))" + (takesOne ? "; and __sharedring_has_operands 0" : "")
            lines.append("complete -c sharedring -n '\(condition)' -a '(__sharedring_names\(kinds.map { " " + $0 } ?? ""))'")
        }
        for command in Command.allCases {
            lines.append("complete -c sharedring -n __fish_use_subcommand -a \(command.rawValue) -d '\(command.summary)'")
            for option in command.options {
                var condition = "__sharedring_is \(command.rawValue)"
                if command == .board {
                    let actions = BoardCommand.Action.allCases.filter { $0.takes(option.name) }.map(\.rawValue)
                    condition += "; and __sharedring_does \(words(actions))"
                }
                let value =
                    switch option.value {
                    case _ where option.isValueOptional: ""
                    case nil: ""
                    case .word(let choices): " -x -a '\(words(choices))'"
                    case .directory: " -x -a '(__fish_complete_directories)'"
                    case .user: " -x -a 'anyone (__fish_complete_users)'"
                    case .size, .count, .duration, .text, .mode: " -x"
                    }
                lines.append("complete -c sharedring -n '\(condition)' -l \(option.name.dropFirst(2))\(value)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// What `--help` says.
enum Help {
    static let overview = """
        sharedring carries messages between processes through a ring in shared memory.

        Usage:
        \(synopses)
          sharedring help COMMAND                       the options of a command, and examples
          sharedring --version

        Sender and receiver may start in either order; whoever comes first makes the ring, and the
        receiver removes it at the end of the stream. A ring that is made with --lanes takes many
        senders at once.

        Examples:
          sharedring receive photos > copy.tar &
          sharedring send photos < photos.tar
          sharedring receive log --lines --lanes 16 --senders 3 > all.txt &
          for file in a b c; do sharedring send log --lines --lanes 16 < $file.log & done

        To install it, in a clone of its repository:
          swift build -c release --product sharedring
          sudo install .build/release/sharedring /usr/local/bin/
        and for completions, in ~/.bashrc:
          eval "$(sharedring completions bash)"

        \(exitStatus)
        """

    private static var synopses: String {
        Command.allCases.map { "  " + "sharedring \($0.synopsis)".padded(to: 46) + $0.summary }.joined(separator: "\n")
    }

    static func text(of command: Command) -> String {
        switch command {
        case .send: send
        case .receive: receive
        case .create: create
        case .remove: remove
        case .list: list
        case .info: info
        case .check: check
        case .stat: stat
        case .tap: tap
        case .completions: completions
        }
    }

    private static let send = """
        Usage: sharedring send NAME [options]

        Sends standard input through the ring NAME, and then closes the stream. Does not wait for
        the receiver, except for room. A ring with lanes takes as many senders at a time as it has
        lanes; without, there is one at a time.

        What a message is (receive must be told the same, unless it is bytes):
          --bytes SIZE      SIZE bytes, at most the largest message. Without this, whatever one
                            read gives, up to 64K, at once
          --lines           a line, without its newline
          --frames          a 32-bit little-endian length, and so many bytes

        \(transfer)
          --drain           wait until everything is acknowledged before closing

        \(notation)

        Examples:
          sharedring send photos < photos.tar
          tail -n 100 app.log | sharedring send log --lines
          sharedring send log --lines --existing --timeout 5s < app.log

        \(exitStatus)
        """

    private static let receive = """
        Usage: sharedring receive NAME [options]

        Writes the messages of the ring NAME to standard output until the stream ends, and then
        removes the ring. On a ring with lanes there is no end without --senders: it goes on until
        it is interrupted, and leaves the ring. Messages come whole, and each sender's in order; to
        see whole lines of several senders, send and receive with --lines.

        What was written is acknowledged, and what was not stays for the next receiver: also at SIGINT,
        SIGTERM or SIGHUP, which end it after the message that is being written (one that can't be
        written within a second comes again), and when the output fails. When nobody reads the output
        any more it ends with status 0. A ring that can't be removed, like another user's in /dev/shm,
        stays, with a note.

        How a message is written:
          --bytes SIZE      as it is, whatever SIZE; the default
          --lines           with a newline after it
          --frames          with a 32-bit little-endian length before it

        \(transfer)
          --senders N       end when N senders have come, all have gone, and everything is received;
                            the status is 3 if one of them did not close. Those count that come from
                            now on, are there now, or have left something unread. Without this: one
                            sender on a ring without lanes, else no end
          --senders-ever N  the same, but all count that have come since the ring was made
          --ends            a line on standard error for each sender that ends: who it was, and whether
                            it closed or went away without closing
          --subscribe HOW   take part in a broadcast, and make one if there is no ring: reliable (the
                            sender waits for this receiver) or lossy (it does not, and at the end standard
                            error says how many messages were missed)
          --from PLACE      with --subscribe: now (the default), oldest (what is still sure to be there)
                            or last:N (the last N messages, or as many of them as are there)

        \(notation)

        Examples:
          sharedring receive photos > copy.tar
          sharedring receive log --lines --senders 2 > all.txt
          sharedring receive numbers --lines --timeout 5s | head -n 3
          sharedring receive news --lines --subscribe lossy --from last:10

        \(exitStatus)
        """

    private static let create = """
        Usage: sharedring create NAME [options]

        Makes an empty ring, which stays until it is removed with 'sharedring remove'.

          --capacity SIZE   bytes of data, of each lane, rounded up to a power of two (default 1M)
          --lanes N         for N senders at a time, 1 to 1024; without this, for one
          --order ORDER     between senders: per-producer (the default) or total, that of sending
          --broadcast       for one sender and many receivers, each of which gets every message
          --subscribers N   for N reliable subscribers at a time, 1 to 256 (default 64)
          --alignment SIZE  what records are aligned to: a power of two from 8 (the default) to 128
          --mode MODE       file mode in octal (default 0600)
          --label TEXT      free text of at most 63 bytes
          --barrier KIND    automatic (the default), asymmetric or symmetric
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)

        \(sizes)

        Examples:
          sharedring create prices
          sharedring create log --lanes 16 --capacity 256K --order total
          sharedring create orders --mode 0660 --label 'orders of today'
          sharedring create news --broadcast

        \(exitStatus)
        """

    private static let remove = """
        Usage: sharedring remove NAME... [options]
               sharedring remove --stale [--force] [--dry-run] [NAME...] [options]
               sharedring remove --damaged [--dry-run] [NAME...] [options]

        Removes each ring NAME, with whatever is in it. Nobody may be attached. A ring of an older layout
        version can be removed, too.

        With --stale it removes those of the given rings, or of all, that somebody has been attached
        to, that nobody is attached to now, and in which nothing waits to be received: neither a
        message nor the end of a stream. A ring that nobody has come to yet is not stale, one that
        was made to stay is when it has been used. Nobody can attach between the judgement and the
        removal. Also goes what a process left that died while it made a ring. Everything else is
        left as it is; a line each says what was removed, what was kept, and why.

        With --damaged it removes those of the given rings, or of all, that nobody can attach to any
        more, because the ring's header or its file is damaged, and that nobody uses. Nobody who lives
        can lose anything by it. 'sharedring list' has them.

          --stale           those that are left behind
          --damaged         those that are damaged
          --force           also removes rings in which something waits, and with it what waits; it
                            says how many messages
          --dry-run         only says what it would do
          --owner USER      also take the rings of USER, a name or an id, or of 'anyone', like one of a
                            group, made with --mode 0660; without this, only one's own
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)

        Sparing a ring is no error; a ring that was named and is not there is.

        Examples:
          sharedring remove prices
          sharedring remove log orders
          sharedring remove --stale --dry-run
          sharedring remove --damaged

        \(exitStatus)
        """

    private static let list = """
        Usage: sharedring list [options]

        Writes a line for each ring: its name, its kind, its lanes, the capacity of each, who is
        attached, and how much waits to be received. A damaged ring has 'damaged' for its kind, and what
        is wrong; a ring of another layout version has that version. On a terminal there is a line of
        headings over them, in a pipe or a file there is none.

          --names           only the names of those that are sound, a line each, as they are; a name with
                            control characters, or that is no UTF-8, is left out
          --json            one object with the keys "rings", an array of what info --json gives,
                            "damaged" and "other_versions"
          --owner USER      also take the rings of USER, a name or an id, or of 'anyone', like one of a
                            group, made with --mode 0660; without this, only one's own
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)

        \(exactNames)

        Examples:
          sharedring list
          sharedring list --names | xargs sharedring info

        \(exitStatus)
        """

    private static let info = """
        Usage: sharedring info NAME... [options]

        Writes what each ring NAME looks like: its facts, who has or had its roles, where its lanes
        stand. Takes no role: it disturbs nobody, and works when its processes are stopped or dead.

          --json            one JSON object on one line for each ring
          --owner USER      also take the rings of USER, a name or an id, or of 'anyone', like one of a
                            group, made with --mode 0660; without this, only one's own
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)

        \(exactNames)

        Examples:
          sharedring info log
          sharedring info --json log prices

        \(exitStatus)
        """

    private static let check = """
        Usage: sharedring check NAME... [options]

        Examines each ring NAME down to its records, also one that dead processes left, and writes
        in words what state it is in: who is attached, has closed or died, how much waits in each
        lane, what was left half done, and what the next producer and the next consumer will find.
        Takes no role: it disturbs nobody. A ring in use changes while it is examined; the numbers
        are then a moment's, and what is seen only in passing is not called damage.

          --json            one JSON object on one line for each ring
          --owner USER      also take the rings of USER, a name or an id, or of 'anyone', like one of a
                            group, made with --mode 0660; without this, only one's own
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)

        \(exactNames)

        Examples:
          sharedring check log
          sharedring check log prices && echo usable

        Exit status: 0 the next process can use each, however its last users ended; 1 one is damaged,
        or there is no ring of that name; 2 a wrong command line.

        """

    private static let stat = """
        Usage: sharedring stat NAME... [options]

        Writes what goes through each ring NAME: reads the counters that its users keep twice, a
        second apart, and gives messages and megabytes a second, what waits, how often a lane was
        full, how often somebody slept and was woken, and who is attached. Lanes in which nothing
        happens share a line. Takes no role: it disturbs nobody, and works when its processes are
        stopped or dead. Counters go on from one user to the next. A ring that is not there is an error,
        and the others are shown all the same.

        In a sender's line 'wakes/s' counts how often it woke the consumer, in the consumer's how
        often that woke a sender. 1 MB is 1,000,000 bytes of messages; the backlog counts the bytes
        of a lane that wait, headers and gaps included.

          --watch [D]       again and again, every second or every D; on a terminal in place. Ends at
                            SIGINT (Ctrl-C), or when the last of the rings has gone
          --json            one JSON object on one line for each ring: counts since it was made, and rates
          --prometheus      the counts, at once, in Prometheus' text format
          --owner USER      also take the rings of USER, a name or an id, or of 'anyone', like one of a
                            group, made with --mode 0660; without this, only one's own
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)

        \(exactNames)
        In Prometheus' labels a control character but a newline stands as \\u{1B}, and what is no UTF-8
        as \\xE9.

        D is a number of seconds, or one with ms, s, m or h.

        Examples:
          sharedring stat log prices
          sharedring stat log prices --prometheus > rings.prom

        \(exitStatus)
        """

    private static let tap = """
        Usage: sharedring tap NAME [options]

        Writes the messages of the ring NAME to standard output as they pass, each lane's in order,
        and takes none from its receiver. The ring is only read: nobody waits for the tap, and
        nobody is woken by it. What is overwritten before the tap has seen it is missed, and standard
        error says how much. It ends when the ring is removed, or at SIGINT (Ctrl-C), with status 0.

        A message that was received meanwhile is shown as long as its sender has not said that it
        may write over it, which it says some way ahead. What is shown is what was sent.

          --text            a line each: what is not fit for a terminal stands there as \\u{1B}, a
                            backslash as \\\\, what is no UTF-8 as \\xE9; the default
          --hex             the lane, position, tag and size, then the bytes like 'hexdump -C'
          --lines-json      a JSON object a line, with the keys lane, position, tag, bytes and text,
                            and ticket in a total order; the ends of streams, too
          --from-head       begin with what waits to be received; the default
          --from-tail       begin with what is sent from now on
          --count N         end after N messages
          --seconds D       end after D, with what is there then; 0: show all that is there now, and end
          --owner USER      also take the rings of USER, a name or an id, or of 'anyone', like one of a
                            group, made with --mode 0660; without this, only one's own
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)

        D is a number of seconds, or one with ms, s, m or h.

        Examples:
          sharedring tap log --seconds 0
          sharedring tap log --count 3 --hex
          sharedring tap log --seconds 0 --lines-json > log.json

        \(exitStatus)
        """

    private static let completions = """
        Usage: sharedring completions SHELL

        Writes completions of commands, options and names of rings for a shell: bash, zsh or fish.

        Examples:
          eval "$(sharedring completions bash)"
          sharedring completions zsh > ~/.zfunc/_sharedring
          sharedring completions fish > ~/.config/fish/completions/sharedring.fish

        The first is for ~/.bashrc, or with zsh for ~/.zshrc, behind compinit. For the second ~/.zfunc
        must be in $fpath before compinit.

        \(exitStatus)
        """

    private static let transfer = """
        Options:
          --capacity SIZE   bytes of data, of each lane, if the ring is made now, rounded up to a power
                            of two (default 1M; 4M is faster where the machine is busy)
          --lanes N         if the ring is made now: for N senders at a time, 1 to 1024
          --order ORDER     if it is made with lanes: per-producer (the default) or total, the order
                            of sending across all senders
          --wait HOW        spin, adaptive (the default) or sleep
          --timeout D       give up after D without progress of the other side (default: never)
          --keep            leave the ring where it is at the end of the stream
          --existing        make no ring: it is an error if there is none
          --exact           it is an error if the ring is there with another capacity, lane count or
                            order than the options above ask for; without this, a note
          --owner USER      also take the rings of USER, a name or an id, or of 'anyone', like one of a
                            group, made with --mode 0660; without this, only one's own
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)
        """

    private static let exactNames = """
        In JSON a ring's "name" is text, and another ring's may be the same text. "name_bytes" and
        "directory_bytes" are exact: two hexadecimal digits for each byte.
        """

    private static let sizes = "SIZE is a number of bytes, or one with K, M or G (or KiB, MiB, GiB): 64K is 65536."

    private static let notation = """
        \(sizes)
        D is a number of seconds, or one with ms, s, m or h.
        """

    private static let exitStatus = """
        Exit status: 0 done; 1 an error; 2 a wrong command line; 3 the sender ended without closing
        the stream (everything it had committed was delivered); 4 no progress within --timeout;
        128 + N ended by signal N.

        """
}

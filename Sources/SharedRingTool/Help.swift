/// What `--help` says.
///
/// One file although it is long: the help of every command is text, without logic.
enum Help {
    static let overview = """
        sharedring carries messages between processes through a ring in shared memory.

        Usage:
        \(synopses)
          sharedring help COMMAND                       the options of a command, and examples
          sharedring --version

        Sender and receiver may start in either order. The first of them makes the ring, and the
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
        case .board: board
        case .call: call
        case .serve: serve
        case .completions: completions
        }
    }

    private static let send = """
        Usage: sharedring send NAME [options]

        Sends standard input through the ring NAME, and then closes the stream. A sender waits for
        its receiver only when the ring is full. A ring with lanes takes as many senders at a time
        as it has lanes. A ring without lanes takes one at a time.

        What a message is (receive needs the same, unless it is bytes):
          --bytes SIZE      SIZE bytes, at most the largest message. Without this, whatever one
                            read gives, up to 64K, at once
          --lines           a line, without its newline
          --frames          a 32-bit little-endian length, and so many bytes

        \(transfer)
          --patience D      of a broadcast: how long a subscriber with a soft gate may hold this sender up
                            (default 100ms)
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
        removes the ring. On a ring with lanes there is no end without --senders: the receiver goes
        on until it is interrupted, and leaves the ring. Messages come whole, and each sender's in
        order. To see whole lines of several senders, send and receive with --lines.

        Messages that were written are acknowledged; the others stay for the next receiver. That also
        holds when the output fails. SIGINT, SIGTERM and SIGHUP end the receiver after the message
        that it is writing; one that can't be written within a second comes again. When the output
        has no reader any more, the receiver ends with status 0. A ring that can't be removed, like
        another user's in /dev/shm, stays, with a note.

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
                            sender waits for this receiver), durable (also while it is not there; needs
                            --as), soft (as long as the sender has patience) or lossy (the sender does not
                            wait); at the end standard error says how many messages were missed
          --as NAME         with --subscribe: come back under this name, and go on where the last receiver
                            of that name ended; what that one did not acknowledge comes again
          --from PLACE      with --subscribe: now (the default), oldest (what is still sure to be there)
                            or last:N (the last N messages, or as many of them as are there)

        \(notation)

        Examples:
          sharedring receive photos > copy.tar
          sharedring receive log --lines --senders 2 > all.txt
          sharedring receive numbers --lines --timeout 5s | head -n 3
          sharedring receive news --lines --subscribe lossy --from last:10
          sharedring receive news --lines --subscribe durable --as audit --from oldest

        \(exitStatus)
        """

    private static let create = """
        Usage: sharedring create NAME [options]

        Makes an empty ring, which stays until it is removed with 'sharedring remove'.

          --capacity SIZE   bytes of data, of each lane, rounded up to a power of two
                            (default: twice the second-level cache, 1M to 8M)
          --lanes N         for N senders at a time, 1 to 1024; without this, for one
          --order ORDER     between senders: per-producer (the default) or total, that of sending
          --broadcast       for one sender and many receivers, each of which gets every message
          --subscribers N   for N reliable subscribers at a time, 1 to 256 (default 64)
          --calls           for calls: request and reply, see 'sharedring serve --help'
          --clients N       of a service: N calls at a time, 1 to 1024 (default 64)
          --servers N       of a service: N servers at a time, 1 to 64 (default 8)
          --request SIZE    of a service: the largest request (default 4K)
          --reply SIZE      of a service: the largest reply (default 4K)
          --streams SIZE    of a service: room of each slot for a reply in parts (default 0: none)
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
          sharedring create store --calls --clients 16 --reply 64K

        \(exitStatus)
        """

    private static let remove = """
        Usage: sharedring remove NAME... [options]
               sharedring remove --stale [--force] [--dry-run] [NAME...] [options]
               sharedring remove --damaged [--dry-run] [NAME...] [options]
               sharedring remove NAME --subscriber SUBSCRIBER [options]

        Removes each ring NAME, with all that is in it. No process may be attached. A ring of an older
        layout version can be removed, too, and one that needs what this program does not know.

        With --stale it removes those of the given rings, or of all, that have been used, that no
        process is attached to now, and in which nothing waits to be received: neither a message nor
        the end of a stream. A ring that was never used is not stale. A ring that was made to stay is
        stale once it was used. No process can attach between the judgement and the removal. The file
        that a process left when it died while it made a ring goes, too. All else is left as it is.
        A line for each file says whether it was removed or kept, and why.

        With --damaged it removes those of the given rings, or of all, whose header or file is damaged,
        so that no process can attach to them any more, and that no process uses. No living process
        can lose anything by it. 'sharedring list' shows them.

          --stale           those that are left behind
          --damaged         those that are damaged
          --subscriber WHO  removes no ring, but of a broadcast the subscriber of that name, while no
                            process has it: its sender waits for it no more
          --force           also removes rings in which messages wait, with these messages, and says
                            how many
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

        Writes a line for each ring: its name, its kind, its lanes, the capacity of each, its attached
        roles, and how much waits to be received. A damaged ring has 'damaged' for its kind, and what
        is wrong. A ring of another layout version has that version; one that needs what this program
        does not know has what that is. On a terminal there is a line of headings over them, in a pipe
        or a file there is none.

          --names           only the names of those that are sound, a line each, as they are; a name with
                            control characters, or that is no UTF-8, is left out
          --json            one object with the keys "rings", an array of what info --json gives,
                            "damaged" and "other_versions"
          --kind KIND       only sound ones of this kind: spsc, mpsc, broadcast, board or call; ring: one
                            of the first three; several with commas between them
          --owner USER      also take the rings of USER, a name or an id, or of 'anyone', like one of a
                            group, made with --mode 0660; without this, only one's own
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)

        \(exactNames)

        Examples:
          sharedring list
          sharedring list --names | xargs -d '\\n' sharedring info --

        \(exitStatus)
        """

    private static let info = """
        Usage: sharedring info NAME... [options]

        Writes what each ring NAME looks like: its facts, which processes have or had its roles, where
        its lanes stand. It takes no role and disturbs no process. It works when the ring's processes
        are stopped or dead.

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

        Examines each ring NAME down to its records, also one that dead processes left. It writes in
        words what state the ring is in: which processes are attached, have closed or died, how much
        waits in each lane, what was left half done, and what the next producer and the next consumer
        will find. It takes no role and disturbs no process. A ring in use changes while it is
        examined: its numbers are a moment's, and what is seen only in passing is not called damage.

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

        Writes what goes through each ring NAME. It reads the ring's counters twice, a second apart.
        Then it gives messages and megabytes a second, the bytes that wait, how often a lane was full,
        how often its users slept and were woken, and which are attached. Lanes in which nothing
        happens share a line. It takes no role and disturbs no process. It works when the ring's
        processes are stopped or dead. Counters go on from one user to the next. A ring that is not
        there is an error, and the others are shown all the same. Of a broadcast it shows the reliable
        subscribers and those with a soft gate; other lossy ones leave no trace, and can't be shown.

        In a sender's line 'wakes/s' counts how often it woke the consumer, in the consumer's how
        often that woke a sender. 1 MB is 1,000,000 bytes of messages; the backlog counts the bytes
        of a lane that wait, headers and gaps included.

          --watch [D]       again and again, every second or every D; on a terminal in place. Ends at
                            SIGINT (Ctrl-C), or when the last of the rings has gone
          --json            one JSON object on one line for each ring: counts since it was made, and rates
          --prometheus      the counts, at once, in Prometheus' text format: of a ring under the label
                            ring, of a call service under the label service
          --owner USER      also take the rings of USER, a name or an id, or of 'anyone', like one of a
                            group, made with --mode 0660; without this, only one's own
          --dir DIR         where rings live (default $SHAREDRING_DIR, else /dev/shm)

        \(exactNames)
        In Prometheus' labels a control character but a newline stands as \\u{1B}, and what is no UTF-8
        as \\xE9.

        \(durations)

        Examples:
          sharedring stat log prices
          sharedring stat log prices --prometheus > rings.prom

        \(exitStatus)
        """

    private static let tap = """
        Usage: sharedring tap NAME [options]

        Writes the messages of the ring NAME to standard output as they pass, each lane's in order,
        and takes none from its receiver. The tap only reads the ring: no process waits for it, and
        it wakes none. The tap misses messages that are overwritten before it has seen them, and
        standard error says how many. It ends when the ring is removed, or at SIGINT (Ctrl-C), with
        status 0. After SIGINT the output has a second to take what is left.

        A message that was received meanwhile is shown until the sender's write limit has reached it.
        A sender publishes its write limit some way ahead. So each message is shown as it was sent.

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

        \(durations)

        Examples:
          sharedring tap log --seconds 0
          sharedring tap log --count 3 --hex
          sharedring tap log --seconds 0 --lines-json > log.json

        \(exitStatus)
        """

    private static let board = """
        Usage: sharedring board create NAME [KEY[=CAPACITY]...] [--room N] [--room-bytes SIZE] [--time]
                                [--mode MODE] [--label TEXT]
               sharedring board add NAME KEY[=CAPACITY]... [--timeout D]
               sharedring board set NAME KEY [VALUE] [--hex] [--tag N] [--if-version N] [--timeout D]
               sharedring board get NAME [KEY...] [--text|--hex|--json|--raw]
               sharedring board watch NAME [KEY...] [--text|--hex|--json|--raw] [--count N] [--seconds D]
               sharedring board list NAME [--json]
               sharedring board remove NAME

        A board has entries, each with a key and its latest value: the newest whole one, for any
        number of readers. 'create' makes a board with these entries, each for values of at most
        CAPACITY bytes (default 256), and with room for more; 'add' adds entries. 'set' sets a value
        once: VALUE, or else standard input to its end. 'get' writes the values of these entries, or of
        all that have one, as they stood at one moment; of a single entry only the value. 'watch'
        writes each entry's value when it has changed, the newest at once, until the board is removed
        or at SIGINT (Ctrl-C); changes that come faster than they are written are one. In a terminal,
        with --text or --hex, it shows each entry's key, version and value in a place of its own.

          --room N          room for N more entries
          --room-bytes SIZE the bytes of their capacities together
          --time            keep the time of each writing
          --mode MODE       the board's file mode in octal (default 0600); a reader needs no more than
                            leave to read
          --label TEXT      free text of at most 63 bytes
          --text            a line each: what is not fit for a terminal stands there as \\u{1B}, a
                            backslash as \\\\, what is no UTF-8 as \\xE9; the default
          --hex             hexadecimal digits; of 'set': the value is such
          --json            a JSON object a line, with the keys key, version, tag, written_at, bytes
                            (hexadecimal) and text
          --raw             the bytes as they are, without a newline
          --tag N           readers get N with the value
          --if-version N    set it only if the newest value has the version N; 0: if there is none
          --timeout D       how long to wait for an entry that another process holds (default 10s)
          --count N         of 'watch': end after N values
          --seconds D       of 'watch': end after D, with what is there then; 0: write all that is there
                            now, and end
          --owner USER      also take the boards of USER, a name or an id, or of 'anyone'; without this,
                            only one's own
          --dir DIR         where boards live (default $SHAREDRING_DIR, else /dev/shm)

        \(notation)

        Examples:
          sharedring board create settings rate=16 mode=64 --room 8 --room-bytes 4K
          sharedring board set settings rate 0.25
          sharedring board get settings
          sharedring board watch settings rate --count 1

        \(exitStatus)
        """

    private static let call = """
        Usage: sharedring call NAME [options] < REQUEST > REPLY

        Calls the service NAME once: standard input is the request, standard output the reply. It waits
        for a server, and for the reply. If there is none, standard error says what is known of the
        request: failed (the service refused it, or has no reply), not executed (and never will be),
        unknown (its server has gone; it may have been executed) or still open.

          --timeout D       give up after D (default: never); the status is 4 then
          --stream          a reply in parts, each of which is written as it comes; behind the last one
                            the reply itself. The service must have been made with streams
          --retry TOKEN     repeat a call whose error named this token
          --owner USER      also take the services of USER, a name or an id, or of 'anyone'; without
                            this, only one's own
          --dir DIR         where services live (default $SHAREDRING_DIR, else /dev/shm)

        \(notation)

        Examples:
          echo hello | sharedring call upper
          sharedring call upper --timeout 1m < words.txt > answer.txt
          sharedring call numbers --stream < /dev/null > numbers.txt

        \(exitStatus)
        """

    private static let serve = """
        Usage: sharedring serve NAME [options] -- COMMAND [ARGUMENT...]

        Answers the calls of the service NAME, one after another, and makes the service if there is
        none; the service stays. COMMAND runs once for each call: its standard input is the request,
        its standard output the reply. If it ends with another status than 0 (128 + N if signal N ended
        it), or writes more than the largest reply, the call fails (refused). Several servers may share
        the work. After SIGINT or SIGTERM a COMMAND has a second to end; then it gets SIGTERM, and a
        second later SIGKILL.

          --stream          what COMMAND writes goes to a 'sharedring call --stream' in parts, as it comes,
                            however much it is; a call without --stream is answered as usual. It
                            excludes --frames
          --frames          COMMAND runs once for all calls: each request and each reply has a 32-bit
                            little-endian length before it, and each request gets exactly one reply
          --count N         end after N calls
          --timeout D       end a COMMAND that takes longer than D for a call, which fails (refused)
          --existing        make no service: it is an error if there is none
          --exact           it is an error if the service is there with another shape than the five
                            options below ask for; without this, a note
          --clients N       if it is made now: for N calls at a time, 1 to 1024 (default 64)
          --servers N       if it is made now: for N servers at a time, 1 to 64 (default 8)
          --request SIZE    if it is made now: the largest request (default 4K)
          --reply SIZE      if it is made now: the largest reply (default 4K)
          --streams SIZE    if it is made now: room of each slot for a reply in parts (default 0:
                            none; 64K with --stream)
          --owner USER      also take the services of USER, a name or an id, or of 'anyone'; without
                            this, only one's own
          --dir DIR         where services live (default $SHAREDRING_DIR, else /dev/shm)

        \(notation)

        Examples:
          sharedring serve upper --count 1 -- tr a-z A-Z
          sharedring serve sum --count 1 --request 64K -- sha256sum
          sharedring serve numbers --stream --count 1 -- seq 1 1000000

        \(exitStatus)
        """

    private static let completions = """
        Usage: sharedring completions SHELL

        Writes completions of commands, options and names of rings, boards and services for a shell:
        bash, zsh or fish.

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
                            of two (default: twice the second-level cache, 1M to 8M)
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

    private static let durations = "D is a number of seconds, or one with us, ms, s, m (or min) or h."

    private static let notation = """
        \(sizes)
        \(durations)
        """

    private static let exitStatus = """
        Exit status: 0 done; 1 an error; 2 a wrong command line; 3 the sender ended without closing
        the stream (everything it had committed was delivered); 4 no progress within --timeout;
        128 + N ended by signal N.

        """
}

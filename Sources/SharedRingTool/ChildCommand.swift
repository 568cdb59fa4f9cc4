import Glibc
import SharedRing

/// A command that is run with pipes to its standard input and from its standard output. Its standard error is the tool's.
struct ChildCommand {
    private let pid: pid_t
    private var input: Int32
    private let output: Int32
    /// What was read behind the last reply.
    private var rest: [UInt8] = []
    /// Its exit status, once it is known.
    private var ended: Int32?

    /// Whether there is a program of that name: one that can't be started is better known before anybody calls.
    static func isThere(_ word: FileName) -> Bool {
        if word.bytes.contains(UInt8(ascii: "/")) { return isProgram(word.bytes) }
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        return path.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).contains { directory in
            isProgram((directory.isEmpty ? [UInt8(ascii: ".")] : Array(directory)) + [UInt8(ascii: "/")] + word.bytes)
        }
    }

    private static func isProgram(_ path: [UInt8]) -> Bool {
        (path.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { path in
            var facts = stat()
            return stat(path.baseAddress!, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG && access(path.baseAddress!, X_OK) == 0
        }
    }

    init(_ words: [FileName]) throws {
        var toChild: [Int32] = [0, 0]
        var fromChild: [Int32] = [0, 0]
        guard pipe(&toChild) == 0 else { throw ToolFailure("no pipe to '\(words[0])'") }
        guard pipe(&fromChild) == 0 else {
            for end in toChild { close(end) }
            throw ToolFailure("no pipe from '\(words[0])'")
        }
        // Another command must not hold an end of this one's pipes open.
        for end in toChild + fromChild { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
        // What the tool ignores, a command need not.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))

        let arguments = words.map { word in word.bytes.map { CChar(bitPattern: $0) } + [0] }
        var strings = arguments.map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var spawned: pid_t = 0
        let result = posix_spawnp(&spawned, strings[0]!, &actions, &attributes, &strings, environ)
        close(toChild[0])
        close(fromChild[1])
        pid = spawned
        input = toChild[1]
        output = fromChild[0]
        guard result == 0 else {
            close(input)
            close(output)
            throw ToolFailure("'\(words[0])' can't be started (\(String(cString: strerror(result))))")
        }
        for end in [input, output] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    }

    /// How one run of a command, or one frame of it, went.
    enum Result {
        case reply([UInt8])
        /// Why there is no reply, as the sentence behind the command's name.
        case failure(String)
    }

    /// Gives it the bytes as all of its input, and waits for its end. It is ended if it writes more than `limit` bytes, takes longer than
    /// `timeout`, or a signal has asked the tool to end a second ago.
    mutating func run(_ bytes: [UInt8], limit: Int, timeout: Duration?) -> Result {
        let deadline = timeout.map { ContinuousClock.now + $0 }
        let stop = transfer(bytes[...], closing: true, until: deadline) { _ in limit }
        close(output)
        let status = waitForEnd(until: stop == .tooMuch ? .now : deadline)
        if stop == .tooMuch { return .failure("wrote more than \(counted(limit, "byte"))") }
        if status == 0, stop == .outputEnded { return .reply(rest) }
        if Signals.isEndOverdue { return .failure("was ended by a signal") }
        if let deadline, deadline <= .now { return .failure("took longer than its timeout") }
        return .failure("ended with status \(status)")
    }

    /// Gives it the bytes as all of its input, hands what it writes to `take` as it comes, and waits for its end. It is ended as by `run`, and if `take`
    /// returns false. `take` may wait, and asks now and then whether the command is to be ended.
    mutating func stream(_ bytes: [UInt8], timeout: Duration?, take: (_ output: [UInt8], _ isOver: () -> Bool) -> Bool) -> Result {
        let deadline = timeout.map { ContinuousClock.now + $0 }
        var isWanted = true
        let stop = transfer(bytes[...], closing: true, until: deadline) { output in
            isWanted = isWanted && take(output) { Signals.isEndOverdue || deadline.map { $0 <= .now } ?? false }
            output = []
            return isWanted
        } upTo: { _ in
            .max
        }
        close(output)
        let status = waitForEnd(until: isWanted ? deadline : .now)
        if !isWanted { return .failure("was ended: its output is not wanted any more") }
        if status == 0, stop == .outputEnded { return .reply([]) }
        if Signals.isEndOverdue { return .failure("was ended by a signal") }
        if let deadline, deadline <= .now { return .failure("took longer than its timeout") }
        return .failure("ended with status \(status)")
    }

    /// Gives it the bytes behind a 32-bit little-endian length, and takes one reply of the same form. After a failure it is of no more use:
    /// what it writes next could be a reply to this request.
    mutating func exchange(_ bytes: [UInt8], limit: Int, timeout: Duration?) -> Result {
        // Anything that is there before the request was written is a reply too many.
        guard rest.isEmpty, !hasOutput else { return .failure("wrote more than a reply") }
        let frame = (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes
        func length(_ bytes: [UInt8]) -> Int? {
            bytes.count < 4 ? nil : (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        }
        let deadline = timeout.map { ContinuousClock.now + $0 }
        // A reply is as long as its frame says; until that is known, no longer than the longest. One that is to be longer is too much at once.
        let stop = transfer(frame[...], closing: false, until: deadline) { bytes in
            length(bytes).map { $0 > limit ? -1 : 4 + $0 } ?? 4 + limit
        }
        switch stop {
        case .asked: return .failure(Signals.isEndOverdue ? "was ended by a signal" : "took longer than its timeout")
        case .outputEnded: return .failure("ended")
        case .whole, .tooMuch: break
        }
        if let size = length(rest), size > limit { return .failure("wrote a reply of more than \(counted(limit, "byte"))") }
        if stop == .tooMuch { return .failure("wrote more than a reply") }
        defer { rest = [] }
        return .reply(Array(rest[4...]))
    }

    /// Why a transfer ended.
    private enum Stop { case outputEnded, whole, tooMuch, asked }

    /// Writes and reads at once: a command may write before it has read all. `most`: how many bytes it may write, given what it has written.
    ///
    /// With an input that stays open that many are the whole reply, once the command has all of the request: the next request would else
    /// begin in the midst of this one.
    ///
    /// `take`: is given what was read, and may take it away. False: no more is wanted.
    private mutating func transfer(
        _ bytes: ArraySlice<UInt8>, closing: Bool, until deadline: ContinuousClock.Instant?,
        take: (inout [UInt8]) -> Bool = { _ in true }, upTo most: ([UInt8]) -> Int
    ) -> Stop {
        var bytes = bytes
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let left = most(rest) - rest.count
            if left < 0 { return .tooMuch }
            if left == 0, !closing, bytes.isEmpty { return .whole }
            if Signals.isEndOverdue { return .asked }
            if let deadline, deadline <= .now { return .asked }
            if closing, bytes.isEmpty { closeInput() }
            var events = [
                pollfd(fd: output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: bytes.isEmpty ? -1 : input, events: Int16(POLLOUT), revents: 0),
            ]
            // In short waits: a signal ends none of them.
            guard poll(&events, 2, 100) > 0 else { continue }
            if events[1].revents != 0 {
                let count = bytes.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
                // A command that closed its input does not want the rest.
                if count >= 0 { bytes = bytes.dropFirst(count) } else if errno != EAGAIN && errno != EINTR { bytes = [] }
            }
            if events[0].revents != 0 {
                let count = read(output, &block, block.count)
                if count == 0 { return .outputEnded }
                if count > 0 {
                    rest += block[..<count]
                    if !take(&rest) { return .asked }
                }
            }
        }
    }

    private var hasOutput: Bool {
        var event = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        return poll(&event, 1, 0) > 0 && event.revents & Int16(POLLIN) != 0
    }

    private mutating func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// Ends a long-lived command: its input ends.
    ///
    /// - Parameter isUseless: it does not follow the frames, so it is not waited for.
    mutating func end(isUseless: Bool = false) {
        closeInput()
        close(output)
        _ = waitForEnd(until: isUseless ? .now : nil)
    }

    /// Whether a long-lived command has ended by itself. It is no zombie then.
    mutating func hasEnded() -> Bool {
        if ended == nil { lookForEnd() }
        return ended != nil
    }

    /// Its exit status, or 128 and a signal's number. Past the deadline, or a second after a signal asked the tool to end, it gets SIGTERM, and
    /// a second later SIGKILL.
    private mutating func waitForEnd(until deadline: ContinuousClock.Instant?) -> Int32 {
        closeInput()
        var pause = Duration.microseconds(50)
        var asked: ContinuousClock.Instant?
        while !hasEnded() {
            if let since = asked {
                if since + .seconds(1) <= .now { kill(pid, SIGKILL) }
            } else if Signals.isEndOverdue || deadline.map({ $0 <= .now }) ?? false {
                kill(pid, SIGTERM)
                asked = .now
            }
            Clock.sleep(pause)
            pause = min(pause * 2, .milliseconds(10))
        }
        return ended!
    }

    private mutating func lookForEnd() {
        var status: Int32 = 0
        let found = waitpid(pid, &status, WNOHANG)
        if found == pid {
            ended = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
        } else if found < 0, errno != EINTR {
            ended = 255  // not known, so no success
        }
    }
}

import CTestSupport
import Foundation
import Synchronization

/// A `TestPeer` process. Killed, by its pid, at the latest when its last reference goes.
final class Peer: @unchecked Sendable {
    let pid: pid_t
    private let input: Int32
    private let output: Int32
    private var received: [UInt8] = []
    private var status: Int32?
    /// Where its ring is, which stays as long as this does.
    private var place: Place?

    struct Failure: Error, CustomStringConvertible { let description: String }

    /// Next to the test binary.
    static let executable: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent + "/TestPeer"
    }()

    init(_ arguments: [String], executable: String = Peer.executable, environment: [String] = []) throws {
        signal(SIGPIPE, SIG_IGN)  // a line written to a peer that was killed is an error, not our death
        var toPeer: [Int32] = [0, 0]
        var fromPeer: [Int32] = [0, 0]
        guard ts_pipe(&toPeer) == 0, ts_pipe(&fromPeer) == 0 else { throw Failure(description: "no pipe") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toPeer[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromPeer[1], 1)
        let words = ([executable] + arguments).map { strdup($0) } + [nil]
        let variables = (environment + ProcessInfo.processInfo.environment.map { "\($0)=\($1)" }).map { strdup($0) } + [nil]
        defer { (words + variables).forEach { free($0) } }
        var spawned: pid_t = 0
        let result = posix_spawn(&spawned, executable, &actions, nil, words, variables)
        close(toPeer[0])
        close(fromPeer[1])
        pid = spawned
        input = toPeer[1]
        output = fromPeer[0]
        guard result == 0 else {
            status = 0
            throw Failure(description: "\(executable) can't be started: errno \(result)")
        }
    }

    /// An endpoint of a ring in `place` that obeys lines.
    convenience init(_ role: String, of name: String, in place: Place, _ options: String...) throws {
        try self.init([role, name] + options.filter { !$0.contains("=") } + ["directory=\(place.path)"] + options)
        self.place = place
        let answer = try line()
        guard answer == "attached" else { throw Failure(description: answer) }
    }

    deinit {
        if status == nil { kill() }
        close(input)
        close(output)
    }

    /// The next line of its standard output.
    func line(within seconds: Double = patienceSeconds) throws -> String {
        let end = ContinuousClock.now + .seconds(seconds)
        while true {
            if let newline = received.firstIndex(of: 10) {
                defer { received.removeSubrange(...newline) }
                return String(decoding: received[..<newline], as: UTF8.self)
            }
            var poll = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            let left = (end - ContinuousClock.now) / .seconds(1)
            guard left > 0, Glibc.poll(&poll, 1, Int32(left * 1000) + 1) > 0 else { throw Failure(description: "the peer is silent") }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = read(output, &buffer, buffer.count)
            guard count > 0 else { throw Failure(description: "the peer has ended") }
            received += buffer[..<count]
        }
    }

    func tell(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(input, bytes, bytes.count)
    }

    func ask(_ line: String) throws -> String {
        tell(line)
        return try self.line()
    }

    // MARK: Signals

    /// SIGKILL, and waits until the kernel has taken the process apart.
    func kill() {
        Glibc.kill(pid, SIGKILL)
        _ = try? wait()
    }

    /// SIGSTOP, and waits until it has stopped.
    func stop() {
        Glibc.kill(pid, SIGSTOP)
        var status: Int32 = 0
        waitpid(pid, &status, WUNTRACED)
    }

    func resume() { Glibc.kill(pid, SIGCONT) }

    /// The wait status, once it has ended: 0 is a clean exit, 9 killed by SIGKILL.
    @discardableResult
    func wait(within seconds: Double = patienceSeconds) throws -> Int32 {
        if let status { return status }
        var status: Int32 = 0
        let ended = eventually(within: seconds) { waitpid(pid, &status, WNOHANG) == pid }
        guard ended else { throw Failure(description: "the peer did not end within \(seconds) s") }
        self.status = status
        return status
    }
}

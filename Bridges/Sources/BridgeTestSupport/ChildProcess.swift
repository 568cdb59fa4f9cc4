import Foundation
import Synchronization

/// A child process. It is killed when it takes longer than its bound, and with its last reference.
public final class ChildProcess: Sendable {
    public let id: pid_t
    /// Where its standard output and errors are.
    public let log: String
    private let status = Mutex<Int32?>(nil)

    public struct Failure: Error, CustomStringConvertible {
        public let description: String

        public init(description: String) { self.description = description }
    }

    public init(_ program: String, _ words: [String], log: String, environment: [String: String] = [:], bound: Int = 120) throws {
        self.log = log
        let all = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        let arguments = ([program] + words).map { strdup($0) } + [nil]
        let variables = all.map { strdup($0) } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var spawned: pid_t = 0
        let result = posix_spawnp(&spawned, program, &actions, nil, arguments, variables)
        guard result == 0 else { throw Failure(description: "\(program) can't be started: \(String(cString: strerror(result)))") }
        id = spawned
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(bound)) { [weak self] in self?.send(SIGKILL) }
    }

    deinit {
        send(SIGKILL)
        _ = end()
    }

    /// Sends the signal, unless the process has ended.
    public func send(_ signal: Int32) {
        status.withLock { status in
            take(&status)
            if status == nil { kill(id, signal) }
        }
    }

    public var hasEnded: Bool {
        status.withLock { status in
            take(&status)
            return status != nil
        }
    }

    /// Waits for its end; the bound sees to it that it comes. Nil: a signal ended it. Otherwise its exit status.
    @discardableResult
    public func end() -> Int32? {
        while !hasEnded { usleep(2000) }
        let status = status.withLock { $0! }
        return status & 0x7f == 0 ? status >> 8 & 0xff : nil
    }

    public var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    private func take(_ status: inout Int32?) {
        var taken: Int32 = 0
        if status == nil, waitpid(id, &taken, WNOHANG) == id { status = taken }
    }
}

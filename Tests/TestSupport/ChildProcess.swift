import CTestSupport
import Dispatch
import Foundation
import Synchronization

/// A child process. It is killed when it takes longer than its bound, and with its last reference.
///
/// Foundation's `Process` reads behind the end of a directory's buffer when this process has some 1,350 descriptors open, as tests of limits
/// have. It also waits for grandchildren that inherit its socket.
public final class ChildProcess: Sendable {
    public let id: pid_t
    /// The wait status, once it was taken.
    private let status = Mutex<Int32?>(nil)

    public struct Failure: Error, CustomStringConvertible { public let description: String }

    /// Starts a program with these words. It inherits its three standard streams, and no other descriptor.
    ///
    /// - Parameters:
    ///   - environment: what it finds in its environment; nil: what this process has.
    ///   - directory: where it starts; nil: where this process is.
    ///   - input, output, errors: descriptors of this process, above 2 or the same as in the child.
    ///   - bound: after how many seconds it is killed.
    public init(
        _ program: String, _ words: [String], environment: [String: String]? = nil, directory: String? = nil, input: Int32 = 0,
        output: Int32 = 1, errors: Int32 = 2, bound: Int = 120
    ) throws {
        let environment = (environment ?? ProcessInfo.processInfo.environment).map { "\($0)=\($1)" }
        let arguments = ([program] + words).map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var spawned: pid_t = 0
        let result = ts_spawn(&spawned, program, arguments, variables, directory, input, output, errors)
        guard result == 0 else { throw Failure(description: "\(program) can't be started: \(String(cString: strerror(result)))") }
        id = spawned
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(bound)) { [weak self] in self?.send(SIGKILL) }
    }

    /// The ends of a pipe, which no child inherits unless it is given one.
    public static func pipe() throws -> (reading: FileHandle, writing: FileHandle) {
        var ends: [Int32] = [0, 0]
        guard ts_pipe(&ends) == 0 else { throw Failure(description: "no pipe: \(String(cString: strerror(errno)))") }
        return (FileHandle(fileDescriptor: ends[0], closeOnDealloc: true), FileHandle(fileDescriptor: ends[1], closeOnDealloc: true))
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

    private func take(_ status: inout Int32?) {
        var taken: Int32 = 0
        if status == nil, waitpid(id, &taken, WNOHANG) == id { status = taken }
    }
}

import Foundation
import Synchronization

/// One of the examples, running. Killed, by its pid, at the latest when its last reference goes.
final class Program: @unchecked Sendable {
    private let process = Process()
    private let collected = Mutex<[String]>([])
    private let output = Pipe()

    struct Failure: Error { let what: String }

    /// Next to the test binary.
    private static let directory: URL = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: own).deletingLastPathComponent()
    }()

    convenience init(_ name: String, _ arguments: String...) throws { try self.init(name, arguments) }

    init(_ name: String, _ arguments: [String]) throws {
        process.executableURL = Self.directory.appendingPathComponent(name)
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let reading = output.fileHandleForReading
        let rest = Mutex(Data())
        reading.readabilityHandler = { [weak self] handle in
            let data = handle.availableData
            guard !data.isEmpty else { return handle.readabilityHandler = nil }
            rest.withLock { rest in
                rest += data
                while let newline = rest.firstIndex(of: 10) {
                    let line = String(decoding: rest[rest.startIndex..<newline], as: UTF8.self)
                    rest = Data(rest[rest.index(after: newline)...])
                    self?.collected.withLock { $0.append(line) }
                }
            }
        }
    }

    deinit { kill() }

    var lines: [String] { collected.withLock { $0 } }

    /// Waits for a line that begins so, and gives its rest.
    func line(beginning prefix: String, within seconds: Double = 120) throws -> String {
        let end = Date().addingTimeInterval(seconds)
        while Date() < end {
            if let line = lines.last(where: { $0.hasPrefix(prefix) }) { return String(line.dropFirst(prefix.count)) }
            usleep(2000)
        }
        throw Failure(what: "no line '\(prefix)…' among \(lines.suffix(5))")
    }

    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func terminate() { Foundation.kill(process.processIdentifier, SIGTERM) }

    /// Its exit status, once it has ended by itself.
    func wait(within seconds: Double = 120) throws -> Int32 {
        let end = Date().addingTimeInterval(seconds)
        while process.isRunning {
            guard Date() < end else { throw Failure(what: "it does not end") }
            usleep(2000)
        }
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }
}

/// Waits, with a bound, for something that another process will make true.
func eventually(within seconds: Double = 120, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = Date().addingTimeInterval(seconds)
    while try !condition() {
        if Date() > end { return false }
        usleep(5000)
    }
    return true
}

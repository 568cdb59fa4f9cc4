import Foundation
import SharedRing

/// Asks the same of both services, each a process of its own, in turn, and says what a request took.
struct Comparison {
    /// A service, and how to ask it.
    private struct Row {
        let name: String
        let ask: (String) throws -> Store.Answer
        var nanoseconds: [UInt64] = []
    }

    private let turns = 5
    private let milliseconds: Int

    init(seconds: Double) { milliseconds = max(1, Int(seconds * 1000) / (turns * 3)) }

    func run() throws {
        let path = "/tmp/keyvalue.\(getpid())"
        let names = [(WaitStrategy.adaptive, "keyvalue.\(getpid()).adaptive"), (.sleep, "keyvalue.\(getpid()).asleep")]
        var children: [Process] = []
        defer {
            for child in children {
                kill(child.processIdentifier, SIGKILL)
                child.waitUntilExit()
            }
            for (_, name) in names { try? CallService.remove(name) }
            unlink(path)
        }
        var rows: [Row] = []
        for (waiting, name) in names {
            children.append(try start("serve-calls", name, waiting == .sleep ? "asleep" : "adaptive"))
            let client = try CallsClient(name, waiting: waiting)
            rows.append(Row(name: waiting == .sleep ? "calls, asleep" : "calls, adaptive", ask: client.ask))
        }
        children.append(try start("serve-socket", path))
        let client = try SocketClient(path)
        rows.append(Row(name: "socket, SwiftNIO", ask: client.ask))

        let value = String(repeating: "v", count: 32)
        for row in rows { guard try row.ask("put\tkey\t\(value)") == .value("") else { fail("'\(row.name)' does not put") } }
        for _ in 0..<turns {
            for index in rows.indices { try measure(&rows[index], value) }
        }
        let socket = median(rows[2])
        for row in rows {
            let median = median(row)
            let ratio = String(format: "%.2f", Double(socket) / Double(median))
            say("\(row.name): \(String(format: "%.2f", Double(median) / 1000)) us a request, \(ratio) times as fast as the socket")
        }
    }

    private func measure(_ row: inout Row, _ value: String) throws {
        let end = now() + UInt64(milliseconds) * 1_000_000
        var last = now()
        while last < end {
            guard try row.ask("get\tkey") == .value(value) else { fail("'\(row.name)' gives another value") }
            let time = now()
            row.nanoseconds.append(time - last)
            last = time
        }
    }

    private func median(_ row: Row) -> UInt64 { max(1, row.nanoseconds.sorted()[row.nanoseconds.count / 2]) }

    /// A service of this program, once it says that it is ready.
    private func start(_ words: String...) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = words
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        guard !output.fileHandleForReading.availableData.isEmpty else { fail("'\(words[0])' does not start") }
        return process
    }
}

/// Nanoseconds of a clock that never goes back.
private func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

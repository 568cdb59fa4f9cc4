import BenchReport
import CBench
import CSharedRing
import Glibc
import SharedRing

/// Calls a second of many callers of one server, which is a process of its own. All begin at one moment and call for the same time.
struct CallCounts {
    /// How the callers are distributed.
    enum Kind: String {
        /// A client each.
        case processes
        /// Of one process, through one client.
        case threads, tasks
    }

    struct Row: Equatable {
        var kind: Kind
        var count: Int
        var wait: String
        var idle = 0

        var name: String {
            let callers = kind == .processes ? "\(count) client processes" : "\(count) \(kind.rawValue) of one client"
            return callers + (wait == "spin" ? " beside \(idle) idle slots" : "")
        }
        /// What its figure is compared with: one caller, or no idle slot.
        var base: Row { Row(kind: wait == "spin" ? kind : .processes, count: 1, wait: wait) }
    }

    static func clients(_ counts: [Int]) -> [Row] { rows([.processes], counts) }
    static func callers(_ counts: [Int]) -> [Row] { rows([.threads, .tasks], counts) }
    static func idleSlots(_ counts: [Int]) -> [Row] { counts.map { Row(kind: .processes, count: 1, wait: "spin", idle: $0) } }

    private static func rows(_ kinds: [Kind], _ counts: [Int]) -> [Row] {
        ["sleep", "adaptive"].flatMap { wait in kinds.flatMap { kind in counts.map { Row(kind: kind, count: $0, wait: wait) } } }
    }

    let repeats: Int
    let milliseconds: Int
    let isJSON: Bool
    private let directory = "/dev/shm/ringbench-call-\(getpid())-\(UInt32.random(in: 0 ... .max))"

    init(repeats: Int, milliseconds: Int, isJSON: Bool) {
        self.repeats = repeats
        self.milliseconds = milliseconds
        self.isJSON = isJSON
    }

    private struct Figure {
        var perSecond = 0.0
        /// The fewest calls of one caller, as a share of the median's.
        var leastShare = 0.0
    }

    func perform(_ wanted: [Row]) throws {
        guard !wanted.isEmpty else { return }
        mkdir(directory, 0o700)
        defer {
            unlink(directory + "/calls")
            rmdir(directory)
        }
        var rows: [Row] = []
        for row in wanted { for one in [row.base, row] where !rows.contains(one) { rows.append(one) } }
        var figures = rows.map { _ in [Figure]() }
        // In turn, so that what disturbs the machine disturbs all.
        for _ in 0..<repeats { for (number, row) in rows.enumerated() { figures[number].append(try measure(row)) } }
        var lines = [["calls of 48 B", "wait", "calls/s", "of one", "least of the median", "ns a call", "more than with none"]]
        for (row, figure) in zip(rows, figures) {
            let base = figures[rows.firstIndex(of: row.base)!]
            let rate = median(figure.map(\.perSecond))
            let share = median(zip(figure, base).map { $0.perSecond / max(1, $1.perSecond) })
            let least = median(figure.map(\.leastShare))
            let more = median(zip(figure, base).map { 1e9 / max(1, $0.perSecond) - 1e9 / max(1, $1.perSecond) })
            if isJSON {
                var object = JSONWriter()
                object.add("transport", "call")
                object.add("mode", "calls")
                object.add("callers", row.count)
                object.add("kind", row.kind.rawValue)
                object.add("wait", row.wait)
                object.add("size", 48)
                object.add("idle_slots", row.idle)
                object.add("milliseconds", milliseconds)
                object.add("calls_per_s", rate, digits: 0)
                object.add("share_of_one", share, digits: 3)
                object.add("least_share", least, digits: 3)
                object.add("more_ns", more, digits: 0)
                object.add("repeats", raw: "[" + figure.map { decimal($0.perSecond, 0) }.joined(separator: ",") + "]")
                print(object.text)
            } else {
                lines.append([
                    row.name, row.wait, decimal(rate, 0), decimal(share, 2), row.count > 1 ? decimal(least, 2) : "-",
                    row.count == 1 ? decimal(1e9 / max(1, rate), 0) : "-", row.wait == "spin" ? decimal(more, 0) : "-",
                ])
            }
        }
        if isJSON { return }
        for line in TextTable.lines(lines) { print(line) }
        print("medians of \(repeats) turns of \(milliseconds) ms")
    }

    private func measure(_ row: Row) throws -> Figure {
        unlink(directory + "/calls")
        let service = try CallService.create("calls", shape: CallService.Shape(clients: 1024, servers: 1), options: Self.options(directory))
        // Slots that were in use once, below the busy one.
        var idlers: [CallClient] = []
        for _ in 0..<row.idle {
            let client = try service.makeClient(slots: 1)
            do throws(CallError) { _ = try client.call([1], timeout: .zero) } catch {
                guard error.outcome == .notExecuted else { throw error }
            }
            idlers.append(client)
        }
        // Time for all processes to start: they share few processors.
        let processes = row.kind == .processes ? row.count : 1
        let begin = sr_now_ns() + 300_000_000 + Int64(processes) * 15_000_000
        func peer(_ role: String, _ callers: Int, cpu: Int32) throws -> BoardPeer {
            try BoardPeer([CallBench.peerWord, role, row.wait, "\(callers)", "\(begin)", "\(milliseconds)", directory, "\(cpu)"])
        }
        // Two that spin have a processor each.
        let isPinned = row.wait == "spin"
        let server = try peer("server", 0, cpu: isPinned ? 1 : -1)
        let peers =
            try row.kind == .processes
            ? (0..<row.count).map { _ in try peer("threads", 1, cpu: isPinned ? 0 : -1) } : [peer(row.kind.rawValue, row.count, cpu: -1)]
        var shares: [Double] = []
        for peer in peers {
            let numbers = peer.answer()
            guard !numbers.isEmpty else { throw Failure("a caller failed") }
            shares += numbers
        }
        guard server.answer() == [0], shares.count == row.count else {
            throw Failure("of \(row.count) callers, \(shares.count) came to an end")
        }
        withExtendedLifetime(idlers) {}
        var figure = Figure()
        figure.perSecond = shares.reduce(0, +) / Double(milliseconds) * 1e3
        figure.leastShare = (shares.min() ?? 0) / max(1, median(shares))
        return figure
    }

    static func options(_ directory: String) -> RingOptions {
        var options = RingOptions()
        options.directory = directory
        return options
    }
}

import CBench
import Glibc

/// Tables for people, or one JSON object a case.
struct Report {
    private let options: Options

    init(_ options: Options) { self.options = options }

    func printHeader() {
        let (a, b) = (options.cpus[0], options.cpus[1])
        say("ringbench on \(Machine.processor), Linux \(Machine.kernel), Swift \(Machine.swift)\(Self.buildNote)")
        if options.mode == .mpsc { say("mpsc: \(options.crowd.placement)") }
        say(
            "two processes, pinned to CPUs \(a) (measuring) and \(b) (peer); ring waits: \(options.waits.map(\.name).joined(separator: ", "))"
        )
        say(
            "clock: \(cb_counts_cycles() != 0 ? "the processor's cycle counter" : "CLOCK_MONOTONIC"); medians of \(options.repeats) repeats in turn"
        )
    }

    private static var buildNote: String {
        #if DEBUG
            ", DEBUG BUILD: figures mean nothing"
        #else
            ""
        #endif
    }

    func printProgress(_ test: Case, _ turn: Int) {
        guard isatty(2) != 0 else { return }
        printError(
            "\r\u{1b}[K\(turn + 1)/\(options.repeats) \(test.mode.rawValue) \(test.transport.rawValue) \(test.size) B ", newline: false)
    }

    func print(_ outcomes: [Outcome]) {
        if isatty(2) != 0 { printError("\r\u{1b}[K", newline: false) }
        if options.json {
            for outcome in outcomes { Swift.print(outcome.json) }
            return
        }
        for mode in Mode.allCases {
            let table = outcomes.filter { $0.test.mode == mode }
            guard !table.isEmpty else { continue }
            if mode == .mpsc { CrowdTable(table, all: outcomes).print() } else { Table(table).print() }
        }
    }

    private func say(_ line: String) { options.json ? printError(line) : Swift.print(line) }
}

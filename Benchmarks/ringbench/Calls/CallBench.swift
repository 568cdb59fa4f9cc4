import BenchReport
import CBench
import Glibc
import SharedRing

/// `ringbench call`: one client beside other ways to ask and be answered; many clients, and many callers of one client; and what idle slots cost.
///
/// Each part that an option names is measured, or all. A figure is the median of the turns; a ratio, the median of the ratios of turns.
struct CallBench {
    static let peerWord = "call-peer"

    let options: CountOptions
    let isJSON: Bool
    let repeats: Int

    init(_ words: [String]) throws {
        isJSON = words.contains("--json")
        options = try CountOptions(
            words.filter { $0 != "--json" }, of: "call",
            ["--size", "--count", "--clients", "--callers", "--idle-slots", "--repeats", "--milliseconds"], atLeast: 0)
        repeats = max(1, options.number("--repeats", or: 5))
        guard options.list("--size", or: []).allSatisfy({ (1...CallBench.largestSize).contains($0) }) else {
            throw Misuse("a call has 1 to \(CallBench.largestSize) bytes")
        }
        for option in ["--clients", "--callers"] where !options.list(option, or: []).allSatisfy({ (1...512).contains($0) }) {
            throw Misuse("\(option) takes numbers from 1 to 512")
        }
        guard options.list("--idle-slots", or: []).allSatisfy({ $0 <= 1023 }) else { throw Misuse("there are 0 to 1023 idle slots") }
    }

    private static let largestSize = 1 << 20

    func perform() throws {
        // What is asked for; else all.
        let isChoice = ["--size", "--clients", "--callers", "--idle-slots"].contains(where: options.has)
        if !isChoice || options.has("--size") {
            try CallBeside(
                sizes: options.list("--size", or: [8, 48, 1024]), options.numberIfAny("--count"), repeats: repeats, isJSON: isJSON
            )
            .perform()
        }
        let counts = CallCounts(repeats: repeats, milliseconds: max(1, options.number("--milliseconds", or: 300)), isJSON: isJSON)
        var rows: [CallCounts.Row] = []
        if !isChoice || options.has("--clients") { rows += CallCounts.clients(options.list("--clients", or: [1, 8, 64])) }
        if !isChoice || options.has("--callers") { rows += CallCounts.callers(options.list("--callers", or: [1, 8, 64])) }
        if !isChoice || options.has("--idle-slots") { rows += CallCounts.idleSlots(options.list("--idle-slots", or: [0, 1000])) }
        try counts.perform(rows)
    }
}

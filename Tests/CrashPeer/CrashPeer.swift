import CTestSupport
import Foundation
import SharedRing

/// Death at every instruction: runs operations of a real process one instruction at a time, and tries what comes after.
///
///     CrashPeer [short|full|list] [WORD …]    situations whose name is one of the words, or has it
///
/// In every situation all points leave an image. The short form kills and holds up real processes at some of them only, and
/// without words it leaves repetitions out.
///
/// Exits 0 if every promise held, 1 if not, 77 if this system does not let a process trace its children.
@main
struct CrashPeer {
    static let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""

    /// Where the traced process warms up, beside the directory of its ring.
    static func scratch(_ directory: String) -> String { directory + ".scratch" }

    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "peer" {
            do {
                try Peer(Array(arguments.dropFirst())).run()
                exit(0)
            } catch {
                say("the traced process, \(arguments[1]): \(error)")
                exit(1)
            }
        }
        if arguments.first == "broadcast-peer" {
            do {
                try BroadcastPeer(Array(arguments.dropFirst())).run()
                exit(0)
            } catch {
                say("the traced process, \(arguments[1]): \(error)")
                exit(1)
            }
        }
        if arguments.first == "board-peer" {
            do {
                try BoardSituation(rawValue: arguments[1])!.runTraced(in: arguments[2])
                exit(0)
            } catch {
                say("the traced process, \(arguments[1]): \(error)")
                exit(1)
            }
        }
        if arguments.first == "call-peer" {
            do {
                try CallSituation(rawValue: arguments[1])!.runTraced(in: arguments[2])
                exit(0)
            } catch {
                say("the traced process, \(arguments[1]): \(error)")
                exit(1)
            }
        }
        guard ts_trace_offered() == 1 else {
            say("skipped: this system does not let a process trace its children, or its processor is another")
            exit(77)
        }
        let words = arguments.filter { !["short", "full", "list"].contains($0) }
        let isFull = arguments.contains("full")
        let names = Set(Situation.all.map(\.name))
        let situations = Situation.all.filter { situation in
            if words.isEmpty { return isFull || !situation.isRepetition }
            return words.contains { names.contains($0) ? situation.name == $0 : situation.name.contains($0) }
        }
        let boards = BoardSituation.allCases.filter { board in words.isEmpty || words.contains { board.name.contains($0) } }
        let calls = CallSituation.allCases.filter { call in words.isEmpty || words.contains { call.name.contains($0) } }
        if arguments.contains("list") {
            let broadcasts = BroadcastCrash.all(in: "")
            for name in situations.map(\.name) + broadcasts.map(\.name) + boards.map(\.name) + calls.map(\.name) { say(name) }
            exit(0)
        }
        ts_stay_on_cpu()
        exit(Survey(situations: situations, broadcasts: words, boards: boards, calls: calls, isFull: isFull).run() ? 0 : 1)
    }
}

func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(1, bytes, bytes.count)
}

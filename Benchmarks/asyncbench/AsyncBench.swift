import Foundation
import SharedRing

/// What waiting without a thread costs, beside waiting with one.
///
///     asyncbench bursts [SIZE] [COUNT]    64-byte messages in bursts of COUNT: messages a second while there are any
///     asyncbench turns [COUNT]            one message there and one back, COUNT times
///     asyncbench idle [RINGS] [SECONDS] [INTERVAL]   processor time and threads of as many awaited rings, silent for ten check intervals and then on; INTERVAL in ms
@main
struct AsyncBench {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let numbers = arguments.dropFirst().compactMap { Int($0) }
        switch arguments.first {
        case "bursts": try await Bursts(size: numbers.first ?? 64, count: numbers.dropFirst().first ?? 4096).run()
        case "turns": try await Turns(count: numbers.first ?? 20_000).run()
        case "idle":
            let checkInterval = Duration.milliseconds(numbers.dropFirst(2).first ?? 100)
            try await Idle(rings: numbers.first ?? 100, seconds: numbers.dropFirst().first ?? 10, checkInterval: checkInterval).run()
        default: print("usage: see AsyncBench.swift")
        }
    }
}

/// A noncopyable value on its way into a thread or task.
final class Handover<Value: ~Copyable>: @unchecked Sendable {
    var value: Value?

    init(_ value: consuming Value) { self.value = consume value }
}

/// CLOCK_MONOTONIC, in seconds.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

extension [Double] {
    var median: Double { sorted()[count / 2] }
}

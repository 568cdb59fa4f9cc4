import Glibc
import SharedRing

/// `sharedring stat`: what a ring's users count, as rates.
struct StatCommand {
    private enum Format {
        case text, json, prometheus
    }

    private let name: String
    private let options: RingOptions
    private let format: Format
    private let isWatching: Bool
    private let interval: Duration

    init(_ arguments: Arguments) throws {
        name = arguments.name
        options = try arguments.findingOptions()
        let formats = ["--json", "--prometheus", "--watch"].filter(arguments.has)
        if formats.count > 1 { throw ToolFailure.usage("'\(formats[0])' and '\(formats[1])' exclude each other", of: .stat) }
        format = arguments.has("--json") ? .json : arguments.has("--prometheus") ? .prometheus : .text
        isWatching = arguments.has("--watch")
        interval =
            try arguments.value("--watch", "duration from 10ms to 1h, like 500ms or 2s") { word in
                if word.isEmpty { return .seconds(1) }
                return DurationNotation.duration(word).flatMap { (.milliseconds(10)...Duration.seconds(3600)).contains($0) ? $0 : nil }
            } ?? .seconds(1)
    }

    func run() throws {
        var before = try RingStatistics(name, options: options)
        if format == .prometheus { return try StandardStreams.print(before.prometheus) }
        if isWatching { Signals.endInOrder(on: SIGINT) }
        var display = Display()
        repeat {
            Clock.sleep(interval)
            if Signals.isEndAskedFor { break }
            let now = try RingStatistics(name, options: options)
            let rates = RingRates(from: before, to: now)
            before = now
            switch format {
            case .json: try StandardStreams.print("\(rates.json)\n")
            case _ where isWatching: try display.show(rates.lines)
            default: try StandardStreams.print(rates.lines.joined(separator: "\n") + "\n")
            }
        } while isWatching
    }
}

import Glibc
import SharedRing

/// `sharedring stat`: what the users of some rings count, as rates.
struct StatCommand {
    private enum Format {
        case text, json, prometheus
    }

    private let names: [String]
    private let options: RingOptions
    private let format: Format
    private let isWatching: Bool
    private let interval: Duration

    init(_ arguments: Arguments) throws {
        // A ring that is named twice is shown once: Prometheus takes no sample twice.
        names = arguments.names.reduce(into: []) { names, name in if !names.contains(name) { names.append(name) } }
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
        var before = try readings()
        if format == .prometheus { return try StandardStreams.print(RingStatistics.prometheus(before)) }
        if isWatching { Signals.endInOrder(on: SIGINT) }
        var display = Display()
        repeat {
            Clock.sleep(interval)
            if Signals.isEndAskedFor { break }
            let now = try readings()
            let rates = zip(before, now).map { RingRates(from: $0, to: $1) }
            before = now
            let lines = rates.map(\.lines).joined(separator: [""])
            switch format {
            case .json: try StandardStreams.print(rates.map { "\($0.json)\n" }.joined())
            case _ where isWatching: try display.show(Array(lines))
            default: try StandardStreams.print(lines.joined(separator: "\n") + "\n")
            }
        } while isWatching
    }

    private func readings() throws -> [RingStatistics] { try names.map { try RingStatistics($0, options: options) } }
}

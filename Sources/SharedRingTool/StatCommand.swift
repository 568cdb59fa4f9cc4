import Glibc
import SharedRing

/// `sharedring stat`: what the users of some rings count, as rates.
struct StatCommand {
    private enum Format {
        case text, json, prometheus
    }

    private let arguments: Arguments
    private let options: RingOptions
    private let format: Format
    private let isWatching: Bool
    private let interval: Duration

    init(_ arguments: Arguments) throws {
        self.arguments = arguments
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

    /// A ring that is not there, or can't be read, keeps nothing from the others; the status says that there was one.
    func run() throws {
        var rings = EachRing(arguments)
        if format == .prometheus {
            let readings = try readings(of: arguments.names, &rings)
            try StandardStreams.print(
                RingStatistics.prometheus(readings.compactMap(\.ring)) + RingReport.prometheus(services: readings.compactMap(\.service)))
            return try rings.finish()
        }
        var before = try readings(of: arguments.names, &rings)
        if isWatching { Signals.endInOrder(on: [SIGINT]) }
        var display = Display()
        while !before.isEmpty {
            Clock.sleep(interval)
            if Signals.isEndAskedFor { break }
            // One that has gone is reported once, and not looked for again.
            let now = try readings(of: before.map(\.fileName), &rings)
            let earlier = Dictionary(before.map { ($0.fileName, $0) }) { one, _ in one }
            let rates = now.map { StatRates(from: earlier[$0.fileName] ?? $0, to: $0) }
            before = now
            if rates.isEmpty { break }
            let lines = rates.map(\.lines).joined(separator: [""])
            switch format {
            case .json: try StandardStreams.print(rates.map { "\($0.json)\n" }.joined())
            case _ where isWatching: try display.show(Array(lines))
            default: try StandardStreams.print(lines.joined(separator: "\n") + "\n")
            }
            if !isWatching { break }
        }
        try rings.finish()
    }

    private func readings(of names: [FileName], _ rings: inout EachRing) throws -> [StatReading] {
        try rings.map(names) { name in try StatReading(name, options) }
    }
}

import Glibc
import SharedRing

/// `sharedring tap`: the messages of a ring as they pass, without taking any.
struct TapCommand {
    private let name: FileName
    private let options: RingOptions
    private let format: TapFormat
    private let start: RingTap.Start
    private let count: Int?
    private let limit: Duration?

    init(_ arguments: Arguments) throws {
        name = arguments.name
        options = try arguments.findingOptions()
        format = try Self.choice(arguments, [("--text", .text), ("--hex", .hex), ("--lines-json", .json)]) ?? .text
        start = try Self.choice(arguments, [("--from-head", .head), ("--from-tail", .tail)]) ?? .head
        count = try arguments.count("--count")
        limit = try arguments.value("--seconds", "duration, like 500ms, 2s or 1m", DurationNotation.duration)
    }

    private static func choice<Value>(_ arguments: Arguments, _ values: [(String, Value)]) throws -> Value? {
        let given = values.filter { arguments.has($0.0) }
        if given.count > 1 { throw ToolFailure.usage("'\(given[0].0)' and '\(given[1].0)' exclude each other", of: .tap) }
        return given.first?.1
    }

    func run() throws {
        var tap = try RingTap(named: name, from: start, options: options)
        Signals.endInOrder(on: [SIGINT])
        var misses = MissedMessages(name)
        defer { misses.sumUp() }
        let begin = ContinuousClock.now
        var shown = 0
        var pause = Duration.milliseconds(1)
        var end: TapEnd?
        while true {
            // Before the look: what was committed by then is shown before the end.
            let isRemoved = tap.isRemoved
            if end == nil, Signals.isEndAskedFor || limit.map({ begin.duration(to: .now) >= $0 }) ?? false {
                end = TapEnd(isRemoved ? nil : try? RingReport(named: name, options: options))
            }
            let events = try tap.poll()
            var text = ""
            for event in events where shown < count ?? .max {
                switch event {
                case .message(let message):
                    shown += 1
                    text += format.text(of: message)
                case .ended(let lane, let position, let isClosed):
                    text += format.text(ofEnd: lane, position, isClosed: isClosed)
                case .missed(let miss): misses.note(miss)
                case .damaged(let damage): StandardStreams.note("ring '\(name)' is damaged: \(damage.sentence)")
                }
            }
            if !text.isEmpty { try StandardStreams.print(text) }
            if shown == count { return }
            if end?.isReached(by: events) ?? false { return }
            if events.isEmpty {
                if isRemoved { return }
                Clock.sleep(pause)
                pause = min(pause * 2, .milliseconds(10))
            } else {
                pause = .milliseconds(1)
            }
            misses.report()
        }
    }
}

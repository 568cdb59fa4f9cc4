import BridgeTestSupport
import Foundation
import RingBridge
import SharedRing

/// The bridge beside a loop of libnats alone, with the same messages, on one broker: `BridgePeer speed [turns=N] [count=N] [size=N] [pace=N]`.
///
/// Both take turns, so that a machine that is busy is so for both. The figures are medians over the turns of the ratio bridge to loop. Then a sender
/// with a pace of `pace` messages a second tells how often it found the ring full.
struct Speed {
    private let settings: Settings

    init(_ words: [String]) throws { settings = try Settings(words) }

    /// What one turn of one of both took.
    private struct Turn {
        var rate = 0.0
        /// The processor's seconds: of the process that publishes, and of the broker.
        var processor = 0.0
        var broker = 0.0
    }

    func run() throws {
        let turns = try settings.number("turns", or: 9)
        let count = try settings.number("count", or: 200_000)
        let size = try settings.number("size", or: 128)
        guard turns > 0, count > 0, size >= 0 else { throw BridgePeer.Failure(text: "turns= and count= are at least 1, size= at least 0") }
        let place = try Workplace()
        let broker = try Broker(place)
        let connection = try broker.makeStream("warm", subjects: ["warm"])
        print("speed turns=\(turns) count=\(count) size=\(size); turns of bridge and loop: messages a second, µs of processor a message")
        var pairs: [(bridge: Turn, loop: Turn)] = []
        for number in 0..<turns {
            var (bridge, loop) = (Turn(), Turn())
            for isBridge in number % 2 == 0 ? [true, false] : [false, true] {
                let stream = isBridge ? "ring" : "loop"
                _ = try broker.makeStream(stream, subjects: [stream])
                if isBridge {
                    bridge = try bridgeTurn(place, broker, count: count, size: size)
                } else {
                    loop = try loopTurn(place, broker, count: count, size: size)
                }
                guard let state = connection.state(of: stream), state.messages == UInt64(count) else {
                    throw BridgePeer.Failure(text: "stream \(stream) does not have \(count) messages")
                }
                try connection.remove(stream)
            }
            pairs.append((bridge, loop))
            print("\(number + 1): bridge \(text(bridge, count)); loop \(text(loop, count))")
        }
        let rates = pairs.map { $0.bridge.rate / $0.loop.rate }
        let processors = pairs.map { $0.bridge.processor / $0.loop.processor }
        let brokers = pairs.map { $0.bridge.broker / $0.loop.broker }
        print(
            "bridge to loop, medians (least to most): \(text(rates)) of the messages a second, \(text(processors)) of the processor time, "
                + "\(text(brokers)) of the broker's")
        try pacedTurn(place, broker, size: size)
    }

    private func text(_ turn: Turn, _ count: Int) -> String {
        func micros(_ seconds: Double) -> String { String(format: "%.1f", seconds / Double(count) * 1e6) }
        return "\(Int(turn.rate)), \(micros(turn.processor)) and the broker \(micros(turn.broker))"
    }

    private func text(_ ratios: [Double]) -> String {
        let sorted = ratios.sorted()
        let median = (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        return String(format: "%.2f (%.2f to %.2f)", median, sorted[0], sorted[sorted.count - 1])
    }

    /// This process sends; the turn ends when the ring's last message is acknowledged.
    private func bridgeTurn(_ place: Workplace, _ broker: Broker, count: Int, size: Int) throws -> Turn {
        var producer = try SPSCRing.create("r", options: ringOptions(place)).makeProducer()
        let before = childrenSeconds()
        let bridge = try startBridge(place, broker, &producer)
        var text = [UInt8](repeating: 46, count: size)
        let brokerBefore = try brokerSeconds(broker)
        let start = ContinuousClock.now
        for number in 1..<count {
            write(number, into: &text)
            try producer.send(text, tag: UInt32(truncatingIfNeeded: number), timeout: patience)
        }
        try producer.waitUntilAcknowledged(timeout: patience)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let brokerAfter = try brokerSeconds(broker)
        try producer.close()
        try endBridge(bridge, place)
        return Turn(rate: Double(count) / seconds, processor: childrenSeconds() - before, broker: brokerAfter - brokerBefore)
    }

    private func loopTurn(_ place: Workplace, _ broker: Broker, count: Int, size: Int) throws -> Turn {
        let (before, brokerBefore) = (childrenSeconds(), try brokerSeconds(broker))
        let log = place.path("loop.log")
        unlink(log)
        let loop = try ChildProcess(
            Workplace.program("BridgePeer"), ["loop", "count=\(count)", "size=\(size)", "subject=loop", "server=\(broker.url)"], log: log)
        guard loop.end() == 0, let rate = Double(loop.output.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw BridgePeer.Failure(text: "the loop: \(loop.output)")
        }
        return Turn(rate: rate, processor: childrenSeconds() - before, broker: try brokerSeconds(broker) - brokerBefore)
    }

    /// A sender that the broker keeps up with: does it ever wait for room?
    private func pacedTurn(_ place: Workplace, _ broker: Broker, size: Int) throws {
        let pace = try settings.number("pace", or: 10_000)
        guard pace > 0 else { return }
        _ = try broker.makeStream("ring", subjects: ["ring"])
        var producer = try SPSCRing.create("r", options: ringOptions(place)).makeProducer()
        let bridge = try startBridge(place, broker, &producer)
        var text = [UInt8](repeating: 46, count: size)
        var full = 0
        let start = ContinuousClock.now
        let count = pace * 5
        for number in 0..<count {
            write(number, into: &text)
            do throws(RingError) {
                try producer.send(text, tag: UInt32(truncatingIfNeeded: number), timeout: .zero)
            } catch {
                guard error.code == .timedOut else { throw error }
                full += 1
                try producer.send(text, tag: UInt32(truncatingIfNeeded: number), timeout: patience)
            }
            // A millisecond's worth at a time.
            if number % max(1, pace / 1000) == 0 {
                let ahead = start + .seconds(1) * (Double(number) / Double(pace)) - ContinuousClock.now
                if ahead > .zero { usleep(UInt32(ahead / .microseconds(1))) }
            }
        }
        try producer.waitUntilAcknowledged(timeout: patience)
        try producer.close()
        try endBridge(bridge, place)
        print("\(count) messages at \(pace) a second: \(full) of them found the ring full")
    }

    /// A ring as an application makes it.
    private func ringOptions(_ place: Workplace) -> RingOptions {
        var options = RingOptions()
        options.directory = place.directory
        return options
    }

    /// A bridge that has published a first message: it is connected, and has read the stream back.
    private func startBridge(_ place: Workplace, _ broker: Broker, _ producer: inout Producer) throws -> ChildProcess {
        let bridge = try place.bridge(["publish", "r", "--stream", "ring"], on: broker)
        try producer.send("first")
        try producer.waitUntilAcknowledged(timeout: patience)
        return bridge
    }

    private func endBridge(_ bridge: ChildProcess, _ place: Workplace) throws {
        bridge.send(SIGTERM)
        guard bridge.end() == 0 else { throw BridgePeer.Failure(text: "the bridge: \(bridge.output)") }
        try SPSCRing.remove("r", options: ringOptions(place))
    }

    private func write(_ number: Int, into text: inout [UInt8]) {
        var rest = number
        for index in stride(from: min(text.count, 12) - 1, through: 0, by: -1) {
            text[index] = UInt8(48 + rest % 10)
            rest /= 10
        }
    }

    /// User and system time of all children that have ended.
    private func childrenSeconds() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
    }

    private func brokerSeconds(_ broker: Broker) throws -> Double { try broker.process?.processorSeconds() ?? 0 }
}

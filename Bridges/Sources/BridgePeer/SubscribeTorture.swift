import BridgeTestSupport
import Foundation
import RingBridge
import SharedRing

/// Kills the bridge into a ring and the receiver, again and again: `BridgePeer subscribe-torture [messages=N] [kills=N] [sequence=front|tag] [seconds=N]`.
///
/// The receiver drops what comes again by the documented filter, and notes what it has handled: each message of the stream, once and in order.
struct SubscribeTorture {
    private let settings: Settings

    init(_ words: [String]) throws { settings = try Settings(words) }

    func run() throws {
        let messages = try settings.number("messages", or: 20_000)
        let kills = try settings.number("kills", or: 20)
        let carrier = try settings.text("sequence", or: "front")
        let seconds = try settings.number("seconds", or: 600)
        let end = ContinuousClock.now + .seconds(seconds)
        let seed = try settings.number("seed", or: Int(UInt32.random(in: 1...UInt32.max)))
        print("subscribe-torture messages=\(messages) kills=\(kills) sequence=\(carrier) seed=\(seed)")
        var random = Random(state: UInt64(seed))
        let place = try Workplace()
        let broker = try Broker(place)
        let connection = try broker.makeStream("S", subjects: ["ring"])

        // The stream is filled by the way out.
        _ = try SPSCRing.create("out", options: place.ringOptions)
        let sender = try place.peer(["send", "ring=out", "count=\(messages)"], bound: seconds)
        let out = try place.bridge(["publish", "out", "--stream", "S"], on: broker, bound: seconds)
        while connection.state(of: "S").map({ $0.last < UInt64(messages) }) ?? true {
            guard ContinuousClock.now < end, !out.hasEnded else {
                throw BridgePeer.Failure(text: "the stream is not filled: \(out.output)")
            }
            usleep(20_000)
        }
        out.send(SIGTERM)
        guard sender.end() == 0, out.end() == 0 else { throw BridgePeer.Failure(text: "the stream is not filled: \(out.output)") }

        let file = place.path("received")
        func bridge() throws -> ChildProcess {
            try place.bridge(
                ["subscribe", "--stream", "S", "in", "--sequence", carrier, "--capacity", "65536"], on: broker, bound: seconds)
        }
        func receiver() throws -> ChildProcess {
            try place.peer(["receive", "ring=in", "count=\(messages)", "sequence=\(carrier)", "file=\(file)"], bound: seconds)
        }
        func received() -> Int {
            var facts = stat()
            return stat(file, &facts) == 0 ? Int(facts.st_size) / 16 : 0
        }
        var (into, reading) = (try bridge(), try receiver())
        var killed = (bridge: 0, receiver: 0)
        while !reading.hasEnded || received() < messages {
            guard ContinuousClock.now < end else {
                throw BridgePeer.Failure(text: "more than \(seconds) s; \(received()) received; \(into.output)")
            }
            usleep(5_000)
            guard killed.bridge + killed.receiver < kills, received() > (killed.bridge + killed.receiver + 1) * messages / (kills + 2)
            else { continue }
            if random.next(2) == 0 {
                into.send(SIGKILL)
                into.end()
                into = try bridge()
                killed.bridge += 1
            } else {
                reading.send(SIGKILL)
                reading.end()
                reading = try receiver()
                killed.receiver += 1
            }
        }
        into.send(SIGTERM)
        guard into.end() == 0 else { throw BridgePeer.Failure(text: "the bridge's end: \(into.output)") }

        let data = try Data(contentsOf: URL(fileURLWithPath: file))
        try data.withUnsafeBytes { bytes in
            for index in 0..<bytes.count / 16 {
                let sequence = bytes.loadUnaligned(fromByteOffset: index * 16, as: UInt64.self)
                let number = bytes.loadUnaligned(fromByteOffset: index * 16 + 8, as: UInt64.self)
                guard sequence == UInt64(index) + 1, number == UInt64(index) else {
                    throw BridgePeer.Failure(text: "the \(index)th message is number \(number) with sequence \(sequence)")
                }
            }
        }
        guard data.count == messages * 16 else { throw BridgePeer.Failure(text: "\(data.count / 16) messages of \(messages)") }
        print("\(messages) messages received, each once and in order; kills: \(killed.bridge) bridge, \(killed.receiver) receiver")
    }
}

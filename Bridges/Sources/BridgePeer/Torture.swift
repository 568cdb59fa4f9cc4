import BridgeTestSupport
import Foundation
import RingBridge
import SharedRing

/// Kills what carries messages, again and again, and then reads the stream back: `BridgePeer torture [messages=N] [kills=N] [kind=spsc|mpsc|total]
/// [senders=N] [brokers=N] [pause=MICROSECONDS] [seconds=N] [seed=N]`.
///
/// A leader is killed only when each broker has all messages in its own files, which takes seconds after the kill before. With a `pause` of the senders
/// after each message more of the kills are of leaders.
///
/// Each incarnation of a sender numbers its messages from 0. Every message whose send returned must be in the stream once, in order; the one that was being
/// sent at a kill may be.
final class Torture {
    private let messages: Int
    private let kills: Int
    private let kind: String
    private let seconds: Int
    private var random: Random
    private let place = try! Workplace()
    private let cluster: Cluster
    private let brokerCount: Int
    private var senders: [Slot]
    private var bridge: ChildProcess?
    private var killed: [String: Int] = [:]
    private var bridges = 0
    private let perLane: Bool
    private let pause: Int

    /// One sender after the other.
    private struct Slot {
        let number: Int
        let share: Int
        var incarnation = -1
        var process: ChildProcess?
        /// How many sends returned, of each incarnation that is gone.
        var returned: [Int] = []
        var isDone = false
    }

    init(_ words: [String]) throws {
        let settings = try Settings(words)
        messages = try settings.number("messages", or: 100_000)
        kills = try settings.number("kills", or: 20)
        kind = try settings.text("kind", or: "spsc")
        seconds = try settings.number("seconds", or: 600)
        brokerCount = try settings.number("brokers", or: 3)
        pause = try settings.number("pause", or: 0)
        perLane = try settings.text("subjects", or: kind == "mpsc" ? "lane" : "one") == "lane"
        let seed = try settings.number("seed", or: Int(UInt32.random(in: 1...UInt32.max)))
        random = Random(state: UInt64(seed))
        let count = try settings.number("senders", or: kind == "spsc" ? 1 : 4)
        let share = messages / count
        senders = (0..<count).map { Slot(number: $0, share: share) }
        print("torture \(words.filter { !$0.hasPrefix("seed=") }.joined(separator: " ")) seed=\(seed)")
        cluster = try Cluster(place, count: brokerCount)
    }

    func run() throws {
        let end = ContinuousClock.now + .seconds(seconds)
        let connection = try cluster.makeStream("S", subjects: [perLane ? "ring.*" : "ring"], replicas: brokerCount)
        var options = place.ringOptions
        options.capacity = 1 << 17  // so small that senders wait, and are killed while they do
        switch kind {
        case "mpsc": _ = try MPSCRing.create("r", lanes: 8, options: options)
        case "total": _ = try MPSCRing.create("r", lanes: 8, order: .total, options: options)
        default: _ = try SPSCRing.create("r", options: options)
        }
        try startBridge()
        for index in senders.indices { try startSender(index) }
        var lastPrint = ContinuousClock.now
        var down: (broker: Broker, until: ContinuousClock.Instant)?
        var nextKill = UInt64(max(1, messages / (kills + 1)))
        var count = 0
        while true {
            guard ContinuousClock.now < end else { throw BridgePeer.Failure(text: "more than \(seconds) s; \(state(connection))") }
            usleep(20_000)
            if let (broker, until) = down, ContinuousClock.now >= until {
                try broker.start()
                down = nil
            }
            try reviveSenders()
            if let bridge, bridge.hasEnded {
                let status = bridge.end()
                throw BridgePeer.Failure(text: "the bridge ended by itself, status \(status.map(String.init) ?? "-"): \(lastLines())")
            }
            guard let state = connection.state(of: "S") else { continue }
            if ContinuousClock.now - lastPrint > .seconds(10) {
                lastPrint = .now
                print("\(state.last) in the stream, \(count) kills, leader \(state.leader ?? "-")")
            }
            if count < kills, state.last >= nextKill {
                nextKill = state.last + UInt64(max(1, messages / (kills + 1)))
                count += 1
                let draw = random.next(100)
                let index = Int(random.next(UInt64(senders.count)))
                let leader = cluster.brokers.first { $0.name == state.leader }
                if draw < 25, down == nil, brokerCount > 1, let leader, cluster.isEverywhere(state.last, of: "S") {
                    leader.kill()
                    down = (leader, .now + .milliseconds(Int(200 + random.next(1500))))
                    killed["leader", default: 0] += 1
                } else if draw < 60, !senders[index].isDone {
                    senders[index].process?.send(SIGKILL)
                    killed["sender", default: 0] += 1
                } else {
                    bridge?.send(SIGKILL)
                    bridge?.end()
                    try startBridge()
                    killed["bridge", default: 0] += 1
                }
            }
            if senders.allSatisfy(\.isDone), down == nil, try isRingEmpty(), try isBridgeAttached() { break }
        }
        bridge?.send(SIGTERM)
        let status = bridge?.end()
        guard status == 0 else { throw BridgePeer.Failure(text: "the bridge's end: \(status.map(String.init) ?? "-"): \(lastLines())") }
        // A broker of version 2.9 that was restarted may answer for the stream although another one leads it, and it misses messages then.
        let last = cluster.brokers.compactMap { $0.lastSequence(of: "S") }.max() ?? 0
        try waitUntil("each broker has \(last) messages, or the leader answers") {
            cluster.isEverywhere(last, of: "S") || (0..<20).allSatisfy { _ in connection.state(of: "S")?.last == last }
        }
        try check(connection)
        print("kills: \(killed.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", "))")
    }

    private func isRingEmpty() throws -> Bool { try RingReport("r", options: place.ringOptions).lanes.allSatisfy { $0.backlog == 0 } }

    /// The last bridge may have been started a moment ago: before it handles SIGTERM, that signal kills it.
    private func isBridgeAttached() throws -> Bool {
        let consumer = try RingReport("r", options: place.ringOptions).consumer
        guard consumer.presence == .attached, let holder = consumer.holder, let bridge else { return false }
        return holder.processID == UInt32(bridge.id)
    }

    /// What it still waits for.
    private func state(_ connection: BrokerConnection) -> String {
        let lanes = (try? RingReport("r", options: place.ringOptions).lanes) ?? []
        let behind = lanes.filter { $0.backlog > 0 }.map { "lane \($0.number) \($0.backlog) B" }.joined(separator: ", ")
        let sending = senders.filter { !$0.isDone }.map { "\($0.number).\($0.incarnation)" }.joined(separator: ", ")
        let metrics = (try? String(contentsOfFile: place.path("metrics"), encoding: .utf8)) ?? ""
        return "\(connection.state(of: "S").map { String($0.last) } ?? "?") in the stream; in the ring: \(behind); at work: \(sending); "
            + "bridge \(bridge?.id ?? 0): \(lastLines()); files in \(keep())\n\(metrics)"
    }

    private func lastLines() -> String {
        let text = (try? String(contentsOfFile: place.path("bridge.log"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(3).joined(separator: " / ")
    }

    private func startBridge() throws {
        bridges += 1
        bridge = try ChildProcess(
            Workplace.program("sharedring-nats"),
            [
                "publish", "r", "--stream", "S", "--subject", "ring", "--dir", place.directory, "--server", cluster.url,
                "--metrics", place.path("metrics"),
            ] + (perLane ? ["--subject-per-lane"] : []),
            log: place.path("bridge.log"), bound: seconds)
    }

    private func journal(_ slot: Int, _ incarnation: Int) -> String { place.path("journal.\(slot).\(incarnation)") }

    private func startSender(_ index: Int) throws {
        let rest = senders[index].share - senders[index].returned.reduce(0, +)
        senders[index].incarnation += 1
        let slot = senders[index]
        senders[index].process = try place.peer(
            [
                "send", "ring=r", "kind=\(kind == "spsc" ? "spsc" : "mpsc")", "name=\(slot.number).\(slot.incarnation)",
                "count=\(max(0, rest))", "microseconds=\(pause)",
                "journal=\(journal(slot.number, slot.incarnation))",
            ], bound: seconds)
    }

    private func reviveSenders() throws {
        for index in senders.indices where !senders[index].isDone {
            guard let process = senders[index].process, process.hasEnded else { continue }
            senders[index].returned.append(Journal.read(journal(senders[index].number, senders[index].incarnation)))
            if process.end() == 0 {
                senders[index].isDone = true
            } else {
                try startSender(index)
            }
        }
    }

    private func check(_ connection: BrokerConnection) throws {
        var next: [String: Int] = [:]
        var incarnation: [String: Int] = [:]
        var failures: [String] = []
        var count = 0
        var lastTicket: UInt64 = 0
        try StreamReader(connection, stream: "S").forEach { record in
            if record.isOpening { return }
            count += 1
            let words = record.text.split(separator: " ")
            let name = String(words[0])
            let number = Int(words[1].prefix { $0 != "." }) ?? -1
            let expected = next[name] ?? 0
            if number != expected { failures.append("sequence \(record.sequence): \(name) \(number), expected \(expected)") }
            next[name] = number + 1
            let parts = name.split(separator: ".")
            let (slot, turn) = (String(parts[0]), Int(parts[1]) ?? -1)
            // Two lanes have no order between them, and a successor may get another lane.
            if kind != "mpsc", turn < incarnation[slot] ?? 0 {
                failures.append("sequence \(record.sequence): \(name) comes behind its successor")
            }
            incarnation[slot] = turn
            if kind == "total", let ticket = record.id?.position {
                if ticket <= lastTicket, count > 1 { failures.append("sequence \(record.sequence): ticket \(ticket) behind \(lastTicket)") }
                lastTicket = ticket
            }
        }
        var returned = 0
        for slot in senders {
            for (turn, sent) in slot.returned.enumerated() {
                returned += sent
                let stored = next["\(slot.number).\(turn)"] ?? 0
                if stored != sent, stored != sent + 1 { failures.append("\(slot.number).\(turn): \(sent) sent, \(stored) stored") }
            }
        }
        guard failures.isEmpty else {
            // A broker that has more than the stream's leader shows that it was the cluster that forgot what it had acknowledged.
            let lasts = cluster.brokers.map { "\($0.name) \($0.lastSequence(of: "S").map(String.init) ?? "-")" }.joined(separator: ", ")
            throw BridgePeer.Failure(
                text: "\(failures.count) failures: \(failures.prefix(10).joined(separator: "; ")); leader "
                    + "\(connection.state(of: "S")?.leader ?? "-"); the last sequences that the brokers have: \(lasts)")
        }
        print("\(returned) sends returned, \(count) messages in the stream, each once and in order; \(bridges) bridges")
    }

    private func keep() -> String { place.directory }
}

/// xorshift64*: a run with the same seed draws the same victims.
struct Random {
    var state: UInt64

    mutating func next(_ bound: UInt64) -> UInt64 {
        state = state == 0 ? 0x9E37_79B9_7F4A_7C15 : state
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return ((state &* 0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

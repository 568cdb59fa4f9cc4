import BridgeTestSupport
import Foundation
import RingBridge
import SharedRing
import Testing

extension Bridge {
    @Suite("Ring to stream", .serialized)
    struct PublishTests {
        let place: Workplace
        let broker: Broker
        let connection: BrokerConnection

        init() throws {
            place = try Workplace()
            broker = try Broker(place)
            // A window of duplicates that every test outlives.
            connection = try broker.makeStream("S", subjects: ["ring", "ring.*"], duplicateMilliseconds: 200)
        }

        private func publish(_ words: String...) throws -> ChildProcess {
            try place.bridge(["publish", "r", "--stream", "S", "--subject", "ring"] + words, on: broker)
        }

        @Test("Messages of a ring arrive in a stream, once and in order, one process each, and are acknowledged in the ring")
        func onceAndInOrder() throws {
            _ = try SPSCRing.create("r", options: place.ringOptions)
            let sender = try place.peer(["send", "ring=r", "count=20000"])
            let bridge = try publish()
            try waitFor(20000, connection, bridge)
            #expect(sender.end() == 0)
            #expect(end(bridge) == 0, "\(bridge.output)")
            #expect(try numbers(connection) == Array(0..<20000))
            // What may be left is the end of the sender's stream.
            #expect(try RingCheck("r", options: place.ringOptions).messages == 0)
        }

        @Test("The end of a lane's producer, behind what was acknowledged, is acknowledged and counted", arguments: [true, false])
        func endsOfLanes(drains: Bool) throws {
            let ring = try MPSCRing.create("r", lanes: 4, options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            var bridge = try publish("--metrics", place.path("metrics"))
            try waitUntil("all is acknowledged") { try ring.report().lanes[0].backlog == 0 }
            if drains { #expect(end(bridge) == 0, "\(bridge.output)") }
            try producer.close()
            if drains {
                bridge = try publish("--drain", "--metrics", place.path("metrics"))
                #expect(bridge.end() == 0, "\(bridge.output)")
                #expect(try ring.report().lanes[0].backlog == 0)
            } else {
                try waitUntil("the end is acknowledged") { try ring.report().lanes[0].backlog == 0 }
                #expect(end(bridge) == 0, "\(bridge.output)")
            }
            let metrics = try String(contentsOfFile: place.path("metrics"), encoding: .utf8)
            #expect(metrics.contains("producer_ends_total{ring=\"r\",stream=\"S\"} 1\n"), "\(metrics)")
        }

        @Test("Each message carries the ring's instance, its lane and its position as its id, and its tag")
        func ids() throws {
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<100, to: &producer)
            let bridge = try publish("--drain")
            #expect(bridge.end() == 0, "\(bridge.output)")
            var last: UInt64?
            var count: UInt32 = 0
            let instance = try ring.report().instance
            try StreamReader(connection, stream: "S").forEach { record in
                #expect(record.id?.instance == instance && record.id?.lane == 0 && record.tag == count)
                if let last { #expect(record.id!.position > last) }
                last = record.id?.position
                count += 1
            }
            #expect(count == 100)
        }

        @Test(
            "A bridge that was killed before it acknowledged repeats nothing, after the broker's window of duplicates and a restart of the broker"
        )
        func killedBeforeAcknowledging() throws {
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<500, to: &producer)
            // A broker that is stopped acknowledges nothing: what it reads when it goes on has no bridge any more.
            let first = try publish()
            try waitFor(500, connection, first)
            try waitUntil("all is acknowledged") { try ring.report().lanes[0].backlog == 0 }
            broker.send(SIGSTOP)
            try send(500..<1000, to: &producer)
            try waitUntil("the bridge has published") { try bytesAtTheBroker() > 20_000 }
            first.send(SIGKILL)
            first.end()
            broker.send(SIGCONT)
            try waitUntil("what the dead bridge had sent is in the stream") { connection.state(of: "S").map { $0.last > 500 } ?? false }
            #expect(try ring.report().lanes[0].backlog > 0)
            usleep(600_000)  // longer than the window; a shorter one would make this test easier, and not wrong
            broker.kill()
            try broker.start()
            let second = try publish()
            try waitUntil("all is acknowledged") {
                if second.hasEnded { throw ChildProcess.Failure(description: second.output) }
                return try ring.report().lanes[0].backlog == 0
            }
            #expect(end(second) == 0, "\(second.output)")
            #expect(try numbers(connection) == Array(0..<1000))
        }

        @Test("On a stream that never held a message two bridges' first messages have one place", arguments: ["spsc", "mpsc"])
        func emptyStream(kind: String) throws {
            // Some of the first bridge's messages may still be on their way, or none may be; the second bridge has the same ones.
            var producer: Producer
            if kind == "spsc" {
                producer = try SPSCRing.create("r", options: place.ringOptions).makeProducer()
            } else {
                producer = try MPSCRing.create("r", lanes: 4, options: place.ringOptions).makeProducer()
            }
            try send(0..<300, to: &producer)
            let words = kind == "mpsc" ? ["--subject-per-lane"] : []
            let first = try place.bridge(["publish", "r", "--stream", "S", "--subject", "ring"] + words, on: broker)
            try waitUntil("the first bridge is there") { try isConsumerAttached("r") }
            first.send(SIGKILL)
            first.end()
            let second = try place.bridge(["publish", "r", "--stream", "S", "--subject", "ring", "--drain"] + words, on: broker)
            #expect(second.end() == 0, "\(second.output)")
            #expect(try numbers(connection) == Array(0..<300))
        }

        @Test("Lanes keep their order, in a subject each, across kills of the bridge", arguments: [true, false])
        func lanes(perLane: Bool) throws {
            let ring = try MPSCRing.create("r", lanes: 4, options: place.ringOptions)
            let senders = try (0..<3).map { try place.peer(["send", "ring=r", "kind=mpsc", "name=\($0)", "count=5000"]) }
            var last: UInt64 = 0
            var bridge = try publish(perLane ? "--subject-per-lane" : "--quiet")
            for _ in 0..<6 {
                // Or all: a machine that is busy may see the first bridges bring it.
                try waitUntil("more is in the stream: \(bridge.output)") {
                    connection.state(of: "S").map { $0.last > last || $0.last >= 15000 } ?? false
                }
                bridge.send(SIGKILL)
                bridge.end()
                last = connection.state(of: "S")?.last ?? last
                bridge = try publish(perLane ? "--subject-per-lane" : "--quiet")
            }
            for sender in senders { #expect(sender.end() == 0) }
            try waitUntil("all is acknowledged") {
                if bridge.hasEnded { throw ChildProcess.Failure(description: bridge.output) }
                return try ring.report().lanes.allSatisfy { $0.backlog == 0 }
            }
            #expect(end(bridge) == 0, "\(bridge.output)")
            var next: [String: Int] = [:]
            try StreamReader(connection, stream: "S").forEach { record in
                if record.isOpening { return }
                let name = String(record.text.prefix { $0 != " " })
                #expect(number(of: record) == next[name] ?? 0)
                next[name] = number(of: record) + 1
                #expect(record.subject == (perLane ? "ring.\(record.id!.lane)" : "ring"))
            }
            #expect(next == ["0": 5000, "1": 5000, "2": 5000])
        }

        @Test("A total order is kept in one subject, across kills of the bridge")
        func totalOrder() throws {
            let ring = try MPSCRing.create("r", lanes: 4, order: .total, options: place.ringOptions)
            let senders = try (0..<3).map { try place.peer(["send", "ring=r", "kind=mpsc", "name=\($0)", "count=5000"]) }
            var bridge = try publish()
            for step in 1...4 {
                try waitFor(step * 1000, connection, bridge)
                bridge.send(SIGKILL)
                bridge.end()
                bridge = try publish()
            }
            for sender in senders { #expect(sender.end() == 0) }
            try waitUntil("all is acknowledged") { try bridge.hasEnded || ring.report().lanes.allSatisfy { $0.backlog == 0 } }
            #expect(end(bridge) == 0, "\(bridge.output)")
            var tickets: [UInt64] = []
            try StreamReader(connection, stream: "S").forEach { tickets.append($0.id!.position) }
            #expect(tickets.count == 15000 && zip(tickets, tickets.dropFirst()).allSatisfy { $0 < $1 })
        }

        @Test("A total order is refused a subject a lane")
        func totalOrderPerLane() throws {
            _ = try MPSCRing.create("r", lanes: 4, order: .total, options: place.ringOptions)
            let bridge = try publish("--subject-per-lane")
            #expect(bridge.end() == 2)
            #expect(bridge.output.contains("total order"))
        }

        @Test("A broadcast is published by a reliable subscriber, which others do not disturb")
        func broadcast() throws {
            let ring = try BroadcastRing.create("r", subscribers: 4, options: place.ringOptions)
            let bridge = try publish()
            try waitUntil("the subscriber is there") { try ring.report().subscribers.contains { $0.role.presence == .attached } }
            let other = try ring.makeSubscriber(.lossy)
            var publisher = try ring.makePublisher()
            try send(0..<3000, to: &publisher)
            try waitFor(3000, connection, bridge)
            #expect(end(bridge) == 0, "\(bridge.output)")
            #expect(try numbers(connection) == Array(0..<3000))
            try other.close()
        }

        @Test("A stream with another program's message behind the ring's is refused, by the sequence of that message")
        func foreignWriter() throws {
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            #expect(try publish("--drain").end() == 0)
            try connection.publish("another's", subject: "ring")
            try send(10..<20, to: &producer)
            let bridge = try publish("--drain")
            #expect(bridge.end() == 1)
            #expect(bridge.output.contains("message 11 of the stream"), "\(bridge.output)")
            #expect(try ring.report().lanes[0].backlog > 0)
        }

        @Test("A bridge that lives stops at another program's message, and acknowledges nothing behind it")
        func foreignWriterMeanwhile() throws {
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            let bridge = try publish()
            try send(0..<10, to: &producer)
            try waitFor(10, connection, bridge)
            try connection.publish("another's", subject: "ring")
            try send(10..<20, to: &producer)
            #expect(bridge.end() == 1)
            #expect(bridge.output.contains("message 11 of the stream"), "\(bridge.output)")
            #expect(try ring.report().lanes[0].backlog > 0)
        }

        @Test("A stream whose end was removed is not guessed at; --republish publishes what the ring holds")
        func purged() throws {
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            #expect(try publish("--drain").end() == 0)
            try connection.purge("S")
            try send(10..<20, to: &producer)
            let refused = try publish("--drain")
            #expect(refused.end() == 1)
            #expect(refused.output.contains("--republish"), "\(refused.output)")
            let bridge = try publish("--drain", "--republish")
            #expect(bridge.end() == 0, "\(bridge.output)")
            #expect(try numbers(connection) == Array(10..<20))
        }

        @Test("A new ring goes on behind an older ring's messages")
        func nextRing() throws {
            for turn in 0..<2 {
                let ring = try SPSCRing.create("r", options: place.ringOptions)
                var producer = try ring.makeProducer()
                try send(turn * 10..<turn * 10 + 10, to: &producer)
                try producer.close()
                let bridge = try publish("--drain")
                #expect(bridge.end() == 0, "\(bridge.output)")
                try SPSCRing.remove("r", options: place.ringOptions)
            }
            #expect(try numbers(connection) == Array(0..<20))
        }

        @Test("The broker refuses a message whose sequence fits, if the record before it is not the message it was sent behind")
        func behindAnother() throws {
            let log = try JetStreamLog(connection, stream: "S", subjects: SubjectNames("ring"), instance: "i")
            func append(_ position: UInt64, previous: UInt64? = nil, behind last: UInt64) throws -> Receipt {
                let previous = previous.map { MessageID(instance: "i", lane: 0, position: $0) }
                let payload = Array("t \(position)".utf8)
                try payload.withUnsafeBytes {
                    try log.append(
                        OutgoingMessage(
                            id: MessageID(instance: "i", lane: 0, position: position), tag: 0, plan: nil, previous: previous, payload: $0),
                        behind: last)
                }
                return try #require(log.nextReceipt(milliseconds: 90_000))
            }
            #expect(try append(0, behind: 0).outcome == .stored(1))
            #expect(try append(1, previous: 0, behind: 1).outcome == .stored(2))
            #expect(try append(1, previous: 0, behind: 1).isDuplicate)
            try connection.publish("another's", subject: "ring")
            #expect(try append(2, previous: 1, behind: 2).outcome == .wrongSequence)
            #expect(try append(3, previous: 2, behind: 3).outcome == .wrongSequence)
            #expect(try append(3, behind: 3).outcome == .stored(4))
        }

        private func isConsumerAttached(_ ring: String) throws -> Bool {
            try RingReport(ring, options: place.ringOptions).consumer.presence == .attached
        }

        /// How many bytes wait in the broker's sockets, unread.
        private func bytesAtTheBroker() throws -> Int {
            let port = String(broker.port, radix: 16, uppercase: true)
            // Read to its end: the file has no size, a read gives a page at most, and a busy machine has many lines.
            let file = open("/proc/net/tcp", O_RDONLY)
            defer { close(file) }
            var bytes: [UInt8] = []
            var page = [UInt8](repeating: 0, count: 4096)
            while case let count = read(file, &page, page.count), count > 0 { bytes += page.prefix(count) }
            let text = String(decoding: bytes, as: UTF8.self)
            return text.split(separator: "\n").dropFirst().reduce(0) { sum, line in
                let words = line.split(separator: " ")
                guard words.count > 4, words[1].hasSuffix(":" + String(repeating: "0", count: 4 - port.count) + port) else { return sum }
                return sum + (words[4].split(separator: ":").last.flatMap { Int($0, radix: 16) } ?? 0)
            }
        }
    }
}

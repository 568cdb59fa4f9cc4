import BridgeTestSupport
import Foundation
import RingBridge
import SharedRing
import Testing

extension Bridge {
    @Suite("Back-pressure, limits and ends", .serialized)
    struct LimitTests {
        let place: Workplace

        init() throws { place = try Workplace() }

        @Test("A message larger than the broker's limit ends the bridge, which names it; it stays in the ring")
        func tooLarge() throws {
            let broker = try Broker(place, settings: "max_payload: 2048")
            try broker.makeStream("S", subjects: ["ring"])
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            try producer.send([UInt8](repeating: 1, count: 5000))
            try send(10..<20, to: &producer)
            let bridge = try place.bridge(["publish", "r", "--stream", "S"], on: broker)
            #expect(bridge.end() == 1)
            #expect(bridge.output.contains("it has 5000 bytes") && bridge.output.contains("of lane 0"), "\(bridge.output)")
            #expect(try ring.report().lanes[0].backlog > 5000)
        }

        @Test("With a dead-letter subject it goes there, with the reason and what fits, and the others to the stream")
        func deadLetter() throws {
            let broker = try Broker(place, settings: "max_payload: 4096")
            let connection = try broker.makeStream("S", subjects: ["ring"])
            try broker.makeStream("D", subjects: ["dead"])
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            try producer.send([UInt8](repeating: 65, count: 5000))
            try send(10..<20, to: &producer)
            let bridge = try place.bridge(["publish", "r", "--stream", "S", "--dead-letter", "dead", "--drain"], on: broker)
            #expect(bridge.end() == 0, "\(bridge.output)")
            #expect(try numbers(connection) == Array(0..<20))
            var letters: [StreamReader.Record] = []
            try StreamReader(connection, stream: "D").forEach { letters.append($0) }
            #expect(letters.count == 1)
            #expect(letters.first?.payload == [UInt8](repeating: 65, count: 3072))
            let instance = try ring.report().instance
            #expect(letters.first?.id?.instance == instance)
            #expect(try ring.report().lanes[0].backlog == 0)
        }

        @Test("A message that the ring's checks refuse ends the bridge with the library's words")
        func brokenRing() throws {
            let broker = try Broker(place)
            let connection = try broker.makeStream("S", subjects: ["ring"])
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            // Another writer of the segment: the third message gets a size that no message has.
            let file = open(place.path("r"), O_RDWR)
            defer { close(file) }
            let size = Int(lseek(file, 0, SEEK_END))
            let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: place.path("r"))))
            let at = try #require((0..<size - 3).first { bytes[$0..<$0 + 3].elementsEqual("t 2".utf8) })
            var header = UInt64(0x7fff_fff0)
            #expect(pwrite(file, &header, 8, off_t(at - 8)) == 8)
            let bridge = try place.bridge(["publish", "r", "--stream", "S"], on: broker)
            #expect(bridge.end() == 1)
            #expect(bridge.output.contains("r"), "\(bridge.output)")
            #expect(try numbers(connection) == [0, 1])
        }

        @Test("A broker that is absent shows as a full ring; the bridge's memory stays as it is, and all arrives afterwards")
        func brokerAbsent() throws {
            let broker = try Broker(place)
            let connection = try broker.makeStream("S", subjects: ["ring"])
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            let bridge = try place.bridge(["publish", "r", "--stream", "S", "--metrics", place.path("metrics")], on: broker)
            var producer = try ring.makeProducer()
            try send(0..<1000, to: &producer)
            try waitFor(1000, connection, bridge)
            broker.kill()
            var number = 1000
            // Until there is no room for a second.
            while true {
                do throws(RingError) {
                    try producer.send("t \(number)", tag: UInt32(number), timeout: .seconds(1))
                    number += 1
                } catch {
                    #expect(error.code == .timedOut)
                    break
                }
            }
            let memory = try residentBytes(bridge)
            try waitUntil("the metrics say that there is no broker") { try metric("connected") == 0 }
            // Three reports of the bridge, one a second: it tries to connect meanwhile.
            for _ in 0..<3 { try waitForReport() }
            #expect(try residentBytes(bridge) <= memory + (1 << 20))
            try broker.start()
            try send(number..<number + 5000, to: &producer)
            try waitFor(number + 5000, connection, bridge)
            #expect(end(bridge) == 0, "\(bridge.output)")
            #expect(try numbers(connection) == Array(0..<number + 5000))
        }

        @Test("A bridge that is started before its broker waits for it")
        func startedFirst() throws {
            let broker = try Broker(place, starts: false)
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<100, to: &producer)
            let bridge = try place.bridge(["publish", "r", "--stream", "S", "--subject", "ring", "--drain"], on: broker)
            try waitUntil("the bridge is at the ring") { try ring.report().consumer.presence == .attached || bridge.hasEnded }
            #expect(!bridge.hasEnded)
            try broker.start()
            let connection = try broker.connection()
            try waitUntil("the stream is made") { (try? connection.makeStream("S", subjects: ["ring"])) != nil }
            // A bridge that finds no stream ends; whether it did depends on which was first.
            if bridge.end() != 0 {
                #expect(try place.bridge(["publish", "r", "--stream", "S", "--drain"], on: broker).end() == 0)
            }
            #expect(try numbers(connection) == Array(0..<100))
        }

        @Test("SIGTERM without a broker ends after the grace, with status 3, and the ring keeps what was not acknowledged")
        func endWithoutBroker() throws {
            let broker = try Broker(place)
            let connection = try broker.makeStream("S", subjects: ["ring"])
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            let bridge = try place.bridge(
                ["publish", "r", "--stream", "S", "--grace", "1", "--metrics", place.path("metrics")], on: broker)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            try waitFor(10, connection, bridge)
            broker.kill()
            try send(10..<20, to: &producer)
            // What it has not taken out of the ring does not wait for the broker.
            try waitUntil("the bridge has the messages") { try metric("window_bytes") ?? 0 > 0 && metric("connected") == 0 }
            #expect(end(bridge) == 3, "\(bridge.output)")
            #expect(bridge.output.contains("they stay in the ring"), "\(bridge.output)")
            try broker.start()
            #expect(try place.bridge(["publish", "r", "--stream", "S", "--drain"], on: broker).end() == 0)
            #expect(try numbers(connection) == Array(0..<20))
        }

        @Test("Users, tokens and TLS are the broker's; a wrong one is said, and no secret is on a command line")
        func authentication() throws {
            try "secret\n".write(toFile: place.path("password"), atomically: true, encoding: .utf8)
            let broker = try Broker(place, settings: "authorization { user: ring, password: secret }")
            _ = try SPSCRing.create("r", options: place.ringOptions)
            let words = ["publish", "r", "--stream", "S", "--subject", "ring", "--drain"]
            let wrong = try place.bridge(words, on: broker)
            #expect(wrong.end() == 1)
            #expect(wrong.output.lowercased().contains("auth"), "\(wrong.output)")
            let right = try place.bridge(words + ["--user", "ring", "--password-file", place.path("password")], on: broker)
            #expect(right.end() == 1)
            #expect(right.output.contains("stream S"), "\(right.output)")  // it got as far as the stream, which is not there
            let url = try place.bridge(words + ["--server", "nats://ring:secret@127.0.0.1:1"], on: broker)
            #expect(url.end() == 2)
            #expect(!url.output.contains("secret"))
        }

        @Test("An idle bridge whose credentials are not taken any more ends, and says so")
        func closedForGood() throws {
            try "secret\n".write(toFile: place.path("password"), atomically: true, encoding: .utf8)
            let open = try Broker(place)
            let connection = try open.makeStream("S", subjects: ["ring"])
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            let bridge = try place.bridge(
                ["publish", "r", "--stream", "S", "--user", "ring", "--password-file", place.path("password")], on: open)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            try waitFor(10, connection, bridge)
            open.kill()
            let changed = try Broker(place, port: open.port, settings: "authorization { user: ring, password: another }")
            #expect(bridge.end() == 1, "\(bridge.output)")
            #expect(bridge.output.contains("for good"), "\(bridge.output)")
            changed.kill()
        }

        @Test("A subject of another stream ends the bridge: no message counts as stored that is not in the stream it names")
        func otherStream() throws {
            let broker = try Broker(place)
            let connection = try broker.makeStream("S", subjects: ["ring"])
            try broker.makeStream("T", subjects: ["others"])
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            let bridge = try place.bridge(["publish", "r", "--stream", "S", "--subject", "others", "--drain"], on: broker)
            #expect(bridge.end() == 1)
            #expect(bridge.output.contains("takes no message of this bridge"), "\(bridge.output)")
            #expect(try ring.report().lanes[0].backlog > 0)
            #expect(try numbers(connection, "T").isEmpty)
        }

        @Test("A server's certificate is checked against the authority that was given")
        func tls() throws {
            let key = place.path("key"), certificate = place.path("certificate")
            let openssl = try ChildProcess(
                "openssl",
                [
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                ], log: place.path("openssl.log"))
            try #require(openssl.end() == 0, "\(openssl.output)")
            let broker = try Broker(place, settings: "tls { cert_file: \"\(certificate)\", key_file: \"\(key)\" }")
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            var producer = try ring.makeProducer()
            try send(0..<10, to: &producer)
            var options = BrokerOptions()
            options.servers = [broker.url]
            options.authorityFile = certificate
            let connection = try BrokerConnection(options)
            try waitUntil("the stream is made") { (try? connection.makeStream("S", subjects: ["ring"])) != nil }
            let words = ["publish", "r", "--stream", "S", "--drain"]
            let bridge = try place.bridge(words + ["--tls-ca", certificate], on: broker)
            #expect(bridge.end() == 0, "\(bridge.output)")
            #expect(try numbers(connection) == Array(0..<10))
        }

        static let wrongWords: [([String], String)] = [
            (["publish"], "--stream is missing"),
            (["publish", "--stream", "S"], "a ring's name is missing"),
            (["nonsense"], "no command 'nonsense'"),
            (["publish", "r", "--stream", "S", "--window", "0"], "from 1 to"),
            (["publish", "r", "--stream", "S", "--wat"], "no option '--wat'"),
            (["subscribe", "r", "--stream", "S", "--sequence", "back"], "'front' or 'tag'"),
            (["publish", "r", "--stream", "S", "--user", "x"], "--user needs --password-file"),
            (["publish", "r", "--stream", "S.T"], "'S.T' is no name of a stream"),
            (["subscribe", "r", "--stream", ""], "'' is no name of a stream"),
            (["publish", "r", "--stream", "S", "--dead-letter", "dead.*"], "'dead.*' is no subject"),
        ]

        @Test("Words that make no sense are said, with status 2", arguments: wrongWords)
        func words(words: [String], text: String) throws {
            _ = try SPSCRing.openOrCreate("r", options: place.ringOptions)
            let bridge = try ChildProcess(
                Workplace.program("sharedring-nats"), words, log: place.path("log"), environment: ["SHAREDRING_DIR": place.directory])
            #expect(bridge.end() == 2)
            #expect(bridge.output.contains(text), "\(bridge.output)")
        }

        @Test("stat shows the bridge as the ring's consumer, with its lag; the metrics are Prometheus text")
        func observed() throws {
            let broker = try Broker(place)
            let connection = try broker.makeStream("S", subjects: ["ring"])
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            let bridge = try place.bridge(["publish", "r", "--stream", "S", "--metrics", place.path("metrics")], on: broker)
            var producer = try ring.makeProducer()
            try send(0..<100, to: &producer)
            try waitFor(100, connection, bridge)
            let statistics = try RingStatistics("r", options: place.ringOptions)
            #expect(statistics.report.consumer.holder?.name.hasPrefix("sharedring-nat") == true)
            #expect(statistics.report.consumer.holder?.processID == UInt32(bridge.id))
            broker.send(SIGSTOP)
            try send(100..<200, to: &producer)
            #expect(try RingStatistics("r", options: place.ringOptions).lanes[0].backlog > 0)
            broker.send(SIGCONT)
            try waitFor(200, connection, bridge)
            #expect(end(bridge) == 0, "\(bridge.output)")
            #expect(try metric("published_messages_total") == 200)
            #expect(try metric("stream_sequence") == 200)
            #expect(try metric("in_flight_messages") == 0)
        }

        private func residentBytes(_ process: ChildProcess) throws -> Int { try process.memory().residentBytes }

        /// Waits until the bridge has written its metrics anew: another file has the name then.
        private func waitForReport() throws {
            func file() -> ino_t? {
                var facts = stat()
                return stat(place.path("metrics"), &facts) == 0 ? facts.st_ino : nil
            }
            let before = file()
            try waitUntil("the bridge writes its metrics") { file().map { $0 != before } ?? false }
        }

        private func metric(_ name: String) throws -> Int? {
            guard let text = try? String(contentsOfFile: place.path("metrics"), encoding: .utf8) else { return nil }
            let line = text.split(separator: "\n").first { $0.hasPrefix("sharedring_bridge_\(name){ring=\"r\",stream=\"S\"}") }
            return line.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) }
        }
    }
}

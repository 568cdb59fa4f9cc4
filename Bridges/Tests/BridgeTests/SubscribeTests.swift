import BridgeTestSupport
import Foundation
import RingBridge
import SharedRing
import Testing

extension Bridge {
    @Suite("Stream to ring", .serialized)
    struct SubscribeTests {
        let place: Workplace
        let broker: Broker
        let connection: BrokerConnection

        init() throws {
            place = try Workplace()
            broker = try Broker(place)
            connection = try broker.makeStream("S", subjects: ["ring"])
        }

        private func subscribe(_ words: String...) throws -> ChildProcess {
            try place.bridge(["subscribe", "--stream", "S", "r"] + words, on: broker)
        }

        private func fill(_ range: Range<Int>) throws {
            for number in range { try connection.publish("t \(number)", subject: "ring", tag: UInt32(number)) }
        }

        @Test("A stream arrives in a ring, in order, with its sequence in front and the sender's tag")
        func front() throws {
            try fill(0..<500)
            let bridge = try subscribe("--drain")
            #expect(bridge.end() == 0, "\(bridge.output)")
            var consumer = try SPSCRing.open("r", options: place.ringOptions).makeConsumer()
            for number in 0..<500 {
                let message = try #require(try consumer.receive(timeout: patience))
                let front: [UInt8] = withUnsafeBytes(of: UInt64(number + 1).littleEndian) { Array($0) }
                #expect(Array(message.prefix(8)) == front)
                #expect(String(decoding: message.dropFirst(8), as: UTF8.self) == "t \(number)")
            }
            #expect(try consumer.receive(timeout: patience) == nil)  // the bridge has closed
        }

        @Test("With --sequence tag the payload is the stream's, and the tag the lowest 32 bits of the sequence")
        func tag() throws {
            try fill(0..<50)
            #expect(try subscribe("--drain", "--sequence", "tag").end() == 0)
            var consumer = try SPSCRing.open("r", options: place.ringOptions).makeConsumer()
            for number in 0..<50 {
                guard let message = try consumer.next(timeout: patience) else { break }
                let (tag, text) = (message.tag, message.text)
                #expect(tag == UInt32(number + 1) && text == "t \(number)")
            }
        }

        @Test("A bridge goes on behind what was acknowledged, and forwards nothing out of sequence")
        func restart() throws {
            try fill(0..<2000)
            // The receiver does not come, so the ring is full before the stream is through.
            var options = place.ringOptions
            options.capacity = 4096
            _ = try SPSCRing.create("r", options: options)
            let receiver = try place.peer(["receive", "ring=r", "count=2000", "file=\(place.path("received"))"])
            var bridge = try subscribe()
            for step in 1...8 {
                try waitUntil("more is received: \(receiver.output) \(bridge.output)") { received().count > step * 200 }
                bridge.send(SIGKILL)
                bridge.end()
                bridge = try subscribe()
            }
            #expect(receiver.end() == 0, "\(receiver.output)")
            #expect(end(bridge) == 0, "\(bridge.output)")
            #expect(received() == all(2000))
        }

        @Test("A receiver that is killed, too, has each message once, by the documented filter", arguments: ["front", "tag"])
        func killedReceiver(carrier: String) throws {
            try fill(0..<2000)
            func start() throws -> ChildProcess {
                try place.peer(["receive", "ring=r", "count=2000", "sequence=\(carrier)", "file=\(place.path("received"))"])
            }
            var receiver = try start()
            var bridge = try subscribe("--sequence", carrier)
            for step in 1...8 {
                try waitUntil("more is received: \(receiver.output) \(bridge.output)") {
                    receiver.hasEnded || received().count > step * 150
                }
                if step % 2 == 0 {
                    bridge.send(SIGKILL)
                    bridge.end()
                    bridge = try subscribe("--sequence", carrier)
                }
                if !receiver.hasEnded {
                    receiver.send(SIGKILL)
                    receiver.end()
                    receiver = try start()
                }
            }
            #expect(receiver.end() == 0, "\(receiver.output)")
            #expect(end(bridge) == 0, "\(bridge.output)")
            #expect(received() == all(2000))
        }

        @Test("A broker that is restarted meanwhile costs nothing but time")
        func brokerRestart() throws {
            try fill(0..<300)
            let receiver = try place.peer(["receive", "ring=r", "count=900", "file=\(place.path("received"))"])
            let bridge = try subscribe()
            for turn in 1..<3 {
                try waitUntil("what is there was received: \(bridge.output)") { received().count >= turn * 300 }
                broker.kill()
                try broker.start()
                try waitUntil("the broker is back") { connection.state(of: "S") != nil }
                try fill(turn * 300..<turn * 300 + 300)
            }
            #expect(receiver.end() == 0, "\(receiver.output)")
            #expect(end(bridge) == 0, "\(bridge.output)")
            #expect(received() == all(900))
        }

        @Test("A consumer whose leader moves to another broker ends no bridge, and loses nothing")
        func movedLeader() throws {
            let cluster = try Cluster(place, count: 3)
            let connection = try cluster.makeStream("C", subjects: ["moved"], replicas: 3)
            let bridge = try ChildProcess(
                Workplace.program("sharedring-nats"),
                ["subscribe", "--stream", "C", "r", "--durable", "position", "--server", cluster.url, "--dir", place.directory],
                log: place.path("bridge.log"))
            let receiver = try place.peer(["receive", "ring=r", "count=60", "file=\(place.path("received"))"])
            for turn in 0..<6 {
                for number in turn * 10..<turn * 10 + 10 {
                    // An answer may be late: then it is published again, and stored once.
                    try waitUntil("message \(number) is stored") {
                        (try? connection.publish("t \(number)", subject: "moved", id: "\(number)")) != nil
                    }
                }
                try waitUntil("it is received: \(bridge.output)") { bridge.hasEnded || received().count >= turn * 10 + 10 }
                // A request of the bridge waits there while it does.
                try waitUntil("the leader moves") { bridge.hasEnded || connection.moveLeader(ofConsumer: "position", of: "C") }
            }
            #expect(receiver.end() == 0, "\(receiver.output)")
            #expect(end(bridge) == 0, "\(bridge.output)")
            #expect(received() == all(60))
        }

        @Test("A consumer that was removed ends the bridge, which names it")
        func removedConsumer() throws {
            try fill(0..<10)
            var options = place.ringOptions
            options.capacity = 4096
            let ring = try SPSCRing.create("r", options: options)
            let bridge = try subscribe("--durable", "position")
            try waitUntil("the messages are in the ring: \(bridge.output)") {
                try bridge.hasEnded || ring.report().lanes.contains { $0.backlog >= 160 }
            }
            try connection.removeConsumer("position", of: "S")
            #expect(bridge.end() == 1)
            #expect(bridge.output.contains("consumer position"), "\(bridge.output)")
        }

        @Test("A ring with lanes without an order is refused: a successor's lane would pass the lane before it")
        func lanesWithoutOrder() throws {
            _ = try MPSCRing.create("r", lanes: 4, options: place.ringOptions)
            let refused = try subscribe("--drain")
            #expect(refused.end() == 2)
            #expect(refused.output.contains("4 lanes without an order"), "\(refused.output)")
            try MPSCRing.remove("r", options: place.ringOptions)
            _ = try MPSCRing.create("r", lanes: 4, order: .total, options: place.ringOptions)
            #expect(try subscribe("--drain").end() == 0)
        }

        private func all(_ count: Int) -> [[UInt64]] {
            var pairs: [[UInt64]] = []
            for number in 0..<UInt64(count) { pairs.append([number + 1, number]) }
            return pairs
        }

        /// Pairs of a sequence and a number.
        private func received() -> [[UInt64]] {
            guard let data = FileManager.default.contents(atPath: place.path("received")) else { return [] }
            let words = data.count / 16 * 2
            return data.withUnsafeBytes { bytes in
                stride(from: 0, to: words, by: 2).map { word in
                    [
                        bytes.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self),
                        bytes.loadUnaligned(fromByteOffset: word * 8 + 8, as: UInt64.self),
                    ]
                }
            }
        }
    }

    @Suite("Filter", .serialized)
    struct FilterTests {
        @Test("What comes again is dropped, also where the lowest 32 bits begin anew")
        func filter() {
            var filter = SequenceFilter()
            let accepted: [Bool] = ([1, 2, 2, 1, 3] as [UInt64]).map { filter.accepts($0) }
            #expect(accepted == [true, true, false, false, true])
            var byTag = SequenceFilter(last: 0xffff_fffe)
            let byTags: [Bool] = ([0xffff_fffe, 0xffff_ffff, 0, 0, 0xffff_ffff, 1] as [UInt32]).map { byTag.accepts(tag: $0) }
            #expect(byTags == [false, true, true, false, false, true])
            #expect(byTag.last == 0x1_0000_0001)
        }

        @Test("A receiver that begins at an old stream accepts the first message, whatever its tag is")
        func freshReceiver() {
            for first in [1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0] as [UInt32] {
                var filter = SequenceFilter()
                let accepted = [first, first, first &+ 1, first].map { filter.accepts(tag: $0) }
                #expect(accepted == [true, false, true, false], "first tag \(first)")
            }
        }

        @Test("A message whose delivery was lost is fetched, also where a redelivery comes before the next one")
        func gap() throws {
            let place = try Workplace()
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            let feed = MemoryFeed(deliveries: [1, 2, 2, 5, 5, 6, 40], holes: 30...38)
            var options = SubscribeOptions()
            options.drains = true
            let subscriber = StreamSubscriber(feed, into: try ring.makeProducer(), options: options, stop: StopFlag())
            try subscriber.run()
            try subscriber.close()
            var consumer = try ring.makeConsumer()
            var sequences: [UInt64] = []
            while let message = try consumer.receive(timeout: patience) {
                sequences.append(message.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) })
            }
            #expect(sequences == Array(1...29) + [39, 40])
            #expect(feed.acknowledged == 40)
        }

        @Test("What the log has and does not deliver is fetched, also where nothing comes behind it", arguments: [true, false])
        func neverDelivered(drains: Bool) throws {
            let place = try Workplace()
            let ring = try SPSCRing.create("r", options: place.ringOptions)
            let feed = MemoryFeed(deliveries: [1, 2, 3], end: 10)
            var options = SubscribeOptions()
            options.drains = drains
            let stop = StopFlag()
            if !drains { feed.stop = (stop, 20) }
            let subscriber = StreamSubscriber(feed, into: try ring.makeProducer(), options: options, stop: stop)
            try subscriber.run()
            #expect(subscriber.counts.forwarded == 10 && subscriber.counts.fetched == 7)
            // Those that were fetched were not delivered: the log would bring them again.
            #expect(feed.acknowledged == 3)
            try subscriber.close()
        }
    }
}

import CSharedRing
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

extension RingTap.Event {
    /// For comparison in tests.
    fileprivate var word: String {
        switch self {
        case .message(let message): "\(message.lane)@\(message.position) \(String(decoding: message.bytes, as: UTF8.self))"
        case .ended(let lane, let position, let isClosed): "\(lane)@\(position) \(isClosed ? "(closed)" : "(died)")"
        case .missed(let miss): "\(miss.lane)@\(miss.position) (missed \(miss.byteCount))"
        case .damaged(let damage): "\(damage.lane!)@\(damage.position!) (damaged)"
        }
    }
}

@Suite("A tap shows what passes, takes nothing, and says what it missed", .oneByOne)
struct RingTapTests {
    let place = Place()

    private func tap(from start: RingTap.Start = .head) throws -> RingTap { try RingTap("r", from: start, options: place.options()) }

    @Test("What waits, or only what comes; the ends of streams; and the consumer still gets it all") func shows() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var unused = try tap()
        #expect(try unused.poll().isEmpty)
        var producer = try ring.makeProducer()
        try producer.send("a", tag: 7)
        var all = try tap()
        var late = try tap(from: .tail)
        try producer.send("b")
        try producer.close()
        let events = try all.poll()
        #expect(events.map(\.word) == ["0@0 a", "0@16 b", "0@32 (closed)"])
        guard case .message(let first) = events[0] else { return }
        #expect(first.tag == 7 && first.ticket == nil)
        #expect(try late.poll().map(\.word) == ["0@16 b", "0@32 (closed)"])
        #expect(try unused.poll().map(\.word) == ["0@0 a", "0@16 b", "0@32 (closed)"], "a lane that came into use later")
        #expect(try all.poll().isEmpty)

        let killed = try Peer("producer", of: "r", in: place)
        #expect(try killed.ask("send c") == "sent")
        killed.kill()
        producer = try ring.makeProducer()
        #expect(try all.poll().map(\.word) == ["0@40 c", "0@56 (died)"])
        var consumer = try ring.makeConsumer()
        var received: [String] = []
        while let word = try? consumer.pollText(), word != "(empty)" { received.append(word) }
        #expect(received.prefix(3) == ["a", "b", "(ended)"])
    }

    @Test("It has no role, and writes nothing: a file that can only be read is enough, and stays as it is") func readsOnly() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        try producer.send("a")
        chmod(place.path("r"), 0o400)
        let before = try Data(contentsOf: URL(fileURLWithPath: place.path("r")))
        var tap = try tap()
        #expect(try tap.poll().count == 1)
        #expect(try Data(contentsOf: URL(fileURLWithPath: place.path("r"))) == before)
        let report = try RingReport("r", options: place.options())
        #expect(report.consumer.presence == .neverCame)
        try producer.close()
        chmod(place.path("r"), 0o600)
    }

    @Test("Tickets in a total order, and every lane") func totalOrder() throws {
        let ring = try MPSCRing.create("r", lanes: 3, order: .total, options: place.options())
        var tap = try tap()
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        try first.send("a")
        try second.send("b")
        try first.send("c")
        var tickets: [UInt64: String] = [:]
        for case .message(let message) in try tap.poll() {
            tickets[try #require(message.ticket)] = String(decoding: message.bytes, as: UTF8.self)
        }
        #expect(tickets == [0: "a", 1: "b", 2: "c"])
    }

    @Test("What a producer wrote and did not commit is never shown as what stood there before, whichever producer makes room after it")
    func scribbledOver() throws {
        for other in ["successor", "hand-over"] {
            let ring = try SPSCRing.create(other, options: place.options())
            var tap = try RingTap(other, options: place.options())
            var producer = try ring.makeProducer()
            var consumer = try ring.makeConsumer()
            for number in 0..<4 {
                try producer.send([UInt8](repeating: UInt8(number), count: 1000))
                _ = try consumer.receive()
                if number == 0 { _ = try tap.poll() }
            }
            // The tap stands at 1008, the tail at 4032. Of the second message the header stays as it was.
            do {
                guard var claim = try producer.tryClaim(byteCount: 2000) else { throw CocoaError(.coderReadCorrupt) }
                var bytes = claim.bytes
                for index in 1500..<2000 { bytes.storeBytes(of: 0xee, toByteOffset: index, as: UInt8.self) }
            }
            if other == "successor" {
                producer = try { (old: consuming Producer) throws in
                    try old.close()
                    return try ring.makeProducer()
                }(producer)
            } else {
                producer.core.handOver(saying: RingError(.alreadyWaiting, ring: other, ""))
                producer.core.takeBack()
                try producer.send("")
            }
            for case .message(let message) in try tap.poll() where message.position == 1008 {
                #expect(Set(message.bytes) == [1], "\(other)")
            }
        }
    }

    @Test("A walk that is overtaken while it counts ends where a record begins, though other records stood where it walked")
    func overtaken() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var sender = try ring.makeProducer()
        var receiver = try ring.makeConsumer()
        // Words that look like headers of 8 bytes: where none begins, too, a walk goes on.
        let header = RecordHeader(byteCount: 8, tag: 0xbad).bits
        var ends: Set<UInt64> = [0]
        var end: UInt64 = 0
        func pass(_ words: Int) throws {
            let bytes = (0..<words).flatMap { _ in withUnsafeBytes(of: header) { [UInt8]($0) } }
            try sender.send(bytes)
            _ = try receiver.receive()
            end += UInt64(words + 1) * 8
            ends.insert(end)
        }
        try pass(2)
        let control = sender.writer.pointee.control
        let (shape, data) = (sender.writer.pointee.shape, sender.writer.pointee.data)
        for (laps, size) in [(1, 29), (3, 7), (9, 5)] {
            var isFirst = true
            let checkpoint = try Checkpoint.now(shape) { () throws in
                let published = Checkpoint(control)
                if isFirst {
                    isFirst = false
                    while end < UInt64(laps) * 4096 * 2 + 64 { try pass(size) }
                }
                return published
            } header: {
                RecordHeader(bits: sr_load_acquire_u64(data + Int($0 & shape.mask)))
            }
            #expect(ends.contains(checkpoint.tail), "\(checkpoint.tail)")
            #expect(checkpoint.tail == end)
        }
    }

    @Test(
        "A message is shown after it was received, until its place may be written over; then it is missed, and said to be",
        arguments: [0, UInt64.max - 8191])
    func lapped(firstPosition: UInt64) throws {
        var options = place.options()
        options.firstPosition = firstPosition
        let ring = try SPSCRing.create("r", options: options)
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        func pass(_ word: String) throws {
            try producer.send([UInt8](word.utf8) + [UInt8](repeating: 0x20, count: 24 - word.utf8.count))
            _ = try consumer.receive()
        }
        var tap = try tap()
        // 128 of 32 bytes are a lap, and the write limit is an eighth of it ahead.
        for number in 0..<110 { try pass("\(number)") }
        let seen = try tap.poll()
        #expect(seen.count == 110)
        for (number, event) in seen.enumerated() {
            guard case .message(let message) = event else { throw CocoaError(.coderReadCorrupt) }
            #expect(String(decoding: message.bytes, as: UTF8.self).hasPrefix("\(number) "))
        }
        for lap in [128, 129, 1000] {
            for number in 0..<lap { try pass("\(number)") }
            let events = try tap.poll()
            guard events.count == 1, case .missed(let miss) = events[0] else {
                Issue.record("\(events.map(\.word))")
                return
            }
            let missed = try #require(miss.messages)
            #expect(miss.byteCount == missed * 32 && miss.messageBytes == missed * 24 && miss.mostMessages == missed)
            #expect(missed > 0 && missed <= UInt64(lap))
            // The others were received, too, and are still in their places.
            #expect(try tap.poll().count == lap - Int(missed))
            try pass("x")
            #expect(try tap.poll().count == 1)
        }
    }

    @Test("A full lane that no consumer receives from is shown whole") func full() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        var sent = 0
        while try producer.trySend([UInt8](repeating: UInt8(sent), count: 100)) { sent += 1 }
        var tap = try tap()
        let events = try tap.poll()
        #expect(events.count == sent && sent > 30)
        for (number, event) in events.enumerated() {
            guard case .message(let message) = event else { throw CocoaError(.coderReadCorrupt) }
            #expect(message.bytes == [UInt8](repeating: UInt8(number), count: 100))
        }
    }

    @Test("Whatever bytes a lane holds and whatever its words say, it is damage, a message or a miss: never more than there is")
    func hostile() throws {
        let ring = try MPSCRing.create("r", lanes: 2, order: .total, options: place.options())
        _ = try ring.makeProducer()
        let header = try RingReport("r", options: place.options()).header(in: place)
        let file = Forgery(path: place.path("r"))
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix(state: seed)
        var kinds: Set<String> = []
        var tap = try tap()
        file.store(3, at: header.controlOffset + 256)
        for _ in 0..<3000 {
            let offset: Int
            switch Int.random(in: 0..<8, using: &random) {
            case 0: offset = header.laneOffset(0) + 256
            case 1: offset = header.laneOffset(0) + 128
            case 2: offset = header.controlOffset + 256
            default: offset = header.dataOffset + Int.random(in: 0..<1024, using: &random) * 8
            }
            let value: UInt64 =
                switch Int.random(in: 0..<5, using: &random) {
                case 0: 0
                case 1: .random(in: 0...UInt64.max, using: &random)
                case 2: UInt64.random(in: 0..<512, using: &random) * 8
                case 3: 0x8000_0000 | UInt64.random(in: 0..<5000, using: &random)
                default: 0xffff_ffff
                }
            file.store(value, at: offset)
            if Int.random(in: 0..<20, using: &random) == 0 { tap = try self.tap(from: Bool.random(using: &random) ? .head : .tail) }
            for event in try tap.poll() {
                switch event {
                case .message(let message):
                    kinds.insert("message")
                    #expect(message.bytes.count <= header.largestMessage, "seed \(seed)")
                case .ended: kinds.insert("end")
                case .missed(let miss):
                    kinds.insert("miss")
                    #expect(miss.byteCount > 0, "seed \(seed)")
                case .damaged: kinds.insert("damage")
                }
            }
        }
        #expect(kinds == ["message", "end", "miss", "damage"], "seed \(seed)")
    }

    @Test("What stands where no record can be is said once, and not again until the lane has passed it") func damage() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        try producer.send("a")
        let header = try RingReport("r", options: place.options()).header(in: place)
        Forgery(path: place.path("r")).store(0x4141_4141_4141_4141, at: header.dataOffset + 16)
        var tap = try tap()
        #expect(try tap.poll().map(\.word) == ["0@0 a", "0@16 (damaged)"])
        #expect(try tap.poll().isEmpty)
    }

    @Test("A lane full of records without an end is shown once, and not lap after lap") func endless() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        _ = try ring.makeProducer()
        let report = try RingReport("r", options: place.options())
        let header = try report.header(in: place)
        let file = Forgery(path: place.path("r"))
        for offset in stride(from: 0, to: report.capacity, by: 8) { file.store(0x8000_0000, at: header.dataOffset + offset) }
        var tap = try tap()
        let events = try tap.poll()
        #expect(events.count == report.capacity / 8)
        #expect(events.last?.word == "0@\(report.capacity - 8) (damaged)")
        for _ in 0..<3 { #expect(try tap.poll().isEmpty) }
    }

    @Test("While messages rush by, what is shown is whole, and what is not shown is counted as missed") func rush() throws {
        let ring = try SPSCRing.create("r", options: place.options(capacity: 1 << 16))
        let total = 100_000
        let senderBox = Box(try ring.makeProducer())
        let receiverBox = Box(try ring.makeConsumer())
        var tap = try tap()
        let isSeen = Turn()
        let sender = Worker {
            var producer = senderBox.take()
            for number in 0..<total {
                // The rest comes when the tap has seen the first, however late it is.
                if number == 1 { #expect(isSeen.wait(for: 1)) }
                try producer.send(Self.message(number), timeout: patience)
            }
            try producer.close()
        }
        let isReceived = Flag()
        let receiver = Worker {
            defer { isReceived.raise() }
            var consumer = receiverBox.take()
            var count = 0
            while let bytes = try consumer.receive(timeout: patience) {
                if bytes == Self.message(count) { count += 1 }
            }
            return count
        }
        var next: UInt64 = 0
        var seen = 0
        var missed: UInt64 = 0
        var last = -1
        var isOver = false
        let end = ContinuousClock.now + patience
        while !isOver, ContinuousClock.now < end {
            // Before the look, which may come too late for the end itself.
            let isLast = isReceived.isRaised
            let events = try tap.poll()
            for event in events {
                switch event {
                case .message(let message):
                    #expect(message.position == next)
                    let number = message.bytes.withUnsafeBytes { Int($0.loadUnaligned(as: UInt32.self)) }
                    #expect(number > last && message.bytes == Self.message(number))
                    last = number
                    seen += 1
                    isSeen.set(1)
                    next = message.position + UInt64((8 + message.bytes.count + 7) / 8 * 8)
                case .missed(let miss):
                    #expect(miss.position == next)
                    missed += miss.byteCount
                    next = miss.nextPosition
                case .ended: isOver = true
                case .damaged(let damage): Issue.record("\(damage)")
                }
            }
            if isLast, events.isEmpty { isOver = true }
        }
        #expect(try receiver.join() == total)
        _ = try sender.join()
        #expect(seen > 0 && (seen == total || missed > 0))
    }

    /// No producer waits for the tap: it is polled now and then, in the middle of sending, so that much is overwritten before.
    @Test("What is shown and what is missed is together what was sent, in every lane that comes into use meanwhile", arguments: 0..<60)
    func sums(seed: Int) throws {
        var random = SplitMix(state: UInt64(seed))
        var options = place.options(capacity: 4096 << (seed % 3))
        options.firstPosition = seed % 4 == 0 ? UInt64.max - 8191 : 0
        let name = "sums-\(seed)"
        let laneCount = 4
        let ring = try MPSCRing.create(name, lanes: laneCount, order: seed % 2 == 0 ? .perProducer : .total, options: options)
        defer { try? MPSCRing.remove(name, options: options) }
        var tap = try RingTap(name, from: seed % 5 == 0 ? .tail : .head, options: options)
        let box = Box(try ring.makeConsumer())
        let total = Turn()
        let receiver = Worker {
            var consumer = box.take()
            var received = 0
            // The count and 1; 0 while it is not known.
            while received != total.value - 1 {
                if case .message = try consumer.poll() { received += 1 } else { sched_yield() }
            }
            try consumer.close()
        }
        let senders = (0..<laneCount).map { lane in
            let seed = random.next()
            return Worker { [ring] in
                var random = SplitMix(state: seed)
                var sent: (messages: UInt64, bytes: UInt64) = (0, 0)
                // Some lanes get few messages, which are gone before the tap looks again; some have a second producer.
                for _ in 0...random.next() % 2 {
                    var producer = try ring.makeProducer()
                    for _ in 0..<random.next() % (lane == 0 ? 8 : 3000) {
                        let count = Int(random.next() % 90)
                        try producer.send([UInt8](repeating: 7, count: count), timeout: patience)
                        sent.messages += 1
                        sent.bytes += UInt64(count)
                    }
                    try producer.close()
                }
                return [sent.messages, sent.bytes]
            }
        }
        var seen: (messages: UInt64, bytes: UInt64) = (0, 0)
        func look(_ tap: inout RingTap) throws -> Int {
            let events = try tap.poll()
            for event in events {
                switch event {
                case .message(let message):
                    seen.messages += 1
                    seen.bytes += UInt64(message.bytes.count)
                case .missed(let miss):
                    seen.messages += try #require(miss.messages)
                    seen.bytes += try #require(miss.messageBytes)
                case .ended: break
                case .damaged(let damage): Issue.record("\(damage)")
                }
            }
            return events.count
        }
        for _ in 0..<random.next() % 20 {
            _ = try look(&tap)
            usleep(UInt32(random.next() % 300))
        }
        let sent = try senders.map { try $0.join() }.reduce([0, 0]) { [$0[0] + $1[0], $0[1] + $1[1]] }
        total.set(Int(sent[0]) + 1)
        try receiver.join()
        while try look(&tap) > 0 {}
        #expect(seen.messages == sent[0] && seen.bytes == sent[1], "seed \(seed)")
    }

    @Test("The first messages of a ring are shown though they were received before the tap looked again") func firstMessages() throws {
        let ring = try MPSCRing.create("r", lanes: 2, options: place.options())
        var tap = try tap()
        #expect(try tap.poll().isEmpty)
        var consumer = try ring.makeConsumer()
        var producer = try ring.makeProducer()
        for word in ["a", "b"] {
            try producer.send(word)
            guard case .message = try consumer.poll() else { throw CocoaError(.coderReadCorrupt) }
        }
        if case .message = try consumer.poll() { Issue.record("a third") }  // the two are acknowledged by that
        #expect(try tap.poll().map(\.word) == ["0@0 a", "0@16 b"])
    }

    @Test("From a producer that publishes no checkpoint what is missed is said to be at most so much") func uncounted() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        var tap = try tap()
        for _ in 0..<1000 {
            try producer.send([UInt8](repeating: 1, count: 24))
            _ = try consumer.receive()
        }
        let header = try RingReport("r", options: place.options()).header(in: place)
        let file = Forgery(path: place.path("r"))
        for word in stride(from: 128, to: 200, by: 8) { file.store(0, at: header.laneOffset(0) + word) }
        for word in stride(from: 0, to: 4096, by: 8) { file.store(0, at: header.dataOffset + word) }
        var misses: [TapMiss] = []
        for case .missed(let miss) in try tap.poll() { misses.append(miss) }
        #expect(misses.count == 1 && misses[0].messages == nil && misses[0].mostMessages == misses[0].byteCount / 8)
    }

    private static func message(_ number: Int) -> [UInt8] {
        let value = UInt32(number)
        return (0..<(4 + number % 60)).map { UInt8(truncatingIfNeeded: $0 < 4 ? value >> (8 * UInt32($0)) : UInt32(number &* 31)) }
    }

    @Test("A ring that was removed, or replaced, is known to be") func removed() throws {
        _ = try SPSCRing.create("r", options: place.options())
        let tap = try tap()
        var isRemoved = tap.isRemoved
        #expect(!isRemoved)
        try SPSCRing.remove("r", options: place.options())
        isRemoved = tap.isRemoved
        #expect(isRemoved)
        _ = try SPSCRing.create("r", options: place.options())
        isRemoved = tap.isRemoved
        #expect(isRemoved)
    }
}

private final class Flag: Sendable {
    private let value = Atomic(false)
    var isRaised: Bool { value.load(ordering: .acquiring) }
    func raise() { value.store(true, ordering: .releasing) }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

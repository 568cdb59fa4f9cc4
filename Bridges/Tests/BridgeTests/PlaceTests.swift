import BridgeTestSupport
import RingBridge
import SharedRing
import Testing

/// With a log in memory: what other writers do between two appends is chosen, and not raced for.
@Suite("Each message has one place", .serialized)
struct PlaceTests {
    let place: Workplace
    let log = MemoryLog()

    init() throws { place = try Workplace() }

    /// Publishes what the ring holds, as a bridge does that is started.
    private func publish(
        _ ring: SPSCRing, isFirstReader: Bool = false, knowsHeads: Bool = true, change: (inout PublishOptions) -> Void = { _ in }
    ) throws {
        var options = PublishOptions()
        options.drains = true
        change(&options)
        let publisher = RingPublisher(
            try ring.makeConsumer(acknowledgement: .manual), instance: "i", usesPlans: false, isFirstReader: isFirstReader,
            heads: { () throws(RingError) in knowsHeads ? [0: try ring.report().lanes[0].head] : [:] }, into: log, options: options,
            stop: StopFlag())
        try publisher.run()
        try publisher.close()
    }

    private func publish(_ ring: MPSCRing, lanes: Int, change: (inout PublishOptions) -> Void = { _ in }) throws {
        var options = PublishOptions()
        options.drains = true
        change(&options)
        let publisher = RingPublisher(
            try ring.makeConsumer(acknowledgement: .manual), instance: "i", usesPlans: true, lanes: lanes,
            heads: { () throws(RingError) in
                var heads: [Int: UInt64] = [:]
                for lane in try ring.report().lanes { heads[lane.number] = lane.head }
                return heads
            }, into: log, options: options, stop: StopFlag())
        try publisher.run()
        try publisher.close()
    }

    /// A ring with `t 0`, `t 1`, …, and the records of its messages, as a bridge writes them.
    private func ring(_ count: Int) throws -> (ring: SPSCRing, records: [MemoryLog.Entry]) {
        let twin = try SPSCRing.create("twin", options: place.ringOptions)
        let ring = try SPSCRing.create("r", options: place.ringOptions)
        var first = try twin.makeProducer()
        var second = try ring.makeProducer()
        try send(0..<count, to: &first)
        try send(0..<count, to: &second)
        try publish(twin)
        defer { log.entries.removeAll() }
        try first.close()
        try second.close()
        return (ring, log.entries)
    }

    /// What is not acknowledged.
    private func messagesInRing() throws -> UInt64 { UInt64(try RingCheck("r", options: place.ringOptions).messages) }

    private func failure(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no failure"
        } catch {
            return "\(error)"
        }
    }

    @Test("A record of another writer in the midst of a window leaves no gap: nothing of the ring is stored behind it")
    func takenPlace() throws {
        let (ring, _) = try ring(20)
        var isTaken = false
        log.beforeAppend = { [log] last in
            guard last == 12, !isTaken else { return }
            isTaken = true
            log.add()
        }
        for _ in 0..<2 {
            #expect(failure { try publish(ring) }.contains("message 13 of the stream"))
            #expect(log.texts == (0..<12).map { "t \($0)" } + ["another's"])
            #expect(try messagesInRing() == 20)
        }
    }

    @Test("A record of another writer between two of the ring is found at a start, and nothing is acknowledged", arguments: [true, false])
    func oldGap(knowsHeads: Bool) throws {
        let (ring, records) = try ring(20)
        log.entries = records
        log.entries[12] = MemoryLog.Entry(record: StoredRecord(id: nil), text: "another's")
        #expect(failure { try publish(ring, knowsHeads: knowsHeads) }.contains("message 13 of the stream"))
        #expect(try messagesInRing() == 20)
    }

    @Test("What a predecessor had left on its way may come in while this bridge is at work, and beyond its window: it is skipped")
    func lateTail() throws {
        let (ring, records) = try ring(30)
        // The broker has forgotten the ids, so it answers that the place is taken, and the stream is read back.
        log.remembersIDs = false
        var hasCome = false
        log.beforeAppend = { [log] last in
            guard last == 19, !hasCome else { return }
            hasCome = true
            log.entries += records[19...27]
        }
        try publish(ring) { $0.mostMessages = 10 }
        #expect(hasCome && log.texts == records.map(\.text))
        #expect(try messagesInRing() == 0)
    }

    @Test("A broker that is behind when a bridge starts, and misses what is acknowledged in the ring, is asked again")
    func brokerBehind() throws {
        let ring = try MPSCRing.create("r", lanes: 2, options: place.ringOptions)
        var producer = try ring.makeProducer()
        try send(0..<20, to: &producer)
        try publish(ring, lanes: 2)
        #expect(try messagesInRing() == 0)
        let texts = log.texts
        // All are of one plan, and acknowledged. The broker knows five of them.
        log.behind = (5, 1)
        try send(20..<25, to: &producer)
        try publish(ring, lanes: 2)
        #expect(log.texts == texts + (20..<25).map { "t \($0)" })
    }

    @Test("Messages of another ring behind those of this one are another writer's: nothing is published twice")
    func otherInstance() throws {
        let (ring, records) = try ring(20)
        log.entries = Array(records.prefix(5))
        log.add(MessageID(instance: "j", lane: 0, position: 7))
        #expect(failure { try publish(ring) }.contains("message 6 of the stream"))
        #expect(log.entries.count == 6)
    }

    @Test("A new ring goes on behind an older ring's messages; only its first reader need not look for its own")
    func newRing() throws {
        let (ring, records) = try ring(20)
        log.add(MessageID(instance: "j", lane: 0, position: 7))
        try publish(ring, isFirstReader: true)
        #expect(log.texts == ["another's"] + records.map(\.text))
    }

    @Test(
        "A window's first message with a predecessor's plan is not taken for this one's: the stream's plan is kept",
        arguments: [true, false])
    func otherPlan(remembersIDs: Bool) throws {
        log.remembersIDs = remembersIDs
        let ring = try MPSCRing.create("r", lanes: 2, options: place.ringOptions)
        var a = try ring.makeProducer()
        var b = try ring.makeProducer()
        try send(0..<4, to: &a, name: "a")
        try send(0..<4, to: &b, name: "b")
        // What a bridge would write first. It is not acknowledged, so it comes again.
        var consumer = try ring.makeConsumer(acknowledgement: .manual)
        var first: (id: MessageID, text: String)?
        if let message = try consumer.next(timeout: patience) {
            first = (MessageID(instance: "i", lane: message.lane, position: message.sequence), message.text)
        }
        try consumer.close()
        let (id, text) = try #require(first)
        let lane = id.lane
        log.beforeAppend = { [log] last in
            guard last == 0, log.entries.isEmpty else { return }
            log.add(id, plan: WindowPlan(acknowledged: 0, runs: [(lane, 1), (1 - lane, 4), (lane, 3)]), text: text)
        }
        try publish(ring, lanes: 2)
        let lanes = log.entries.map { $0.record.id?.lane }
        #expect(lanes == [lane, 1 - lane, 1 - lane, 1 - lane, 1 - lane, lane, lane, lane])
        #expect(Set(log.texts).count == 8)
        #expect(log.duplicates == (remembersIDs ? 1 : 0))
        try a.close()
        try b.close()
    }

    @Test("A plan counts in its message's size: a window ends before both are too large")
    func planSize() throws {
        let lanes = 100
        var options = place.ringOptions
        options.capacity = 1 << 14
        let ring = try MPSCRing.create("r", lanes: lanes, options: options)
        log.largestMessage = 4096
        log.largestTaken = 4096
        try withProducers(lanes, of: ring) { try publish(ring, lanes: lanes) { $0.mostBytes = 1 << 20 } }
        #expect(Set(log.texts).count == 2 * lanes && log.entries.count == 2 * lanes)
        for entry in log.entries { #expect((entry.record.plan?.runs.count ?? 0) < lanes / 2) }
    }

    /// That many producers, each with two large messages, are attached while the body runs.
    private func withProducers(_ count: Int, of ring: MPSCRing, _ body: () throws -> Void) throws {
        guard count > 0 else { return try body() }
        var producer = try ring.makeProducer()
        for turn in 0..<2 {
            let text = Array("\(count).\(turn) ".utf8)
            try producer.send(text + [UInt8](repeating: 46, count: 2900 - text.count), timeout: patience)
        }
        try withProducers(count - 1, of: ring, body)
        try producer.close()
    }

    @Test("A receipt stands for the messages before it: a thousand messages need few")
    func fewReceipts() throws {
        let (ring, records) = try ring(1000)
        let before = log.receiptsAsked
        try publish(ring)
        #expect(log.texts == records.map(\.text))
        #expect(try messagesInRing() == 0)
        #expect(log.receiptsAsked - before <= 1000 / 16)
    }

    @Test("A refusal in the midst of messages without receipts is found, and each of them is stored once")
    func refusedWithoutReceipt() throws {
        let (ring, records) = try ring(100)
        // Once, the log does not take the 21st message, as if a predecessor had not come to its end yet.
        var isRefused = false
        log.beforeAppend = { [log] last in
            if last == 20, !isRefused {
                isRefused = true
                log.refusesNext = true
            }
        }
        try publish(ring)
        #expect(isRefused && log.texts == records.map(\.text))
        #expect(try messagesInRing() == 0)
    }

    @Test("A message that the broker refuses is named, and stays in the ring", arguments: [true, false])
    func refused(inReceipt: Bool) throws {
        let (ring, records) = try ringWithLargeMessage()
        log.refusesInReceipt = inReceipt
        let text = failure { try publish(ring) }
        #expect(text.contains("message \(records[5].record.id!.position) of lane 0 can't be published"), "\(text)")
        #expect(log.texts == (0..<5).map { "t \($0)" })
        #expect(try messagesInRing() == 11)
    }

    @Test("With dead letters it becomes one, and those behind it move up", arguments: [true, false])
    func refusedToDeadLetters(inReceipt: Bool) throws {
        let (ring, records) = try ringWithLargeMessage()
        log.refusesInReceipt = inReceipt
        try publish(ring) { $0.usesDeadLetters = true }
        #expect(log.letters == [records[5].text])
        #expect(log.texts == (0..<10).map { "t \($0)" })
        #expect(try messagesInRing() == 0)
    }

    /// The sixth message is larger than the log takes, and not larger than the log says.
    private func ringWithLargeMessage() throws -> (ring: SPSCRing, records: [MemoryLog.Entry]) {
        let twin = try SPSCRing.create("twin", options: place.ringOptions)
        let ring = try SPSCRing.create("r", options: place.ringOptions)
        for ring in [twin, ring] {
            var producer = try ring.makeProducer()
            try send(0..<5, to: &producer)
            try producer.send([UInt8](repeating: 65, count: 1000))
            try send(5..<10, to: &producer)
            try producer.close()
        }
        try publish(twin)
        defer {
            log.entries.removeAll()
            log.largestTaken = 1000
        }
        return (ring, log.entries)
    }

    @Test("A bridge takes no more than a window, also while a lane has messages that are in the stream already")
    func constantMemory() throws {
        let ring = try MPSCRing.create("r", lanes: 2, options: place.ringOptions)
        var producer = try ring.makeProducer()
        for number in 0..<1000 { try producer.send("t \(number)" + String(repeating: ".", count: 100), timeout: patience) }
        // As if the other lane had one more message, which never comes.
        log.add(MessageID(instance: "i", lane: 1, position: 1 << 40), plan: WindowPlan(acknowledged: 0, runs: [(1, 1)]))
        try publish(ring, lanes: 2) { $0.mostBytes = 4096 }
        #expect(log.entries.count == 1001)
        #expect(log.mostBytesInFlight <= 4096)
        try producer.close()
    }
}

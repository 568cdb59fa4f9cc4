import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// Checks every 10 ms where a death is to be found soon.
private let quick = EndpointOptions(checkInterval: .milliseconds(10))
/// Nothing but a wake ends a wait in time.
private let slow = EndpointOptions(checkInterval: longCheckInterval)

extension Subscriber {
    /// The text of the next message that is there now; "(empty)", "(ended)".
    mutating func pollText() throws(RingError) -> String {
        switch try poll() {
        case .message(let message): message.text
        case .empty: "(empty)"
        case .ended: "(ended)"
        }
    }

    /// The texts of what is there now.
    mutating func drainTexts() -> [String] {
        var texts: [String] = []
        while drain({ texts.append($0.text) }) > 0 {}
        return texts
    }
}

@Suite("A broadcast: one publisher, many subscribers, one copy of the data", .oneByOne)
struct BroadcastTests {
    static let barriers: [RingOptions.Barrier] = [.automatic, .symmetric]

    private func ring(_ barrier: RingOptions.Barrier = .automatic, subscribers: Int = 8, capacity: Int = 4096) throws -> BroadcastRing {
        var options = RingOptions(capacity: capacity)
        options.barrier = barrier
        return try BroadcastRing.anonymous(subscribers: subscribers, options: options)
    }

    // MARK: Reliable

    @Test("Every reliable subscriber gets every message from its beginning on", arguments: barriers)
    func everyMessage(_ barrier: RingOptions.Barrier) throws {
        let ring = try ring(barrier)
        var publisher = try ring.makePublisher(options: slow)
        try publisher.send("before")
        var first = try ring.makeSubscriber(options: slow)
        #expect(try first.pollText() == "(empty)", "it begins with the next message")
        try publisher.send("one")
        var second = try ring.makeSubscriber(options: slow)
        try publisher.send("two")
        #expect(try first.pollText() == "one")
        #expect(try first.pollText() == "two")
        #expect(try second.pollText() == "two")
        let (sentBeforeFirst, sentBeforeSecond, missed) = (first.sentBefore.messages, second.sentBefore, second.missed.messages)
        #expect(sentBeforeFirst == 1)
        #expect(sentBeforeSecond.messages == 2 && sentBeforeSecond.byteCount == 9)
        #expect(missed == 0)
        #expect(first.checkInvariants() == nil)
        #expect(publisher.checkInvariants() == nil)
        try publisher.close()
        #expect(try first.pollText() == "(ended)")
        #expect(try second.pollText() == "(ended)")
        try first.close()
        try second.close()
    }

    @Test("Through many laps of the smallest ring, with messages of all sizes, none is lost and none changes", arguments: barriers)
    func laps(_ barrier: RingOptions.Barrier) throws {
        let ring = try ring(barrier)
        let count = 5_000
        let boxes = try (0..<3).map { _ in Box(try ring.makeSubscriber(options: slow)) }
        let publisher = Box(try ring.makePublisher(options: slow))
        let subscribers = boxes.enumerated().map { number, box in
            Worker { () throws -> Int in
                var subscriber = box.take()
                var (received, wrong) = (0, 0)
                var size = 0
                while let message = try subscriber.next(timeout: patience) {
                    if message.byteCount != size || message.tag != UInt32(received) { wrong += 1 }
                    message.bytes.withUnsafeBytes { bytes in
                        if !bytes.allSatisfy({ $0 == UInt8(truncatingIfNeeded: received) }) { wrong += 1 }
                    }
                    received += 1
                    size = received * 7 % 1500
                    if received % 64 == number { sched_yield() }
                }
                try subscriber.close()
                return wrong == 0 ? received : -wrong
            }
        }
        let sender = Worker {
            var publisher = publisher.take()
            for i in 0..<count {
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: i), count: i * 7 % 1500)
                try publisher.send(bytes, tag: UInt32(i), timeout: patience)
                if let broken = publisher.checkInvariants() { throw Peer.Failure(description: broken) }
            }
            try publisher.close()
        }
        try sender.join()
        for subscriber in subscribers { #expect(try subscriber.join() == count) }
    }

    @Test("The publisher waits for the slowest, and a timeout names it") func slowest() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: quick)
        var fast = try ring.makeSubscriber(options: quick)
        var slow = try ring.makeSubscriber(options: quick)
        var sent = 0
        while try publisher.trySend([UInt8](repeating: 1, count: 100)) {
            sent += 1
            fast.drain { _ in }
        }
        #expect(sent > 30)
        expectError(.timedOut, saying: "subscriber 1", "process \(getpid())", "holds it up", "bytes behind") { () throws(RingError) in
            try publisher.send([UInt8](repeating: 1, count: 100), timeout: .zero)
        }
        #expect(slow.drain { _ in } == sent)
        #expect(try publisher.trySend([UInt8](repeating: 1, count: 100)))
        try fast.close()
        try slow.close()
    }

    @Test("A subscriber that leaves, or is dropped, holds nothing up any more", arguments: [true, false]) func leaves(closes: Bool) throws {
        let ring = try ring()
        let box = Box(try ring.makePublisher(waiting: .sleep, options: slow))
        let subscriber = try ring.makeSubscriber(options: slow)
        let asleep = Turn()
        let sender = Worker {
            var publisher = box.take()
            for i in 0..<2000 {
                if try !publisher.trySend(value: UInt64(i)) {
                    asleep.set(1)
                    try publisher.send(value: UInt64(i), timeout: patience)
                }
            }
        }
        #expect(asleep.wait(for: 1))
        if closes { try subscriber.close() } else { _ = consume subscriber }
        try sender.join()
    }

    @Test("Without a subscriber the publisher never waits") func alone() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher()
        for i in 0..<10_000 { try publisher.send(value: UInt64(i), timeout: .zero) }
        var late = try ring.makeSubscriber()
        #expect(late.sentBefore.messages == 10_000)
        #expect(try late.pollText() == "(empty)")
        #expect(try publisher.waitUntilAcknowledged(timeout: .zero) == ())
    }

    @Test("A publisher waits until so many have joined, and no longer") func waitsForSubscribers() throws {
        let ring = try ring(subscribers: 3)
        var publisher = try ring.makePublisher(waiting: .sleep, options: slow)
        expectError(.invalidOption, saying: "room for 3", "4") { () throws(RingError) in try publisher.waitForSubscribers(4) }
        expectError(.timedOut) { () throws(RingError) in try publisher.waitForSubscribers(1, timeout: .zero) }
        let box = Box(publisher)
        let waiting = Turn()
        let sender = Worker {
            var publisher = box.take()
            waiting.set(1)
            try publisher.waitForSubscribers(2, timeout: patience)
            try publisher.send("all here")
            try publisher.close()
        }
        #expect(waiting.wait(for: 1))
        var first = try ring.makeSubscriber(options: slow)
        var second = try ring.makeSubscriber(options: slow)
        #expect(try first.next(timeout: patience)?.text == "all here")
        #expect(try second.next(timeout: patience)?.text == "all here")
        try sender.join()
    }

    @Test("All places taken: a further subscriber is refused, and the holders are named; a free place is taken again") func places() throws
    {
        let ring = try ring(subscribers: 2)
        let first = try ring.makeSubscriber()
        let second = try ring.makeSubscriber()
        expectError(.roleTaken, saying: "2 places for subscribers", "process \(getpid())", "as subscriber 0") { () throws(RingError) in
            _ = try ring.makeSubscriber()
        }
        _ = try ring.makeSubscriber(.lossy)
        try first.close()
        _ = try ring.makeSubscriber()
        try second.close()
    }

    @Test("Manual acknowledgement: what was not acknowledged holds the publisher up") func manual() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: quick)
        var subscriber = try ring.makeSubscriber(acknowledgement: .manual, options: quick)
        while try publisher.trySend([UInt8](repeating: 1, count: 100)) {}
        #expect(subscriber.drain { _ in } > 30)
        #expect(try !publisher.trySend([UInt8](repeating: 1, count: 100)))
        try subscriber.acknowledge()
        #expect(try publisher.trySend([UInt8](repeating: 1, count: 100)))
    }

    @Test("Claims and batches go to all") func inPlace() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher()
        var first = try ring.makeSubscriber()
        var second = try ring.makeSubscriber(.lossy)
        var claim = try publisher.claim(byteCount: 3)
        var bytes = claim.bytes
        for i in 0..<3 { bytes.storeBytes(of: 0x61, toByteOffset: i, as: UInt8.self) }
        claim.commit()
        var batch = publisher.batch()
        for i in 0..<5 { try batch.append(Array("b\(i)".utf8)) }
        batch.commit()
        let wanted = ["aaa", "b0", "b1", "b2", "b3", "b4"]
        #expect(first.drainTexts() == wanted)
        #expect(second.drainTexts() == wanted)
    }

    // MARK: Beginning

    @Test("A subscriber begins with the last so many, or at the oldest checkpoint", arguments: [Subscriber.Delivery.reliable, .lossy])
    func beginnings(_ delivery: Subscriber.Delivery) throws {
        let ring = try ring(capacity: 65536)
        var publisher = try ring.makePublisher()
        for i in 0..<20_000 { try publisher.send("\(i)") }
        func received(_ start: Subscriber.Start) throws -> (before: UInt64, texts: [String]) {
            var subscriber = try ring.makeSubscriber(delivery, from: start)
            let before = subscriber.sentBefore.messages
            return (before, subscriber.drainTexts())
        }
        for count in [0, 1, 7, 200] {
            let (before, texts) = try received(.last(count))
            #expect(before == UInt64(20_000 - count))
            #expect(texts == (20_000 - count..<20_000).map(String.init))
        }
        let (before, texts) = try received(.oldest)
        #expect(texts.count > 1_000 && before == UInt64(20_000 - texts.count))
        #expect(texts == (20_000 - texts.count..<20_000).map(String.init))
        let everything = try received(.last(1_000_000))
        #expect(everything.before == before && everything.texts == texts)
        #expect(try received(.now).texts == [])
        expectError(.invalidOption, saying: "-1") { () throws(RingError) in _ = try ring.makeSubscriber(from: .last(-1)) }
    }

    @Test("From a fresh ring's beginning, everything") func fresh() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher()
        for i in 0..<5 { try publisher.send("\(i)") }
        var subscriber = try ring.makeSubscriber(from: .oldest)
        #expect(subscriber.sentBefore.messages == 0)
        #expect(subscriber.drainTexts() == ["0", "1", "2", "3", "4"])
    }

    // MARK: Lossy

    @Test("A lossy subscriber holds nothing up; what it received and what it missed is what was sent", arguments: barriers)
    func lossy(_ barrier: RingOptions.Barrier) throws {
        let ring = try ring(barrier)
        var publisher = try ring.makePublisher()
        try publisher.send("before")
        var subscriber = try ring.makeSubscriber(.lossy)
        var (received, next, bytes) = (UInt64(0), UInt64(1), UInt64(0))
        var wrong: [String] = []
        var sentBytes: UInt64 = 0
        for round in 0..<200 {
            for _ in 0..<(round * 13 % 300) {
                let text = "\(next)"
                try publisher.send(text, timeout: .zero)
                sentBytes += UInt64(text.utf8.count)
                next += 1
            }
            while let text = subscriber.nextIfAvailable()?.text {
                let number = 1 + subscriber.missed.messages + received
                if text != "\(number)" { wrong.append("\(text), not \(number)") }
                received += 1
                bytes += UInt64(text.utf8.count)
            }
            let missed = subscriber.missed
            #expect(received + missed.messages == next - 1)
            #expect(bytes + missed.byteCount == sentBytes)
        }
        #expect(wrong == [])
        #expect(subscriber.missed.messages > 0 && received > 0)
        try publisher.close()
        #expect(try subscriber.pollText() == "(ended)")
        try subscriber.close()
    }

    @Test("A lossy subscriber takes messages larger than its usual copy") func large() throws {
        let ring = try ring(capacity: 1 << 20)
        var publisher = try ring.makePublisher()
        var subscriber = try ring.makeSubscriber(.lossy)
        for size in [100, 70_000, 1, 600_000, publisher.largestMessage] {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try publisher.send(bytes)
            #expect(try subscriber.receive(timeout: patience) == bytes)
        }
        #expect(subscriber.missed.messages == 0)
    }

    @Test("A lossy subscriber's message can be put back, and its view keeps still while the publisher goes on") func putBack() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher()
        var subscriber = try ring.makeSubscriber(.lossy)
        try publisher.send("first")
        subscriber.nextIfAvailable()?.putBack()
        if let message = try subscriber.next(timeout: patience) {
            for _ in 0..<10_000 { try publisher.send("overwrites it all") }
            #expect(message.text == "first")
        } else {
            Issue.record("nothing came")
        }
    }

    // MARK: Ends

    @Test("A publisher's close is told to each once, and its successor goes on behind", arguments: [Subscriber.Delivery.reliable, .lossy])
    func successor(_ delivery: Subscriber.Delivery) throws {
        let ring = try ring()
        var subscriber = try ring.makeSubscriber(delivery, options: quick)
        for round in 0..<300 {
            var publisher = try ring.makePublisher(options: quick)
            try publisher.send("\(round)")
            try publisher.close()
            #expect(try subscriber.next(timeout: patience)?.text == "\(round)")
            if try subscriber.next(timeout: patience) != nil { Issue.record("no end after \(round)") }
        }
        expectError(.timedOut) { () throws(RingError) in _ = try subscriber.next(timeout: .zero) }
    }

    @Test(
        "A publisher that goes away without closing died, to each, after everything that it sent",
        arguments: [Subscriber.Delivery.reliable, .lossy])
    func dies(_ delivery: Subscriber.Delivery) throws {
        let ring = try ring()
        var subscriber = try ring.makeSubscriber(delivery, options: quick)
        for round in 0..<3 {
            do {
                var publisher = try ring.makePublisher(options: quick)
                try publisher.send("\(round)")
            }
            #expect(try subscriber.next(timeout: patience)?.text == "\(round)")
            expectError(.peerDied) { () throws(RingError) in _ = try subscriber.next(timeout: patience) }
        }
    }

    @Test("Publishers that come and go in a full ring write no end record after another, and nothing over what is held")
    func endsInFullRing() throws {
        let ring = try ring()
        var subscriber = try ring.makeSubscriber(acknowledgement: .manual, options: quick)
        var publisher = try ring.makePublisher(options: quick)
        var sent = 0
        while try publisher.trySend(value: UInt64(sent)) { sent += 1 }
        try publisher.close()
        for round in 0..<200 {
            let publisher = try ring.makePublisher(options: quick)
            if round % 2 == 0 { try publisher.close() }
        }
        var received = 0
        while received < sent, let message = try subscriber.next(timeout: patience) {
            #expect(message.integer(as: UInt64.self) == UInt64(received))
            received += 1
        }
        #expect(received == sent)
        #expect(try subscriber.pollText() == "(ended)")
    }

    // MARK: Without a thread

    @Test("Tasks receive from either kind, and a shared publisher sends", arguments: [Subscriber.Delivery.reliable, .lossy])
    func tasks(_ delivery: Subscriber.Delivery) async throws {
        let ring = try ring(capacity: 65536)
        let publisher = try ring.makePublisher(options: slow)
        var subscriber = try await ring.makeSubscriber(delivery, options: slow)
        async let sending: Void = {
            for i in 0..<500 {
                try await publisher.send("\(i)")
                if i % 50 == 0 { await Task.yield() }
            }
            try await publisher.end()
        }()
        var texts: [String] = []
        try await subscriber.forEach { message in texts.append(message.text) }
        try await sending
        #expect(texts == (0..<500).map(String.init))
    }

    @Test("A task subscribes under a name, which is removed when no process has it; what is wrong is thrown there, too") func namedInTask()
        async throws
    {
        let ring = try ring()
        let publisher = try ring.makePublisher(options: slow)
        #expect(await asyncCode { () async throws(RingError) in _ = try await ring.makeSubscriber(.durable) } == .invalidOption)
        var subscriber = try await ring.makeSubscriber(.durable, as: "audit", options: slow)
        try await publisher.send("one")
        try await publisher.send("two")
        #expect(try await subscriber.next(timeout: asyncPatience)?.text == "one")
        #expect(await asyncCode { () async throws(RingError) in try await ring.removeSubscriber(named: "audit") } == .roleTaken)
        try subscriber.end()
        var successor = try await ring.makeSubscriber(.durable, as: "audit", options: slow)
        let isResumed = successor.isResumed
        #expect(isResumed)
        #expect(try await successor.next(timeout: asyncPatience)?.text == "two")
        try successor.end()
        try await ring.removeSubscriber(named: "audit")
        #expect(await asyncCode { () async throws(RingError) in try await ring.removeSubscriber(named: "audit") } == .subscriberNotFound)
    }

    @Test("An event source of a subscriber", arguments: [Subscriber.Delivery.reliable, .lossy]) func events(_ delivery: Subscriber.Delivery)
        throws
    {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: slow)
        var source = try ring.makeSubscriber(delivery, options: slow).eventSource()
        for round in 0..<50 {
            try publisher.send("\(round)")
            var texts: [String] = []
            let end = ContinuousClock.now + patience
            while texts.isEmpty, ContinuousClock.now < end {
                var entry = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
                #expect(Glibc.poll(&entry, 1, patienceMilliseconds) == 1)
                try source.drain { texts.append($0.text) }
            }
            #expect(texts == ["\(round)"])
        }
        try source.close()
    }
}

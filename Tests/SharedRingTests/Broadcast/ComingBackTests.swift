import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

private let quick = EndpointOptions(checkInterval: .milliseconds(10))
/// Nothing but a wake ends a wait in time.
private let slow = EndpointOptions(checkInterval: longCheckInterval)

@Suite("Subscribers of a broadcast that come back under their names, and those that hold their place also while they are away", .oneByOne)
struct ComingBackTests {
    private func ring(_ barrier: RingOptions.Barrier = .automatic, subscribers: Int = 4) throws -> BroadcastRing {
        var options = RingOptions(capacity: 4096)
        options.barrier = barrier
        return try BroadcastRing.anonymous(subscribers: subscribers, options: options)
    }

    private static func drop(_ subscriber: consuming Subscriber) {}

    /// Sends until there is no room, or far more than there is room for.
    private func fill(_ publisher: inout Producer) throws -> Int {
        var count = 0
        while count < 1000, try publisher.trySend([UInt8](repeating: 1, count: 100)) { count += 1 }
        return count
    }

    // MARK: Resuming

    @Test(
        "One that ended without a close goes on where it had acknowledged, and what it had received beyond that comes again",
        arguments: BroadcastTests.barriers)
    func resumes(_ barrier: RingOptions.Barrier) throws {
        let ring = try ring(barrier)
        var publisher = try ring.makePublisher(options: slow)
        try publisher.send("before")
        do {
            var first = try ring.makeSubscriber(as: "audit", acknowledgement: .manual, options: slow)
            let (name, isResumed) = (first.name, first.isResumed)
            #expect(name == "audit" && !isResumed)
            for text in ["one", "two", "three"] { try publisher.send(text) }
            #expect(try first.pollText() == "one")
            try first.acknowledge()
            #expect(try first.pollText() == "two")
            Self.drop(first)
        }
        try publisher.send("four")
        var second = try ring.makeSubscriber(as: "audit", options: slow)
        let (isResumed, before, delivery) = (second.isResumed, second.sentBefore, second.delivery)
        #expect(isResumed && before.messages == 2 && before.byteCount == 9 && delivery == .reliable)
        #expect(second.drainTexts() == ["two", "three", "four"])
        #expect(second.checkInvariants() == nil && publisher.checkInvariants() == nil)
        // In order, it holds nothing: the next of that name begins anew.
        try second.close()
        try publisher.send("five")
        var third = try ring.makeSubscriber(as: "audit", options: slow)
        let isResumedAgain = third.isResumed
        #expect(!isResumedAgain)
        #expect(try third.pollText() == "(empty)")
    }

    @Test("A killed process's successor of the same name gets what it had not acknowledged") func killed() throws {
        let place = Place()
        let ring = try BroadcastRing.create("b", subscribers: 4, options: place.options())
        var publisher = try ring.makePublisher(options: slow)
        let peer = try Peer(["subscriber", "b", "directory=\(place.path)", "as=audit", "waiting=sleep"])
        #expect(try peer.line() == "attached")
        for number in 0..<10 { try publisher.send(value: UInt64(number)) }
        peer.kill()
        var next = try ring.makeSubscriber(as: "audit", options: quick)
        let (isResumed, before) = (next.isResumed, next.sentBefore.messages)
        #expect(isResumed && before == 0)
        #expect(next.drain { _ in } == 10)
        try next.close()
    }

    @Test("Once its publisher has needed the room, it begins anew, and the number of what it missed is exact") func overtaken() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: EndpointOptions(checkInterval: .milliseconds(1)))
        Self.drop(try ring.makeSubscriber(as: "audit"))
        for number in 0..<200 { try publisher.send([UInt8](repeating: 1, count: 100), tag: UInt32(number), timeout: patience) }
        var next = try ring.makeSubscriber(as: "audit", from: .oldest)
        let (isResumed, before) = (next.isResumed, next.sentBefore.messages)
        #expect(!isResumed && before > 100)
        var expected = UInt32(before)
        next.drain { message in
            #expect(message.tag == expected)
            expected += 1
        }
        #expect(expected == 200)
    }

    @Test("One that has read beyond the newest checkpoint goes on there, and counts exactly", arguments: [1, 30, 400])
    func beyondCheckpoint(count: Int) throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: slow)
        for round in 0..<3 {
            var subscriber = try ring.makeSubscriber(.durable, as: "audit", acknowledgement: .manual)
            let before = subscriber.sentBefore.messages
            #expect(before == UInt64(round * count))
            for _ in 0..<count {
                try publisher.send("x", timeout: .zero)
                #expect(try subscriber.pollText() == "x")
                try subscriber.acknowledge()
            }
            try subscriber.close()
        }
    }

    @Test("The end that its publisher marked is reported to the one that comes back, behind what was sent before") func ends() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher()
        Self.drop(try ring.makeSubscriber(as: "audit", acknowledgement: .manual))
        try publisher.send("last")
        try publisher.close()
        var next = try ring.makeSubscriber(as: "audit")
        #expect(try next.pollText() == "last")
        #expect(try next.pollText() == "(ended)")
        #expect(try next.pollText() == "(empty)")
    }

    /// As a publisher leaves it that looked, saw no head, and published its checkpoint when a subscriber had joined at an older one.
    @Test(
        "A write limit further than the capacity from its head does not cost one its place: only the private limit keeps to heads",
        arguments: [true, false])
    func farWriteLimit(isDurable: Bool) throws {
        let ring = try ring()
        let attachment: SharedRing.Attachment
        do {
            var publisher = try ring.makePublisher(options: slow)
            Self.drop(try ring.makeSubscriber(isDurable ? .durable : .reliable, as: "audit"))
            for number in 0..<30 { try publisher.send("\(number)", timeout: .zero) }
            attachment = publisher.core.attachment
            try publisher.close()
        }
        let checkpoints = CheckpointPlace.broadcast(attachment.broadcast)
        var newest = try #require(checkpoints.newestWhole)
        newest.checkpoint.writeLimit = newest.checkpoint.tail &+ 4096
        checkpoints.publish(newest.checkpoint, endsWithEnd: newest.endsWithEnd)
        withExtendedLifetime(attachment) {}
        var next = try ring.makeSubscriber(as: "audit")
        let (isResumed, before) = (next.isResumed, next.sentBefore.messages)
        #expect(isResumed && before == 0)
        for number in 0..<30 { #expect(try next.pollText() == "\(number)") }
        #expect(try next.pollText() == "(ended)")
        #expect(next.checkInvariants() == nil)
    }

    @Test("A process that is killed when its name stands in another's slot: the next of that name does not go on at the other's head")
    func killedBehindName() throws {
        let ring = try ring(subscribers: 1)
        var publisher = try ring.makePublisher(options: slow)
        Self.drop(try ring.makeSubscriber(as: "old"))
        try publisher.send("for the old one")
        let name = Array("new".utf8)
        do {
            let attachment = try ring.handle.attach(.slot(.named(name)), quick)
            let isKnown = SubscriberSlot(attachment, slot: 0).takeName(name)
            #expect(!isKnown)
            attachment.unlock()
        }
        var next = try ring.makeSubscriber(as: "new")
        let isResumed = next.isResumed
        #expect(!isResumed)
        #expect(try next.pollText() == "(empty)")
    }

    // MARK: Durable

    @Test(
        "A durable one holds its publisher up while it is away, is named, and gets everything when it comes back", arguments: [true, false])
    func durable(closes: Bool) throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: EndpointOptions(checkInterval: .milliseconds(1)))
        var first = try ring.makeSubscriber(.durable, as: "audit")
        let delivery = first.delivery
        #expect(delivery == .durable)
        try publisher.send("one")
        #expect(try first.pollText() == "one")
        if closes { try first.close() } else { Self.drop(first) }
        let sent = try fill(&publisher)
        #expect(sent > 30 && sent < 1000, "\(sent) messages, though the subscriber has acknowledged one")
        expectError(.timedOut, saying: "'audit'", "durable and away", "process \(getpid())", "bytes behind") { () throws(RingError) in
            try publisher.send([UInt8](repeating: 1, count: 100), timeout: .milliseconds(20))
        }
        let report = try ring.report()
        #expect(report.subscribers.count == 1 && report.subscribers[0].name == "audit" && report.subscribers[0].isDurable)
        #expect(report.subscribers[0].backlog > 3000 && report.subscribers[0].role.presence == (closes ? .closed : .died))
        var second = try ring.makeSubscriber(.reliable, as: "audit")
        let (isResumed, stays) = (second.isResumed, second.delivery)
        #expect(isResumed && stays == .durable, "it is durable until it is removed")
        var received = 0
        while second.drain({ _ in received += 1 }) > 0 {}
        #expect(received == sent)
        #expect(try publisher.trySend("goes on"))
    }

    @Test(
        "A removed one holds nothing up, wakes a publisher that waits for it, and its name begins anew", arguments: BroadcastTests.barriers)
    func removed(_ barrier: RingOptions.Barrier) throws {
        let ring = try ring(barrier)
        let box = Box(try ring.makePublisher(waiting: .sleep, options: slow))
        let first = try ring.makeSubscriber(.durable, as: "audit", options: slow)
        expectError(.roleTaken, saying: "'audit'", "process \(getpid())") { () throws(RingError) in
            try ring.removeSubscriber(named: "audit")
        }
        expectError(.subscriberNotFound, saying: "'other'") { () throws(RingError) in try ring.removeSubscriber(named: "other") }
        let attachment = first.core.attachment
        let words = sr_publisher(attachment.broadcast)
        try first.close()
        let sender = Worker {
            var publisher = box.take()
            while try publisher.trySend("x") {}
            try publisher.send("behind", timeout: patience)
        }
        // It counts a sleep behind its last look for room.
        #expect(eventually { sr_load_relaxed_u64(sr_producer_sleeps(words)) > 0 })
        try ring.removeSubscriber(named: "audit")
        #expect(sr_load_acquire_u32(sr_space_doorbell(words)) == 0, "it was rung")
        try sender.join()
        withExtendedLifetime(attachment) {}
        expectError(.subscriberNotFound) { () throws(RingError) in try ring.removeSubscriber(named: "audit") }
        let report = try ring.report()
        #expect(report.subscribers.allSatisfy { $0.name == nil && !$0.isDurable && $0.head == nil })
        let next = try ring.makeSubscriber(.durable, as: "audit", options: slow)
        let isResumed = next.isResumed
        #expect(!isResumed)
    }

    @Test("No other subscriber gets a durable one's place, nor that of one that can come back while there is another") func places() throws
    {
        let ring = try ring(subscribers: 3)
        Self.drop(try ring.makeSubscriber(.durable, as: "kept"))
        Self.drop(try ring.makeSubscriber(as: "dead"))
        let third = try ring.makeSubscriber()
        let place = third.core.attachment.role
        #expect(place == .subscriber(2))
        // There is no other one left: the dead one's.
        let fourth = try ring.makeSubscriber(as: "new")
        let deadPlace = fourth.core.attachment.role
        #expect(deadPlace == .subscriber(1))
        expectError(.roleTaken, saying: "places for subscribers") { () throws(RingError) in _ = try ring.makeSubscriber(as: "dead") }
        expectError(.roleTaken) { () throws(RingError) in _ = try ring.makeSubscriber() }
        let back = try ring.makeSubscriber(as: "kept")
        let (isResumed, ownPlace) = (back.isResumed, back.core.attachment.role)
        #expect(isResumed && ownPlace == .subscriber(0))
        withExtendedLifetime(third) {}
        withExtendedLifetime(fourth) {}
    }

    @Test("One process at a time has a name, however many come at once") func oneAtATime() throws {
        let ring = try ring(subscribers: 8)
        for round in 0..<20 {
            let workers = (0..<4).map { _ in
                Worker { () throws -> Int in
                    do throws(RingError) {
                        let subscriber = try ring.makeSubscriber(as: "audit")
                        return if case .subscriber(let slot) = subscriber.core.attachment.role { slot } else { -1 }
                    } catch {
                        guard error.code == .roleTaken else { throw error }
                        return 0
                    }
                }
            }
            for worker in workers { #expect(try worker.join() == 0, "round \(round): the name stands in two places") }
        }
        #expect(try ring.report().subscribers.count { $0.name == "audit" } == 1)
    }

    @Test("What is no name, and who can have none") func refusals() throws {
        let ring = try ring()
        let long = String(repeating: "n", count: 65)
        expectError(.invalidName, saying: "1 to 64 bytes", long, "has 65 bytes") { () throws(RingError) in
            _ = try ring.makeSubscriber(as: long)
        }
        expectError(.invalidName, saying: "has 0 bytes") { () throws(RingError) in _ = try ring.makeSubscriber(as: "") }
        expectError(.invalidName) { () throws(RingError) in try ring.removeSubscriber(named: "a\0b") }
        expectError(.invalidOption, saying: "needs a name") { () throws(RingError) in _ = try ring.makeSubscriber(.durable) }
        expectError(.invalidOption, saying: "lossy", "'x'") { () throws(RingError) in _ = try ring.makeSubscriber(.lossy, as: "x") }
        // As many bytes as there can be.
        let longest = try ring.makeSubscriber(.durable, as: String(repeating: "ü", count: 32))
        let name = longest.name
        #expect(name == String(repeating: "ü", count: 32))
    }

    @Test("A ring in which a durable subscriber has a place is not removed by its last reader") func keepsRing() throws {
        let place = Place()
        let ring = try BroadcastRing.create("b", options: place.options())
        Self.drop(try ring.makeSubscriber(.durable, as: "audit"))
        var last = try ring.makeSubscriber()
        let isRemoved = try last.removeRingIfUnused()
        #expect(!isRemoved)
        try ring.removeSubscriber(named: "audit")
        let isRemovedNow = try last.removeRingIfUnused()
        #expect(isRemovedNow)
    }

    // MARK: Untrusted peers

    @Test(
        "A durable one that can't go on where it stood is refused by name, and stays until it is removed: it never begins anew silently",
        arguments: [UInt64.max, 4, 1 << 40])
    func refusedPlace(head: UInt64) throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: slow)
        Self.drop(try ring.makeSubscriber(.durable, as: "audit"))
        try publisher.send("one")
        let words = sr_subscriber(publisher.core.attachment.broadcast, 0)
        sr_store_release_u64(sr_subscriber_head(words), head)
        for delivery in [Subscriber.Delivery.durable, .reliable] {
            expectError(.poisoned, saying: "'audit'", "position \(head)") { () throws(RingError) in
                _ = try ring.makeSubscriber(delivery, as: "audit")
            }
        }
        #expect(sr_load_acquire_u64(sr_subscriber_head(words)) == head)
        #expect(sr_load_acquire_u32(sr_subscriber_durable(words)) == 1 && sr_load_acquire_u32(sr_subscriber_joined(words)) == 1)
        try ring.removeSubscriber(named: "audit")
        var next = try ring.makeSubscriber(.durable, as: "audit")
        let isResumed = next.isResumed
        #expect(!isResumed)
        try publisher.send("two")
        #expect(try next.pollText() == "two")
    }

    @Test("A durable slot that was not joined at holds nothing up for good when its subscriber can't join") func unjoined() throws {
        let ring = try ring()
        let publisher = try ring.makePublisher(options: slow)
        Self.drop(try ring.makeSubscriber(.durable, as: "audit"))
        let words = sr_subscriber(publisher.core.attachment.broadcast, 0)
        sr_store_release_u32(sr_subscriber_joined(words), 0)
        CheckpointPlace.broadcast(publisher.core.attachment.broadcast).publish(
            Checkpoint(tail: 0, messages: 0, byteCount: 0, writeLimit: 8192), endsWithEnd: false)
        expectError(.poisoned, saying: "write limit 8192") { () throws(RingError) in _ = try ring.makeSubscriber(.durable, as: "audit") }
        #expect(sr_load_acquire_u64(sr_subscriber_head(words)) == sr_no_head())
        #expect(sr_load_acquire_u32(sr_subscriber_durable(words)) == 0)
        withExtendedLifetime(publisher) {}
    }

    @Test("An untrusted publisher has one that comes back count 16 times at most, and once after its deadline") func boundedWalks() throws {
        let ring = try ring()
        var publisher = try ring.makePublisher(options: slow)
        let count: UInt64 = 60
        do {
            var first = try ring.makeSubscriber(.durable, as: "audit", acknowledgement: .manual)
            for _ in 0..<count {
                try publisher.send("x", timeout: .zero)
                #expect(try first.pollText() == "x")
                try first.acknowledge()
            }
            Self.drop(first)
        }
        let name = Array("audit".utf8)
        let attachment = try ring.handle.attach(.slot(.named(name)), quick)
        let slot = SubscriberSlot(attachment, slot: 0)
        let isKnown = slot.takeName(name)
        #expect(isKnown)
        let mapping = try Mapping.lane(0, of: attachment.segment, writable: false, prefault: false, ring: attachment.ring)
        let shape = LaneShape(attachment.header)
        let checkpoints = CheckpointPlace.broadcast(attachment.broadcast)
        let spacing = sr_load_acquire_u64(sr_subscriber_head(slot.words)) / count
        for (deadline, code, most) in [(Deadline.never, RingError.Code.poisoned, 16), (.passed, .timedOut, 1)] {
            var tail: UInt64 = 0
            var walks = 0
            var last = UInt64.max
            func publish() {
                checkpoints.publish(
                    Checkpoint(tail: tail, messages: tail / spacing, byteCount: tail / spacing, writeLimit: tail &+ 4096),
                    endsWithEnd: false)
            }
            publish()
            expectError(code, saying: "position \(count * spacing)") { () throws(RingError) in
                _ = try slot.resume(until: deadline) { position in
                    // At the beginning of each walk the publisher may write over it at once.
                    if position <= last {
                        walks += 1
                        tail += spacing
                        publish()
                    }
                    last = position
                    return RecordHeader(at: position, in: UnsafeRawPointer(mapping.base), shape)
                }
            }
            #expect(walks == most)
        }
        withExtendedLifetime((mapping, attachment)) {}
    }

    @Test("Whatever stands in a slot's words, its name begins anew or goes on, and nothing traps") func forged() throws {
        let ring = try ring(subscribers: 2)
        var publisher = try ring.makePublisher(options: EndpointOptions(checkInterval: .milliseconds(1)))
        let words = sr_subscriber(publisher.core.attachment.broadcast, 0)
        for number in 0..<20 { try publisher.send("\(number)") }
        let tail = publisher.writer.pointee.tail
        for head in [0, 8, 1, tail, tail &+ 8, tail &- 8, tail &- 4096, tail &+ 4096, 1 << 40, .max - 7, .max, tail &- 24] {
            for (joined, epoch, durable, length): (UInt32, UInt32, UInt32, UInt32) in [
                (1, 1, 0, 1), (1, 2, 1, 1), (7, 3, 9, 1), (1, 1, 1, .max), (1, 1, 1, 65), (0, 1, 1, 1), (1, 0, 0, 64),
            ] {
                sr_store_release_u64(sr_subscriber_head(words), head)
                sr_store_release_u32(sr_subscriber_joined(words), joined)
                sr_store_release_u32(sr_subscriber_epoch(words), epoch)
                sr_store_release_u32(sr_subscriber_durable(words), durable)
                sr_subscriber_name(words)[0] = UInt8(ascii: "a")
                sr_store_release_u32(sr_subscriber_name_length(words), length)
                do throws(RingError) {
                    var subscriber = try ring.makeSubscriber(as: "a", options: quick)
                    let isResumed = subscriber.isResumed
                    #expect(joined == 1 || !isResumed, "it went on at a head that was not joined at")
                    _ = try subscriber.pollText()
                    #expect(subscriber.checkInvariants() == nil)
                } catch {
                    #expect([.poisoned, .roleTaken].contains(error.code), "\(error)")
                }
                _ = try ring.report()
                do throws(RingError) { try ring.removeSubscriber(named: "a") } catch { #expect(error.code == .subscriberNotFound) }
                sr_store_release_u32(sr_subscriber_durable(words), 0)
                sr_store_release_u64(sr_subscriber_head(words), .max)
            }
        }
        try publisher.send("goes on", timeout: patience)
    }
}

import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

private let quick = EndpointOptions(checkInterval: .milliseconds(10))

@Suite("Whoever dies or stops in a broadcast: what it held, and who goes on", .oneByOne)
struct BroadcastTakeOverTests {
    let place = Place()

    private func words(_ more: String...) -> [String] { ["b", "directory=\(place.path)", "subscribers=4"] + more }

    private func ring() throws -> BroadcastRing { try BroadcastRing.openOrCreate("b", subscribers: 4, options: place.options()) }

    private let message = [UInt8](repeating: 7, count: 100)

    @Test("A killed subscriber holds the publisher up no longer than a check interval, and is named") func killedSubscriber() throws {
        let subscriber = try Peer(["subscriber"] + words())
        #expect(try subscriber.line() == "attached")
        var publisher = try ring().makePublisher(options: quick)
        while try publisher.trySend(message) {}
        subscriber.kill()
        try publisher.send(message, timeout: patience)
        let report = try RingReport("b", options: place.options())
        #expect(report.subscribers.map(\.role.presence) == [.died])
        #expect(report.subscribers[0].role.holder?.processID == UInt32(subscriber.pid))
        #expect(report.subscribers[0].head == nil, "it holds nothing any more")
        // Its place is free.
        let next = try ring().makeSubscriber()
        #expect(try RingReport("b", options: place.options()).subscribers.map(\.role.presence) == [.attached])
        try next.close()
        #expect(try RingReport("b", options: place.options()).subscribers.map(\.role.presence) == [.closed])
    }

    @Test("A publisher that never waits is let on, too") func killedSubscriberOfPoller() throws {
        let subscriber = try Peer(["subscriber"] + words())
        #expect(try subscriber.line() == "attached")
        var publisher = try ring().makePublisher(options: quick)
        while try publisher.trySend(message) {}
        subscriber.kill()
        #expect(eventually { (try? publisher.trySend(message)) == true })
    }

    @Test("A task that waits for room is let on, too") func killedSubscriberOfTask() async throws {
        let subscriber = try Peer(["subscriber"] + words())
        #expect(try subscriber.line() == "attached")
        var publisher = try ring().makePublisher(options: quick)
        while try publisher.trySend(message) {}
        subscriber.kill()
        try await publisher.send(message, timeout: asyncPatience)
    }

    @Test("A stopped subscriber holds the publisher up; a timeout and a report name it, and it misses nothing") func stopped() throws {
        let subscriber = try Peer(["subscriber"] + words())
        #expect(try subscriber.line() == "attached")
        subscriber.stop()
        let box = Box(try ring().makePublisher(options: quick))
        var publisher = box.take()
        var sent: UInt64 = 0
        while try publisher.trySend(value: sent) { sent += 1 }
        expectError(.timedOut, saying: "subscriber 0", "process \(subscriber.pid)", "holds it up") { () throws(RingError) in
            try publisher.send(value: sent, timeout: .milliseconds(50))
        }
        let waiting = Box(publisher)
        let sender = Worker { [sent] in
            var publisher = waiting.take()
            for number in sent..<(sent + 1000) { try publisher.send(value: number, timeout: patience) }
            try publisher.close()
        }
        #expect(eventually { (try? RingReport("b", options: place.options()).subscribers.first?.holdsPublisherUp) == true })
        subscriber.resume()
        #expect(try subscriber.ask("count") == "counted \(sent + 1000) before 0 missed 0 wrong 0")
        try sender.join()
    }

    @Test("A stopped lossy subscriber holds nothing up, and counts what it missed") func stoppedLossy() throws {
        let subscriber = try Peer(["subscriber"] + words("lossy=yes"))
        #expect(try subscriber.line() == "attached")
        subscriber.stop()
        var publisher = try ring().makePublisher(options: quick)
        for number in 0..<UInt64(50_000) { try publisher.send(value: number, timeout: .zero) }
        subscriber.resume()
        subscriber.tell("count")
        try publisher.close()
        let fields = try subscriber.line().split(separator: " ").map(String.init)
        #expect(fields[0] == "counted" && fields[7] == "0", "\(fields)")
        let (received, missed) = (try #require(Int(fields[1])), try #require(Int(fields[5])))
        #expect(received + missed == 50_000 && missed > 40_000)
    }

    @Test("A killed publisher died, to each subscriber, after everything that it sent", arguments: ["no", "yes"])
    func killedPublisher(lossy: String) throws {
        let publisher = try Peer(["producer"] + words())
        #expect(try publisher.line() == "attached")
        let subscribers = try (0..<2).map { _ in try Peer(["subscriber"] + words("lossy=\(lossy)")) }
        for subscriber in subscribers { #expect(try subscriber.line() == "attached") }
        #expect(try publisher.ask("send last words") == "sent")
        publisher.kill()
        for subscriber in subscribers {
            #expect(try subscriber.ask("next") == "message last words")
            #expect(try subscriber.ask("next").hasPrefix("error peerDied"))
        }
        var next = try ring().makePublisher(options: quick)
        try next.send("next")
        for subscriber in subscribers { #expect(try subscriber.ask("next") == "message next") }
        try next.close()
        for subscriber in subscribers { #expect(try subscriber.ask("next") == "ended") }
    }

    /// As a publisher leaves it that is killed behind its checkpoint and before its second look, when a subscriber has come in between.
    @Test("The next publisher does not take the published write limit for what it may write", arguments: BroadcastTests.barriers)
    func limit(_ barrier: RingOptions.Barrier) throws {
        var options = place.options()
        options.barrier = barrier
        let ring = try BroadcastRing.openOrCreate("b", subscribers: 4, options: options)
        var subscriber = try ring.makeSubscriber(acknowledgement: .manual, options: quick)
        var sent: UInt64 = 0
        let attachment: SharedRing.Attachment
        do {
            var publisher = try ring.makePublisher(options: quick)
            while try publisher.trySend(value: sent) { sent += 1 }
            attachment = publisher.core.attachment
        }
        withExtendedLifetime(attachment) {
            let turn = sr_load_acquire_u64(sr_broadcast_turn(attachment.broadcast))
            let newest = UnsafeMutableRawPointer(attachment.broadcast).advanced(by: 512 + Int(turn % 16) * 32)
                .assumingMemoryBound(to: UInt64.self)
            newest[3] = (newest[0] & ~1) &+ 4096
        }
        for _ in 0..<20 {
            var publisher = try ring.makePublisher(options: quick)
            #expect(try !publisher.trySend(value: sent))
            expectError(.timedOut) { () throws(RingError) in try publisher.send(value: sent, timeout: .zero) }
            #expect(publisher.checkInvariants() == nil)
        }
        for number in 0..<sent { #expect(try subscriber.next(timeout: patience)?.integer(as: UInt64.self) == number) }
    }

    @Test("Joining beside a publisher that sends without a pause, through the smallest ring: each is in, without a gap") func joining()
        throws
    {
        let box = Box(try ring().makePublisher(options: quick))
        let isOver = Turn()
        let sender = Worker {
            var publisher = box.take()
            var number: UInt64 = 0
            while isOver.value == 0 {
                try publisher.send(value: number, timeout: patience)
                number += 1
            }
        }
        let ring = try ring()
        for round in 0..<Int(soaking: 300) {
            var subscriber = try ring.makeSubscriber(.reliable, from: round % 2 == 0 ? .now : .oldest, options: quick)
            var expected = subscriber.sentBefore.messages
            for _ in 0..<50 {
                #expect(try subscriber.next(timeout: patience)?.integer(as: UInt64.self) == expected)
                expected += 1
            }
        }
        isOver.set(1)
        try sender.join()
    }

    @Test("The last subscriber to leave may remove the ring") func removal() throws {
        var first = try ring().makeSubscriber()
        var second = try ring().makeSubscriber()
        #expect(try !first.removeRingIfUnused())
        try first.close()
        #expect(try second.removeRingIfUnused())
        #expect(place.names == [])
    }

    @Test("A forked child can't use its parent's endpoints") func forked() throws {
        let publisher = UnsafeMutablePointer<Producer>.allocate(capacity: 1)
        let reliable = UnsafeMutablePointer<Subscriber>.allocate(capacity: 1)
        let lossy = UnsafeMutablePointer<Subscriber>.allocate(capacity: 1)
        publisher.initialize(to: try ring().makePublisher())
        reliable.initialize(to: try ring().makeSubscriber())
        lossy.initialize(to: try ring().makeSubscriber(.lossy))
        try publisher.pointee.send("before")
        let child = ForkedChild {
            func isForked(_ body: () throws(RingError) -> Void) -> Bool {
                do throws(RingError) {
                    try body()
                    return false
                } catch {
                    return error.code == .forked
                }
            }
            guard isForked({ () throws(RingError) in try publisher.pointee.send("x", timeout: .zero) }) else { return 1 }
            guard isForked({ () throws(RingError) in _ = try reliable.pointee.next(timeout: .zero) == nil }) else { return 2 }
            guard isForked({ () throws(RingError) in _ = try lossy.pointee.next(timeout: .zero) == nil }) else { return 3 }
            guard lossy.pointee.nextIfAvailable() == nil, lossy.pointee.drain({ _ in }) == 0 else { return 4 }
            guard lossy.pointee.missed.messages == 0 else { return 5 }
            guard case .reliable = reliable.pointee.delivery, case .lossy = lossy.pointee.delivery else { return 6 }
            guard !reliable.pointee.isRingPersistent, !reliable.pointee.isPeerAttached, reliable.pointee.name == nil else { return 7 }
            reliable.deinitialize(count: 1)
            lossy.deinitialize(count: 1)
            publisher.deinitialize(count: 1)
            return 0
        }
        #expect(child.run() == 0)
        #expect(try reliable.pointee.next(timeout: patience)?.text == "before")
        #expect(try lossy.pointee.next(timeout: patience)?.text == "before")
        try publisher.pointee.send("after")
        #expect(try reliable.pointee.next(timeout: patience)?.text == "after")
        publisher.deinitialize(count: 1)
        reliable.deinitialize(count: 1)
        lossy.deinitialize(count: 1)
        publisher.deallocate()
        reliable.deallocate()
        lossy.deallocate()
    }
}

/// What the child of a test does; its result is its exit status.
private final class ForkedChild {
    let body: () -> Int32

    init(_ body: @escaping () -> Int32) { self.body = body }

    /// Forks, runs the body in the child, and gives its exit status; 128 and the signal's number if it was killed.
    func run() -> Int32 {
        end(of: ts_fork({ Unmanaged<ForkedChild>.fromOpaque($0!).takeUnretainedValue().body() }, Unmanaged.passUnretained(self).toOpaque()))
    }
}

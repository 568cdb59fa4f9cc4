import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("What a sandbox forbids is done another way, or refused with a reason", .oneByOne, .serialized)
struct SandboxTests {
    let place = Place()

    // MARK: membarrier

    @Test("Without membarrier from the start: a new ring is of the symmetric kind, and works") func before() throws {
        let peer = try Peer("producer", of: "r", in: place, "deny=membarrier")
        #expect(try !RingReport("r", options: place.options()).usesAsymmetricBarrier)
        var consumer = try SPSCRing.open("r", options: place.options()).makeConsumer(waiting: .sleep)
        for i in 0..<100 {
            peer.tell("send \(i)")
            #expect(try consumer.next(timeout: patience)?.text == "\(i)")
            #expect(try peer.line() == "sent")
        }
    }

    @Test("Without membarrier: attaching to a ring of the asymmetric kind is refused, on either side", arguments: ["producer", "consumer"])
    func refused(role: String) throws {
        var options = place.options()
        options.barrier = .asymmetric
        _ = try SPSCRing.create("r", options: options)
        let peer = try Peer([role, "r", "directory=\(place.path)", "deny=membarrier"])
        let answer = try peer.line()
        #expect(
            answer.hasPrefix("error incompatible") && answer.contains("membarrier") && answer.contains("Operation not permitted"),
            "\(answer)")
        #expect(try RingReport("r", options: place.options()).producerAttachments == 0)
    }

    /// The message is committed here without a look at the doorbell: the wake that a producer without a barrier may miss to give.
    @Test(
        "membarrier taken away after attaching: a consumer asleep, or its waiter thread, finds even a message for which no process woke it",
        arguments: ["consumer", "watcher"], [true, false])
    func after(role: String, isDenied: Bool) throws {
        var options = place.options()
        options.barrier = .asymmetric
        let producer = try SPSCRing.create("r", options: options).makeProducer()
        let peer = try Peer(role, of: "r", in: place, "waiting=sleep", "check-interval=600000")
        if isDenied { #expect(try peer.ask("deny membarrier") == "denied") }
        peer.tell("next")
        #expect(eventually { sr_load_acquire_u32(producer.writer.pointee.doorbell) == 1 })
        usleep(20_000)  // into its sleep; were it not there yet, it would find the message in any case
        let bytes = Array("unheard".utf8)
        LaneWriter.copy(bytes.span.bytes, to: producer.writer.pointee.payload(at: 0))
        LaneWriter.terminate(producer.writer.pointee.place(at: 16))
        LaneWriter.storeHeader(RecordHeader(byteCount: bytes.count, tag: 0), at: producer.writer.pointee.cursor)
        if isDenied {
            // The peer gives up, and looks once more, long after this test does.
            #expect(try peer.line() == "message unheard")
        } else {
            // That this shows anything: with its check interval of ten minutes it would sleep on.
            #expect(throws: Peer.Failure.self) { try peer.line(within: 0.3) }
            producer.writer.pointee.ringDoorbell()
            #expect(try peer.line() == "message unheard")
        }
    }

    // MARK: futex

    @Test(
        "Without an operation of futex(2) that waits or wakes need: attaching is refused, on either side, and names it",
        arguments: ["producer", "consumer"], ["FUTEX_WAKE_OP", "FUTEX_WAIT_BITSET"])
    func withoutFutex(role: String, operation: String) throws {
        _ = try SPSCRing.create("r", options: place.options())
        let peer = try Peer([role, "r", "directory=\(place.path)", "deny=\(operation)"])
        let answer = try peer.line()
        #expect(answer.hasPrefix("error incompatible") && answer.contains(operation), "\(answer)")
        #expect(try RingReport("r", options: place.options()).producerAttachments == 0)
    }

    /// The consumer here looks around once in ten minutes: only a wake ends its sleep in time.
    @Test("FUTEX_WAKE_OP taken away after attaching: a sleeper is woken all the same") func wakeOpTakenAway() throws {
        let peer = try Peer("producer", of: "r", in: place)
        let box = Box(
            try SPSCRing.open("r", options: place.options()).makeConsumer(
                waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600))))
        #expect(try peer.ask("deny FUTEX_WAKE_OP") == "denied")
        let receiver = Worker {
            var consumer = box.take()
            return try consumer.next()?.text
        }
        let path = place.path("r")
        let doorbell = try RingReport("r", options: place.options()).header(in: place).consumerOffset
        #expect(eventually { UInt32(truncatingIfNeeded: Forgery(path: path).load(at: doorbell)) == 1 })
        usleep(20_000)  // into its sleep; were it not there yet, it would find the message in any case
        #expect(try peer.ask("send woken") == "sent")
        #expect(try receiver.join() == "woken")
    }

    /// Counted in the ring's own `sleeps`, as FloodTests does: a wait that is refused takes a millisecond, and is no busy loop.
    @Test("FUTEX_WAIT_BITSET taken away after attaching: no busy loop, and what comes is received") func waitTakenAway() throws {
        var producer = try SPSCRing.create("r", options: place.options()).makeProducer()
        let peer = try Peer("consumer", of: "r", in: place, "waiting=sleep", "check-interval=600000")
        #expect(try peer.ask("deny FUTEX_WAIT_BITSET") == "denied")
        peer.tell("next")
        func sleeps() -> UInt64 { (try? RingStatistics("r", options: place.options()).consumerSleeps) ?? 0 }
        #expect(eventually { sleeps() > 0 })
        let start = sr_now_ns()
        let first = sleeps()
        #expect(eventually { sleeps() >= first + 100 })
        let count = sleeps() - first
        #expect(count <= UInt64((sr_now_ns() - start) / 1_000_000) + 2)
        try producer.send("here")
        #expect(try peer.line() == "message here")
    }

    /// It attaches nowhere, so the call was not tried.
    @Test("Without FUTEX_WAIT_BITSET a board's reader looks again and again, without a busy loop") func boardReader() throws {
        #expect(try Peer(["confined", "board-reader", place.path]).line() == "passed")
    }

    // MARK: Making a file

    @Test(
        "Without O_TMPFILE, or without linkat, a ring is made under a temporary name, of which nothing is left",
        arguments: ["O_TMPFILE", "linkat"])
    func temporaryName(call: String) throws {
        let peer = try Peer("producer", of: "r", in: place, "deny=\(call)", "permissions=640")
        #expect(place.names == ["r"])
        var status = stat()
        #expect(stat(place.path("r"), &status) == 0 && status.st_mode & 0o7777 == 0o640 && status.st_nlink == 1)
        #expect(try peer.ask("send x") == "sent")
        var consumer = try SPSCRing.open("r", options: place.options()).makeConsumer()
        #expect(try consumer.next(timeout: patience)?.text == "x")
        #expect(try peer.ask("close") == "closed")
    }

    /// A file that is about to become a ring looks like what a dead creator leaves, but for its creator's lock.
    @Test("Of several who make the same ring that way, one does, and all meet in it, while others clear leftovers away")
    func temporaryNameRace() throws {
        let isDone = Turn()
        defer { isDone.set(1) }
        let cleaner = Worker { [options = place.options()] in
            var unfinished = 0
            while isDone.value == 0 {
                for ring in try StaleRing.removeAll(options: options) {
                    if case .removedUnfinished = ring.outcome { unfinished += 1 }
                }
            }
            return unfinished
        }
        let peers = try (0..<3).map { try Peer(["churn", "r", "100", "\($0)", "directory=\(place.path)", "deny=O_TMPFILE"]) }
        for peer in peers {
            let answer = try peer.line()
            #expect(answer.hasPrefix("attached "), "\(answer)")
            #expect(try peer.wait() == 0)
        }
        isDone.set(1)
        #expect(try cleaner.join() == 0, "no creator has died")
        #expect(place.names == ["r"] || place.names == [])
    }

    @Test("With no way to give a file its name, or to allocate it: an error, and nothing is left") func noWay() throws {
        for (calls, fact) in [(["linkat", "renameat2"], "can't be given its name"), (["fallocate"], "can't be allocated")] {
            let peer = try Peer(["producer", "r", "directory=\(place.path)"] + calls.map { "deny=\($0)" })
            let answer = try peer.line()
            #expect(answer.hasPrefix("error system") && answer.contains(fact), "\(answer)")
            #expect(place.names == [])
        }
    }
}

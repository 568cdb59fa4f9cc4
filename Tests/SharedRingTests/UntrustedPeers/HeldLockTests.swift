import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// An untrusted peer's description of the ring's file, and what it locks.
private final class UntrustedPeer: Sendable {
    let file: Int32

    init(_ path: String, _ mode: Int32 = O_RDWR) { file = open(path, mode) }

    deinit { close(file) }
}

@Suite("Role bytes that an untrusted peer holds keep a role taken or feign a life; they never feign a death", .oneByOne)
struct HeldLockTests {
    let place = Place()

    private func ring() throws(RingError) -> SPSCRing { try .openOrCreate("r", options: place.options()) }

    @Test("One byte, for writing or for reading: the role is taken, the other one free", arguments: [false, true])
    func oneByte(shared: Bool) throws {
        let ring = try ring()
        let untrusted = UntrustedPeer(place.path("r"), shared ? O_RDONLY : O_RDWR)
        let lock = shared ? ts_lock_shared : ts_lock_exclusive
        #expect(lock(untrusted.file, sr_lock_consumer(0), 1) == 0)
        expectError(.roleTaken, saying: "an unknown process") { () throws(RingError) in _ = try ring.makeConsumer() }
        expectError(.inUse, saying: "as consumer") { () throws(RingError) in try SPSCRing.remove("r", options: place.options()) }
        var producer = try ring.makeProducer()
        try producer.send("x")
        #expect(ts_unlock(untrusted.file, sr_lock_consumer(0), 1) == 0)
        var consumer = try ring.makeConsumer()
        #expect(try consumer.pollText() == "x")
    }

    @Test("A file that can only be read takes no write lock") func readOnly() throws {
        _ = try ring()
        let untrusted = UntrustedPeer(place.path("r"), O_RDONLY)
        #expect(ts_lock_exclusive(untrusted.file, sr_lock_consumer(0), 1) == -EBADF)
    }

    @Test("A lane's byte: the next lane is taken; with all of them, the error lists the lanes") func lanes() throws {
        let ring = try MPSCRing.create("m", lanes: 3, options: place.options())
        let untrusted = UntrustedPeer(place.path("m"))
        #expect(ts_lock_shared(untrusted.file, sr_lock_producer(0), 2) == 0)
        let producer = try ring.makeProducer()
        #expect(producer.lane == 2)
        expectError(.roleTaken, saying: "all its 3 lanes", "process \(getpid())") { () throws(RingError) in _ = try ring.makeProducer() }
        withExtendedLifetime(untrusted) {}
    }

    /// As a remover's, which goes after a moment; this one does not.
    /// Attaching tries 10,000 times, a millisecond apart: both forms wait at once.
    /// It waits for ten seconds: 10,000 tries, a millisecond apart.
    @Test(
        "Every byte: attaching and removing give up in the end, with inUse",
        .enabled(if: soakFactor > 1, "with SHAREDRING_SOAK_SECONDS above 1, as stage hostile has it"))
    func everything() throws {
        let options = place.options()
        let workers = try [("exclusive", O_RDWR, ts_lock_exclusive), ("shared", O_RDONLY, ts_lock_shared)].map { name, mode, lock in
            let ring = try SPSCRing.create(name, options: options)
            let untrusted = UntrustedPeer(place.path(name), mode)
            #expect(lock(untrusted.file, sr_lock_first(), 0) == 0)
            return Worker {
                expectError(.inUse, saying: "10,000") { () throws(RingError) in _ = try ring.makeConsumer() }
                expectError(.inUse, saying: "1,000") { () throws(RingError) in try SPSCRing.remove(name, options: options) }
                #expect(ts_unlock(untrusted.file, sr_lock_first(), 0) == 0)
                _ = try ring.makeConsumer()
            }
        }
        for worker in workers { try worker.join() }
        #expect(place.names == ["exclusive", "shared"])
    }

    /// As one who flushes or removes the segment has them, stopped in the midst; or an untrusted peer that may read.
    @Test("A call with a deadline keeps to it while every byte is locked, and goes on when they are free", arguments: [false, true])
    func deadline(shared: Bool) throws {
        let lock = shared ? ts_lock_shared : ts_lock_exclusive
        let board = try Board.create(
            "board", entries: [Board.Entry("a", capacity: 8)], room: Board.Room(entries: 1, byteCount: 8), options: place.options())
        let broadcast = try BroadcastRing.create("broadcast", options: place.options())
        let files = ["board", "broadcast"].map { UntrustedPeer(place.path($0), shared ? O_RDONLY : O_RDWR) }
        for untrusted in files { #expect(lock(untrusted.file, sr_lock_first(), 0) == 0) }
        for timeout in [Duration.zero, .milliseconds(20)] {
            expectError(.timedOut, saying: "board 'board'", "locked to the deadline") { () throws(RingError) in
                _ = try board.set("a", to: "x", timeout: timeout)
            }
            expectError(.timedOut, saying: "board 'board'", "locked to the deadline") { () throws(RingError) in
                try board.addEntry("b", capacity: 8, timeout: timeout)
            }
            for name in [nil, "known"] {
                expectError(.timedOut, saying: "ring 'broadcast'", "locked to the deadline") { () throws(RingError) in
                    _ = try broadcast.makeSubscriber(as: name, timeout: timeout)
                }
            }
        }
        let workers = [
            Worker {
                try board.set("a", to: "set", timeout: patience)
                try board.addEntry("b", capacity: 8, timeout: patience)
            }, Worker { _ = try broadcast.makeSubscriber(as: "known", timeout: patience) },
        ]
        usleep(5000)  // more often waiting than not; either way is right
        for untrusted in files { #expect(ts_unlock(untrusted.file, sr_lock_first(), 0) == 0) }
        for worker in workers { try worker.join() }
        var view = try board.makeView()
        #expect(try view.snapshot()["a"]?.text == "set")
        #expect(view.keys == ["a", "b"])
    }

    @Test("A dead producer looks alive while an untrusted peer holds its byte, and has died when it lets go", arguments: [false, true])
    func feignedLife(shared: Bool) throws {
        let peer = try Peer("producer", of: "r", in: place)
        var consumer = try ring().makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        #expect(try peer.ask("send x") == "sent")
        let untrusted = UntrustedPeer(place.path("r"), shared ? O_RDONLY : O_RDWR)
        let lock = shared ? ts_lock_shared : ts_lock_exclusive
        // Not while the holder lives.
        #expect(lock(untrusted.file, sr_lock_producer(0), 1) == -EAGAIN)
        peer.kill()
        #expect(lock(untrusted.file, sr_lock_producer(0), 1) == 0)

        #expect(try consumer.next(timeout: patience)?.text == "x")
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(50)) }
        let isAttached = consumer.isPeerAttached
        #expect(isAttached)
        expectError(.roleTaken, saying: "\(peer.pid)") { () throws(RingError) in _ = try ring().makeProducer() }
        #expect(ts_unlock(untrusted.file, sr_lock_producer(0), 1) == 0)
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
    }

    @Test("An untrusted peer's lock or unlock takes no live role away") func feignedDeath() throws {
        let ring = try ring()
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        let untrusted = UntrustedPeer(place.path("r"))
        for start in [0, sr_lock_consumer(0), sr_lock_producer(0)] {
            #expect(ts_unlock(untrusted.file, start, 0) == 0)
            #expect(ts_lock_exclusive(untrusted.file, start, 0) == -EAGAIN)
            #expect(ts_lock_shared(untrusted.file, start, 0) == -EAGAIN)
        }
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(30)) }
        expectError(.roleTaken) { () throws(RingError) in _ = try ring.makeProducer() }
        try producer.send("x")
        #expect(try consumer.pollText() == "x")
    }
}

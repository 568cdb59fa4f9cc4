import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// What the child of a test does; its result is its exit status.
private final class Child {
    let body: () -> Int32

    init(_ body: @escaping () -> Int32) { self.body = body }

    /// Forks, runs the body in the child, and gives its exit status; 128 and the signal's number if it was killed.
    func run() -> Int32 { end(of: start()) }

    func start() -> pid_t {
        ts_fork({ Unmanaged<Child>.fromOpaque($0!).takeUnretainedValue().body() }, Unmanaged.passUnretained(self).toOpaque())
    }
}

private func code(_ body: () throws(RingError) -> Void) -> RingError.Code? {
    do throws(RingError) {
        try body()
        return nil
    } catch {
        return error.code
    }
}

@Suite("A forked child can't use, hold or harm its parent's endpoints", .oneByOne, .serialized)
struct ForkTests {
    @Test("Every call of an inherited endpoint throws forked; dropping it in the child is harmless; the parent goes on")
    func inherited() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let senderPlace = UnsafeMutablePointer<Producer>.allocate(capacity: 1)
        let receiverPlace = UnsafeMutablePointer<Consumer>.allocate(capacity: 1)
        senderPlace.initialize(to: try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10))))
        receiverPlace.initialize(to: try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))))
        try senderPlace.pointee.send("before")
        let status = Child {
            let bytes: [UInt8] = [1]
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
            var step: Int32 = 0
            func isForked(_ body: () throws(RingError) -> Void) -> Bool {
                step += 1
                return code(body) == .forked
            }
            guard isForked({ () throws(RingError) in try senderPlace.pointee.send(bytes) }),
                isForked({ () throws(RingError) in _ = try senderPlace.pointee.trySend(bytes) }),
                isForked({ () throws(RingError) in try senderPlace.pointee.send(value: 1) }),
                isForked({ () throws(RingError) in _ = try senderPlace.pointee.claim(byteCount: 1) }),
                isForked({ () throws(RingError) in _ = try senderPlace.pointee.tryClaim(byteCount: 1) }),
                isForked({ () throws(RingError) in
                    var batch = senderPlace.pointee.batch()
                    try batch.append(bytes)
                }),
                isForked({ () throws(RingError) in try senderPlace.pointee.waitUntilAcknowledged() }),
                isForked({ () throws(RingError) in try senderPlace.pointee.waitForPeer() }),
                isForked({ () throws(RingError) in _ = try receiverPlace.pointee.next() }),
                isForked({ () throws(RingError) in _ = try receiverPlace.pointee.poll() }),
                isForked({ () throws(RingError) in _ = try receiverPlace.pointee.receive() }),
                isForked({ () throws(RingError) in _ = try receiverPlace.pointee.receive(into: buffer) }),
                isForked({ () throws(RingError) in try receiverPlace.pointee.acknowledge() }),
                isForked({ () throws(RingError) in try receiverPlace.pointee.waitForPeer() }),
                isForked({ () throws(RingError) in _ = try receiverPlace.pointee.removeRingIfUnused() })
            else { return step }
            guard receiverPlace.pointee.drain({ _ in }) == 0 else { return 50 }
            guard senderPlace.pointee.freeBytes == 0 else { return 51 }
            senderPlace.pointee.canceller.cancel()
            senderPlace.pointee.makeRingPersistent()
            _ = senderPlace.pointee.isPeerAttached
            guard !receiverPlace.pointee.isRingPersistent, !receiverPlace.pointee.isPeerAttached else { return 53 }
            // Closing throws too, and consumes.
            guard code({ () throws(RingError) in try senderPlace.move().close() }) == .forked else { return 52 }
            receiverPlace.deinitialize(count: 1)
            return 0
        }.run()
        #expect(status == 0)

        var sender = senderPlace.move()
        var receiver = receiverPlace.move()
        #expect(try receiver.pollText() == "before")
        try sender.send("after")
        #expect(try receiver.pollText() == "after")
        let isAttached = sender.isPeerAttached
        #expect(isAttached)
        try sender.close()
        #expect(try receiver.pollText() == "(ended)")
    }

    @Test("A child that lives on does not keep its parent's role") func childKeepsNothing() throws {
        let place = Place()
        let ring = try SPSCRing.create("r", options: place.options())
        var producer: Producer? = try ring.makeProducer()
        let child = Child {
            sleep(300)
            return 0
        }
        let pid = child.start()
        defer {
            kill(pid, SIGKILL)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
        }
        expectError(.roleTaken) { () throws(RingError) in _ = try ring.makeProducer() }
        producer = nil
        _ = producer == nil
        // The child's handler has closed its copy by the time it runs; fork returns to us before that, perhaps.
        #expect(eventually { (try? ring.makeProducer()) != nil })
        withExtendedLifetime(place) {}
    }

    @Test("A killed parent has died although a child it forked lives on") func childOutlivesParent() throws {
        let place = Place()
        let ring = try SPSCRing.create("r", options: place.options())
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let peer = try Peer("producer", of: "r", in: place)
        let child = try #require(pid_t(try peer.ask("fork")))
        #expect(child > 0)
        defer { kill(child, SIGKILL) }
        peer.kill()
        // The child ends by itself after five minutes; a death reported only then would be its own.
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
        #expect(kill(child, 0) == 0, "it lives")
        try ring.makeProducer().close()
        withExtendedLifetime(place) {}
    }

    @Test("A child may take roles of its own, of its parent's rings") func ownRoles() throws {
        let place = Place()
        let ring = try SPSCRing.create("r", options: place.options())
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let status = Child {
            code { () throws(RingError) in
                var producer = try ring.makeProducer()
                try producer.send("from the child")
                try producer.close()
            } == nil ? 0 : 1
        }.run()
        #expect(status == 0)
        withExtendedLifetime(place) {}
        #expect(try consumer.pollText() == "from the child")
        #expect(try consumer.pollText() == "(ended)")
    }

    @Test("A role taken in a child that exits without closing has died") func childDies() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let descriptor = try ring.duplicateDescriptor()
        defer { close(descriptor) }
        let status = Child {
            // Kept until the process ends.
            let place = UnsafeMutablePointer<Producer?>.allocate(capacity: 1)
            place.initialize(to: try? SPSCRing.open(descriptor: descriptor).makeProducer())
            return place.pointee == nil ? 1 : 0
        }.run()
        #expect(status == 0)
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
    }
}

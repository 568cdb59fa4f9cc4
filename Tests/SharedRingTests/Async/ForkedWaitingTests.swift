import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

/// Whether this thread is the only one of its process that does anything.
private func isAlone() -> Bool {
    let own = "\(ts_thread())"
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return threads.allSatisfy { thread in
        guard thread != own, let facts = try? String(contentsOfFile: "/proc/self/task/\(thread)/stat", encoding: .utf8) else { return true }
        // Its name, in parentheses, and its state: S sleeps.
        return facts.split(separator: ")").last?.dropFirst().first == "S"
    }
}

/// What a child does, and its result as its exit status.
private func inChild(_ body: @escaping () -> Int32) -> Int32 {
    // A thread that holds a lock of the Swift runtime at the moment of the fork holds it in the child for ever.
    #expect(eventually { isAlone() })
    final class Body { let run: () -> Int32; init(_ run: @escaping () -> Int32) { self.run = run } }
    return end(
        of: ts_fork(
            { Unmanaged<Body>.fromOpaque($0!).takeRetainedValue().run() }, Unmanaged.passRetained(Body(body)).toOpaque()))
}

private func isReadable(_ descriptor: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, patienceMilliseconds) == 1
}

@Suite("Waiting and forked children", .oneByOne, .serialized)
struct ForkedWaitingTests {
    // Each in a process of its own, where no other test runs: see `isAlone`.

    @Test("A child has no waiter thread of its parent's: it starts its own, for its own endpoints, and harms no parent's wait")
    func ownThreads() async {
        await #expect(processExitsWith: .success) { try Self.forkWhileWaiting() }
    }

    private static func forkWhileWaiting() throws {
        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var producer = try ring.makeProducer()
        // The parent has a thread that waits, which the child lacks.
        let place = UnsafeMutablePointer<EventSource<Consumer>>.allocate(capacity: 1)
        place.initialize(to: try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(20))).eventSource())
        #expect(try place.pointee.drain { _ in } == .empty)
        let status = inChild {
            // The parent's: waited for over there, and not the child's to end.
            do {
                try place.pointee.drain { _ in }
                return 1
            } catch {
                guard (error as? RingError)?.code == .forked else { return 6 }
            }
            do {
                let own = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
                var source = try own.makeConsumer().eventSource()
                guard try source.drain({ _ in }) == .empty else { return 2 }
                var producer = try own.makeProducer()
                try producer.send("x")
                guard isReadable(source.descriptor) else { return 3 }
                var count = 0
                guard try source.drain({ _ in count += 1 }) == .empty, count == 1 else { return 4 }
                // Waited for while this process ends.
                place.deinitialize(count: 1)
                return 0
            } catch {
                return 5
            }
        }
        #expect(status == 0)
        try producer.send("still heard")
        #expect(isReadable(place.pointee.descriptor))
        var texts: [String] = []
        #expect(try place.pointee.drain { texts.append($0.text) } == .empty)
        #expect(texts == ["still heard"])
        place.deinitialize(count: 1)
        place.deallocate()
    }

    @Test("A child that drops its parent's link does not hang it up, and a listener is its parent's alone") func links() async {
        await #expect(processExitsWith: .success) { try Self.forkWithLink() }
    }

    private static func forkWithLink() throws {
        let place = Place()
        let listener = try LinkListener(path: place.path("s"))
        let worker = Worker { Box(try Link.connect(path: place.path("s"), timeout: patience)) }
        let link = UnsafeMutablePointer<Link>.allocate(capacity: 1)
        link.initialize(to: try listener.accept(timeout: patience))
        var client = try worker.join().take()
        let status = inChild {
            link.deinitialize(count: 1)
            do throws(RingError) {
                _ = try listener.accept(timeout: .zero)
                return 1
            } catch {
                return error.code == .forked ? 0 : 2
            }
        }
        #expect(status == 0)
        try client.producer.send("both ways")
        #expect(try link.pointee.consumer.next(timeout: patience)?.text == "both ways")
        try link.pointee.producer.send("still")
        #expect(try client.consumer.next(timeout: patience)?.text == "still")
        link.deinitialize(count: 1)
        link.deallocate()
    }
}

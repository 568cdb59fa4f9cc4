import CSharedRing
import CTestSupport
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

@Suite("Links: side by side", .oneByOne)
struct LinkLoadTests {
    private let place = Place()
    private var path: String { place.path("service") }

    private func options(handshake: Duration = asyncPatience) -> LinkOptions {
        var options = LinkOptions()
        options.ring.capacity = 4096
        options.handshakeTimeout = handshake
        return options
    }

    private func silentClient() throws -> Descriptor {
        let result = sr_socket_connect(path, Deadline(after: patience).nanoseconds)
        try #require(result >= 0)
        return Descriptor(result)
    }

    @Test("Clients that say nothing hold up no other") func silent() throws {
        // None of them is given up meanwhile: no thread waits for that.
        let listener = try LinkListener(path: path, options: options(handshake: .seconds(600)))
        let silent = try (0..<20).map { _ in try silentClient() }
        for number in 0..<5 {
            let worker = Worker { [path, options = options()] in Box(try Link.connect(path: path, options: options, timeout: patience)) }
            var server = try listener.accept(timeout: patience) { error in Issue.record("refused: \(error)") }
            var client = try worker.join().take()
            try server.producer.send("\(number)")
            #expect(try client.consumer.next(timeout: patience)?.text == "\(number)")
        }
        listener.close()
        withExtendedLifetime(silent) {}
    }

    @Test("More of them than there are places: those silent for longest go, and a client gets through") func tooMany() throws {
        let listener = try LinkListener(path: path, options: options(handshake: .milliseconds(800)))
        let silent = try (0..<120).map { _ in try silentClient() }
        // On a busy machine its handshake may take longer than the listener allows: then once more.
        let worker = Worker { [path, options = options()] in
            let end = ContinuousClock.now + patience
            while true {
                do throws(RingError) { return Box(try Link.connect(path: path, options: options, timeout: patience)) } catch {
                    guard ContinuousClock.now < end else { throw error }
                }
            }
        }
        let refused = Mutex(0)
        var server = try listener.accept(timeout: patience) { error in
            #expect(error.code == .handshakeFailed)
            refused.withLock { $0 += 1 }
        }
        var client = try worker.join().take()
        try server.producer.send("x")
        #expect(try client.consumer.next(timeout: patience)?.text == "x")
        #expect(refused.withLock { $0 } > 0)
        listener.close()
        withExtendedLifetime(silent) {}
    }

    @Test("Links that no process takes have their places, too; closing hangs up on their clients") func untaken() throws {
        let listener = try LinkListener(path: path, options: options())
        var client = try Link.connect(path: path, options: options(), timeout: patience)
        var entry = pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, patienceMilliseconds) == 1, "an event loop knows of it")
        listener.close()
        expectError(.peerDied) { () throws(RingError) in
            while try client.consumer.next(timeout: patience) != nil {}
            throw RingError(.peerDied, ring: "", "it closed in order")
        }
        expectError(.cancelled) { () throws(RingError) in _ = try listener.accept() }
    }

    @Test("Waiting for clients and for services holds no thread of the pool") func noThreadHeld() async throws {
        // More than a pool has threads.
        let count = 4 * ProcessInfo.processInfo.activeProcessorCount
        try await withThrowingTaskGroup(of: Box<Link>.self) { group in
            for _ in 0..<count {
                group.addTask { Box(try await Link.connect(path: path, options: options(), timeout: asyncPatience)) }
            }
            let listener = try LinkListener(path: path, options: options())
            for _ in 0..<count {
                group.addTask { Box(try await listener.accept(timeout: asyncPatience)) }
            }
            var links: [Box<Link>] = []
            for try await link in group { links.append(link) }
            #expect(links.count == 2 * count)
            listener.close()
            for link in links { try link.take().close() }
        }
    }

    @Test("A task's waiting ends by time, by closing, and by its cancellation") func endings() async throws {
        let listener = try LinkListener(path: path, options: options())
        #expect(await code { () async throws(RingError) in _ = try await listener.accept(timeout: .zero) } == .timedOut)
        #expect(await code { () async throws(RingError) in _ = try await listener.accept(timeout: .milliseconds(10)) } == .timedOut)
        let cancelled = Task { await code { () async throws(RingError) in _ = try await listener.accept() } }
        cancelled.cancel()
        #expect(await cancelled.value == .cancelled)
        let closed = Task { await code { () async throws(RingError) in _ = try await listener.accept() } }
        listener.close()
        #expect(await closed.value == .cancelled)
        let connecting = Task { [path] in
            await code { () async throws(RingError) in _ = try await Link.connect(path: path, timeout: nil) }
        }
        connecting.cancel()
        #expect(await connecting.value == .cancelled)
        #expect(await code { () async throws(RingError) in _ = try await Link.connect(path: path) } == .notFound)
    }
}

private func code(_ body: () async throws(RingError) -> Void) async -> RingError.Code? {
    do throws(RingError) {
        try await body()
        return nil
    } catch {
        return error.code
    }
}

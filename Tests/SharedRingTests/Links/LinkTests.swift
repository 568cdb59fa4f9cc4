import CSharedRing
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

/// So long a check interval that no test gets through by it: what ends a wait is the socket's hang-up.
private func options(users: RingOptions.Owners = .sameUser) -> LinkOptions {
    var options = LinkOptions()
    options.ring.capacity = 1 << 14
    options.endpoints.checkInterval = longCheckInterval
    options.handshakeTimeout = asyncPatience
    options.allowedUsers = users
    return options
}

@Suite("Links: rings handed over through a socket", .oneByOne)
struct LinkTests {
    private let place = Place()
    private var path: String { place.path("service") }

    /// Both ends of a link in this process.
    private func pair() throws -> (Box<Link>, Box<Link>) {
        let listener = try LinkListener(path: path, options: options())
        let worker = Worker { [path] in Box(try Link.connect(path: path, options: options(), timeout: patience)) }
        let server = Box(try listener.accept(timeout: patience))
        return (server, try worker.join())
    }

    @Test("Both directions, taken apart for two tasks; each side knows the other") func bothWays() async throws {
        let (one, other) = try pair()
        let client = other.take()
        #expect(client.peer.processID == UInt32(getpid()))
        #expect(client.peer.userID == getuid())
        let producer = Box(client.producer)
        let consumer = Box(client.consumer)
        let server = Task {
            var link = one.take()
            try await link.consumer.waitUntilReady()
            var texts: [String] = []
            try await link.consumer.forEach { texts.append($0.text) }
            for text in texts.reversed() { try await link.producer.send(text) }
            try link.close()
        }
        let sending = producer.take()
        for number in 0..<100 { try await sending.send("\(number)") }
        try sending.close()
        var next = 99
        for try await message in consumer.take().messages() {
            #expect(message.text == "\(next)")
            next -= 1
        }
        #expect(next == -1)
        try await server.value
    }

    @Test("A client that is killed ends its server's wait at once; so does a server its client's") func killed() throws {
        let server = try Peer(["link-echo", path])
        #expect(try server.line() == "listening")
        let client = try Peer(["link-talk", path])
        #expect(try client.line() == "linked")
        #expect(try client.ask("hello") == "hello")
        client.kill()
        #expect(try server.line() == "error peerDied")

        var link = try Link.connect(path: path, options: options())
        let worker = Worker {
            usleep(20_000); server.kill()
        }
        expectError(.peerDied) { () throws(RingError) in _ = try link.consumer.next(timeout: patience) }
        try worker.join()
    }

    @Test("A task's wait, too, ends with the other side's life") func killedAsync() async throws {
        let server = try Peer(["link-echo", path])
        #expect(try server.line() == "listening")
        var link = try await Link.connect(path: path, options: options())
        let worker = Worker { [watch = link.consumer.core.watch] in
            #expect(eventually(within: asyncPatienceSeconds) { sr_load_acquire_u32(watch.sleeper.doorbell) == 1 })
            server.kill()
        }
        try await link.consumer.waitUntilReady(timeout: asyncPatience)
        expectError(.peerDied) { () throws(RingError) in _ = try link.consumer.poll() }
        try worker.join()
    }

    @Test("A service that was killed is started again at the same path, and its clients reconnect", arguments: 1...3) func restart(
        round: Int
    ) throws {
        for life in 0..<round {
            let server = try Peer(["link-echo", path])
            #expect(try server.line() == "listening", "the dead one's socket is no obstacle")
            var link = try Link.connect(path: path, options: options(), timeout: patience)
            try link.producer.send("life \(life)")
            #expect(try link.consumer.next(timeout: patience)?.text == "life \(life)")
            server.kill()
            #expect(FileManager.default.fileExists(atPath: path), "it is left behind")
            expectError(.notFound) { () throws(RingError) in _ = try Link.connect(path: path, options: options()) }
        }
    }

    @Test("A client waits for a service that is still to come") func early() throws {
        let client = try Peer(["link-talk", path])
        let server = try Peer(["link-echo", path])
        #expect(try server.line() == "listening")
        #expect(try client.line() == "linked")
        #expect(try client.ask("x") == "x")
        client.tell("close")
        #expect(try server.line() == "ended")
        #expect(try client.wait() == 0)
    }

    @Test("A living listener's path is never taken, by whatever it is held; a closed one's is free") func onlyOne() throws {
        let first = try LinkListener(path: path, options: options())
        expectError(.inUse) { () throws(RingError) in _ = try LinkListener(path: path, options: options()) }
        first.close()
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(!FileManager.default.fileExists(atPath: path + ".lock"), "it would keep other users out")
        try LinkListener(path: path, options: options()).close()

        let foreign = sr_socket_listen(path, 0o600)
        expectError(.inUse, saying: "another program") { () throws(RingError) in _ = try LinkListener(path: path, options: options()) }
        _ = sr_close(foreign)
        try LinkListener(path: path, options: options()).close()

        #expect(FileManager.default.createFile(atPath: path, contents: Data("precious".utf8)))
        expectError(.alreadyExists) { () throws(RingError) in _ = try LinkListener(path: path, options: options()) }
        #expect(FileManager.default.contents(atPath: path) == Data("precious".utf8))
        expectError(.invalidName) { () throws(RingError) in
            _ = try LinkListener(path: String(repeating: "x", count: 200), options: options())
        }
    }

    @Test("Waiting for clients ends by time, and by closing from another thread") func endings() throws {
        let listener = try LinkListener(path: path, options: options())
        expectError(.timedOut) { () throws(RingError) in _ = try listener.accept(timeout: .zero) }
        expectError(.timedOut) { () throws(RingError) in _ = try listener.accept(timeout: .milliseconds(10)) }
        let worker = Worker {
            usleep(20_000); listener.close()
        }
        expectError(.cancelled) { () throws(RingError) in _ = try listener.accept() }
        try worker.join()
        expectError(.cancelled) { () throws(RingError) in _ = try listener.accept() }
    }

    @Test("Users who are not allowed are turned away, on both sides") func users() throws {
        let listener = try LinkListener(path: path, options: options(users: .users([4_000_000])))
        let worker = Worker { [path] () -> RingError.Code? in
            do throws(RingError) {
                _ = try Link.connect(path: path, options: options(), timeout: patience)
                return nil
            } catch {
                return error.code
            }
        }
        let refused = Mutex<[RingError.Code]>([])
        expectError(.timedOut) { () throws(RingError) in
            // Until that one client has come; then no other comes any more.
            while refused.withLock({ $0.isEmpty }) {
                do throws(RingError) {
                    _ = try listener.accept(timeout: .milliseconds(50)) { error in refused.withLock { $0.append(error.code) } }
                } catch {
                    if error.code != .timedOut || refused.withLock({ !$0.isEmpty }) { throw error }
                }
            }
        }
        #expect(refused.withLock { $0 } == [.wrongOwner])
        #expect(try worker.join() == .wrongOwner)
        listener.close()

        let other = try LinkListener(path: path, options: options())
        expectError(.wrongOwner) { () throws(RingError) in
            _ = try Link.connect(path: path, options: options(users: .users([4_000_000])), timeout: patience)
        }
        other.close()
    }

    @Test("Many clients at a time, each with a link of its own") func many() throws {
        let server = try Peer(["link-echo", path])
        #expect(try server.line() == "listening")
        let workers = (0..<8).map { number in
            Worker { [path] in
                var link = try Link.connect(path: path, options: options(), timeout: patience)
                for turn in 0..<200 {
                    try link.producer.send("\(number) \(turn)")
                    guard try link.consumer.next(timeout: patience)?.text == "\(number) \(turn)" else { return false }
                }
                try link.close()
                return true
            }
        }
        for worker in workers { #expect(try worker.join()) }
        withExtendedLifetime(server) {}
    }
}

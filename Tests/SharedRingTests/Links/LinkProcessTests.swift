import CSharedRing
import CTestSupport
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

@Suite("Links: what a process has, keeps and leaves behind", .oneByOne)
struct LinkProcessTests {
    private let place = Place()
    private var path: String { place.path("service") }

    @Test("A worker forked from a service keeps nothing of it: the dead service's client knows at once, and a successor listens")
    func forked() throws {
        let service = try Peer(["link-fork", path])
        #expect(try service.line() == "listening")
        var options = LinkOptions()
        options.endpoints.checkInterval = longCheckInterval
        options.handshakeTimeout = asyncPatience
        var link = try Link.connect(path: path, options: options, timeout: patience)
        let child = try #require(pid_t(try service.line()))
        defer { kill(child, SIGKILL) }
        // The child has run its handlers before it does anything else.
        #expect(eventually { inherited(by: child).isEmpty }, "\(inherited(by: child))")
        service.kill()
        expectError(.peerDied) { () throws(RingError) in _ = try link.consumer.next(timeout: patience) }
        let successor = try LinkListener(path: path)
        #expect(kill(child, 0) == 0, "it lives")
        successor.close()
    }

    /// What a process has open that it can only have from the library. Swift's own runtime may have an event descriptor.
    private func inherited(by process: pid_t) -> [String] {
        let directory = "/proc/\(process)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let files = names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\($0)") }
        return files.filter { $0.hasPrefix("socket:") || $0.contains("memfd:") || $0.contains("eventpoll") || $0.hasSuffix(".lock") }
    }

    @Test("In a forked child every descriptor of the library is closed, and one that the user asked for is not")
    func closedInChild() throws {
        let ring = try SPSCRing.anonymous()
        let source = try ring.makeConsumer().eventSource()
        let listener = try LinkListener(path: path)
        let own = try ring.duplicateDescriptor()
        defer { close(own) }
        let numbers = [source.descriptor, listener.descriptor, try #require(ring.ownedDescriptor).userNumber]
        let pid = ts_split()
        if pid == 0 {
            let isOpen = numbers.contains { fcntl($0, F_GETFD) >= 0 }
            var code = RingError.Code?.none
            do throws(RingError) { _ = try ring.makeProducer() } catch { code = error.code }
            listener.close()
            let isFree = (try? SPSCRing.open(descriptor: own).makeProducer()) != nil
            ts_leave(isOpen ? 1 : code != .forked ? 2 : source.descriptor >= 0 ? 3 : !isFree ? 4 : 0)
        }
        var status: Int32 = -1
        #expect(eventually { waitpid(pid, &status, WNOHANG) == pid })
        #expect(status == 0, "exit status \(status >> 8)")
        #expect(FileManager.default.fileExists(atPath: path), "the child's close is none of the listener's business")
        withExtendedLifetime(ring) {}
        listener.close()
        _ = source.descriptor
    }

    @Test("A listener removes its own files, once, wherever it works by then") func removesItsOwn() throws {
        let other = Place()
        let foreign = other.path("service")
        try Data("foreign".utf8).write(to: URL(fileURLWithPath: foreign))
        let mover = try Peer(["link-move", place.path, other.path])
        #expect(try mover.line() == "closed")
        #expect(try Data(contentsOf: URL(fileURLWithPath: foreign)) == Data("foreign".utf8))
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("precious".utf8), "its own had gone before")
        #expect(place.names == ["service"], "and the lock file with it")
        unlink(path)

        // Another process's socket has taken its place meanwhile.
        let listener = try LinkListener(path: path)
        unlink(path)
        let foreigner = sr_socket_listen(path, 0o600)
        listener.close()
        #expect(place.names == ["service"])
        _ = sr_close(foreigner)
    }

    @Test("A process that locks a lock file that has lost its name has no lock") func lostLock() throws {
        let lock = path + ".lock"
        let first = try LinkListener(path: path)
        // Opened before the listener closes, locked after.
        let late = open(lock, O_RDWR | O_CLOEXEC)
        #expect(late >= 0)
        first.close()
        defer { close(late) }
        #expect(sr_lock(late, sr_lock_consumer(0), 1) == 0)
        let second = try LinkListener(path: path)
        expectError(.inUse, saying: "user \(getuid())", "service.lock") { () throws(RingError) in _ = try LinkListener(path: path) }
        second.close()
        #expect(place.names == [])
    }

    @Test("Another user's lock file: the error says whose", .enabled(if: getuid() == 0)) func otherUser() throws {
        // Killed: it leaves its files behind. The next one is of a user who may not open them.
        #expect(chmod(place.path, 0o777) == 0)
        let dead = try Peer(["link-echo", path])
        #expect(try dead.line() == "listening")
        dead.kill()
        #expect(chown(path + ".lock", 4_000_001, 4_000_001) == 0)
        let other = try Peer(["link-as", "4000002", path])
        let answer = try other.line()
        #expect(answer.hasPrefix("error wrongOwner"), "\(answer)")
        #expect(answer.contains("user 4000001") && answer.contains(path + ".lock"), "\(answer)")
    }

    @Test("A client without a free descriptor says so itself, and the listener serves the next one") func poorClient() throws {
        let server = try Peer(["link-echo", path])
        #expect(try server.line() == "listening")
        let poor = try Peer(["link-poor", path])
        #expect(try poor.line() == "system \(EMFILE)")
        #expect(try server.line() == "refused peerDied")
        var options = LinkOptions()
        options.handshakeTimeout = asyncPatience
        var link = try Link.connect(path: path, options: options, timeout: patience)
        try link.producer.send("x")
        #expect(try link.consumer.next(timeout: patience)?.text == "x")
    }

    @Test("A listener without a free descriptor says so once, and serves its clients when it has some again") func scarce() throws {
        let server = try Peer(["link-scarce", path])
        #expect(try server.line() == "listening")
        var options = LinkOptions()
        options.handshakeTimeout = asyncPatience
        let worker = Worker { [path, options] in
            var link = try Link.connect(path: path, options: options, timeout: patience)
            try link.producer.send("still there")
            let answer = try link.consumer.next(timeout: patience)?.text
            try link.close()
            return answer
        }
        #expect(try server.line() == "refused system \(EMFILE)")
        server.tell("go on")
        #expect(try worker.join() == "still there")
        #expect(try server.line() == "ended")
    }

    @Test("A process that was started without standard descriptors has none of the library's in their place") func lowNumbers() throws {
        let shell = try Peer(
            ["-c", "exec \"$0\" link-numbers \"$1\" <&- >&- 2>&-", Peer.executable, place.path], executable: "/bin/sh")
        #expect(try shell.wait() == 0)
    }
}

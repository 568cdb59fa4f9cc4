import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite(
    "Processes that see other processes, file systems, clocks or users than each other share a ring", .oneByOne,
    .serialized, .enabled(if: Namespaces.canBeChanged, "making namespaces and changing users needs root"))
struct NamespaceTests {
    let place = Place()

    private func ring(_ change: (inout RingOptions) -> Void = { _ in }) throws(RingError) -> SPSCRing {
        var options = place.options()
        change(&options)
        return try SPSCRing.openOrCreate("r", options: options)
    }

    @Test("Pid namespaces: two processes with the same pid keep their roles apart, and a death is seen across") func pids() throws {
        let words = [Namespaces.unshare, "--pid", "--fork", "--kill-child"]
        let sender = try Peer("producer", of: "r", in: place, by: words, "check-interval=10")
        let receiver = try Peer("consumer", of: "r", in: place, by: words, "check-interval=10")
        let report = try RingReport("r", options: place.options())
        #expect(report.consumer.holder?.processID == 1 && report.lanes[0].producer.holder?.processID == 1, "each is its namespace's first")
        #expect(report.consumer.presence == .attached && report.lanes[0].producer.presence == .attached)
        expectError(.roleTaken, saying: "process 1 ") { () throws(RingError) in try ring().makeProducer().close() }
        #expect(try sender.ask("send across") == "sent")
        #expect(try receiver.ask("next") == "message across")
        receiver.tell("next")
        sender.kill()  // and its child with it
        let answer = try receiver.line()
        #expect(answer.hasPrefix("error peerDied"), "\(answer)")
        #expect(try RingReport("r", options: place.options()).lanes[0].producer.presence == .died)
    }

    @Test("A /dev/shm of one's own: the same name is another ring there; a descriptor leads to the same one everywhere") func mounts()
        throws
    {
        var options = place.options()
        options.directory = "/dev/shm"
        let name = "sharedring-tests-\(getpid())-private"
        let outside = try SPSCRing.create(name, options: options)
        defer { try? SPSCRing.remove(name, options: options) }
        let mounted = Peer.afterMounting("mount -t tmpfs none /dev/shm")
        let inside = try Peer(
            mounted.dropFirst() + [Peer.executable, "producer", name, "directory=/dev/shm"], executable: mounted[0])
        #expect(try inside.line() == "attached")
        let own = try outside.makeProducer()  // no process has that role here
        try own.close()

        let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        var consumer = try ring.makeConsumer()
        let descriptor = try ring.duplicateDescriptor(inheritable: true)
        let handed = try Peer(mounted.dropFirst() + [Peer.executable, "producer", "-", "fd=\(descriptor)"], executable: mounted[0])
        close(descriptor)
        #expect(try handed.line() == "attached")
        #expect(try handed.ask("send through") == "sent")
        #expect(try consumer.next(timeout: patience)?.text == "through")
    }

    @Test("Without /proc a named ring works, and attaching by descriptor is an error that says so") func noProc() throws {
        let peer = try Peer("producer", of: "r", in: place, "hide=/proc")
        #expect(place.names == ["r"])
        var consumer = try ring().makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        #expect(try peer.ask("send x") == "sent")
        #expect(try consumer.next(timeout: patience)?.text == "x")
        let holder = try #require(try RingReport("r", options: place.options()).lanes[0].producer.holder)
        #expect(holder.processID == UInt32(peer.pid) && holder.startTime == 0 && holder.name == "", "what only /proc knows is left out")
        peer.kill()
        expectError(.peerDied, saying: "process \(peer.pid)") { () throws(RingError) in _ = try consumer.next(timeout: patience) }

        let anonymous = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
        let descriptor = try anonymous.duplicateDescriptor(inheritable: true)
        let handed = try Peer(["producer", "-", "fd=\(descriptor)", "hide=/proc"])
        close(descriptor)
        let answer = try handed.line()
        #expect(answer.hasPrefix("error system") && answer.contains("needs /proc, which is not there"), "\(answer)")
    }

    /// Deadlines are each process's own; nothing in the segment is measured by this clock.
    @Test(
        "Monotonic clocks months apart: waiting, waking and timeouts go on",
        .enabled(if: Namespaces.canHaveOwnTime, "no time namespaces"),
        arguments: ["10000000", "-1"])
    func clocks(offset: String) throws {
        // A clock can't be set back before 0, and this machine may have started a moment ago.
        let offset = offset == "-1" ? "-\(sr_now_ns() / 2_000_000_000)" : offset
        let words = [Namespaces.unshare, "--time", "--monotonic", offset, "--fork", "--kill-child"]
        let receiver = try Peer("consumer", of: "r", in: place, by: words, "waiting=sleep", "check-interval=10")
        var sender = try ring().makeProducer(waiting: .sleep, options: EndpointOptions(checkInterval: .milliseconds(10)))
        for i in 0..<50 {
            receiver.tell("next")
            if i % 10 == 0 { usleep(15_000) }  // it sleeps through a check interval
            try sender.send("\(i)")
            #expect(try receiver.line() == "message \(i)")
            try sender.waitUntilAcknowledged(timeout: patience)
        }
        expectError(.timedOut) { () throws(RingError) in
            _ = try sender.send([UInt8](repeating: 0, count: 3000), timeout: .zero)
            _ = try sender.send([UInt8](repeating: 0, count: 3000), timeout: .milliseconds(20))
        }
        receiver.kill()
        expectError(.peerDied) { () throws(RingError) in try sender.waitUntilAcknowledged(timeout: patience) }
    }

    // MARK: Users

    private static let otherUser: UInt32 = 4711
    private static let group: UInt32 = 4712

    private func become(_ user: UInt32) -> [String] {
        [Namespaces.setpriv, "--reuid=\(user)", "--regid=\(Self.group)", "--clear-groups", "--no-new-privs"]
    }

    @Test("A ring for a group: its members attach when they name its owner, and not by default; others not at all") func group() throws {
        chmod(place.path, 0o755)
        _ = try ring { $0.permissions = 0o660 }
        chown(place.path("r"), 0, Self.group)
        func attempt(_ words: [String], _ options: String...) throws -> String {
            try Peer(words.dropFirst() + [Peer.executable, "producer", "r", "directory=\(place.path)"] + options, executable: words[0])
                .line()
        }
        let byDefault = try attempt(become(Self.otherUser))
        #expect(
            byDefault.hasPrefix("error wrongOwner") && byDefault.contains("user 0, this process runs as \(Self.otherUser)"), "\(byDefault)")
        #expect(try attempt(become(Self.otherUser), "owner=1").hasPrefix("error wrongOwner"))
        let outsider = [Namespaces.setpriv, "--reuid=4713", "--regid=4713", "--clear-groups"]
        let refused = try attempt(outsider, "owner=anyone")
        #expect(refused.hasPrefix("error wrongOwner") && refused.contains("its mode is 660"), "\(refused)")

        let peer = try Peer("producer", of: "r", in: place, by: become(Self.otherUser), "owner=0", "check-interval=10")
        var consumer = try ring().makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .milliseconds(10)))
        #expect(try peer.ask("send from another user") == "sent")
        #expect(try consumer.next(timeout: patience)?.text == "from another user")
        peer.kill()
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
    }

    @Test("A ring of another user's is refused, also by root, unless it is asked for") func others() throws {
        chmod(place.path, 0o777)
        let peer = try Peer("producer", of: "r", in: place, by: become(Self.otherUser))
        #expect(try peer.ask("send x") == "sent")
        expectError(.wrongOwner, saying: "user \(Self.otherUser), this process runs as 0") { () throws(RingError) in _ = try ring() }
        var consumer = try ring { $0.allowedOwners = .users([Self.otherUser]) }.makeConsumer()
        #expect(try consumer.next(timeout: patience)?.text == "x")
    }

    /// In a user namespace that maps no user, the kernel shows this process to itself as the overflow user, and every file's owner, too.
    @Test("In a user namespace, a user that it does not map is none: not one's own, nor one that can be named") func unmapped() throws {
        _ = try ring()
        let words = [Namespaces.unshare, "--user", Peer.executable, "producer", "r", "directory=\(place.path)"]
        for options in [[], ["owner=65534"]] {
            let answer = try Peer(words.dropFirst() + options, executable: words[0]).line()
            #expect(answer.hasPrefix("error wrongOwner") && answer.contains("does not map"), "\(answer)")
        }
        #expect(try RingReport("r", options: place.options()).producerAttachments == 0)
        // It is a matter of whom to trust, and not of what can be done.
        let anyone = try Peer(words.dropFirst() + ["owner=anyone"], executable: words[0])
        #expect(try anyone.line() == "attached")

        let mapped = [Namespaces.unshare, "--user", "--map-root-user"]
        let own = try Peer("consumer", of: "r", in: place, by: mapped)
        #expect(try anyone.ask("send x") == "sent")
        #expect(try own.ask("next") == "message x")
    }

    @Test("A process that its user namespace does not map can use a ring that it has made without a name, and no link") func unmappedSelf()
        throws
    {
        let confined = try Peer(["--user", Peer.executable, "confined", "anonymous", place.path], executable: Namespaces.unshare)
        #expect(try confined.line() == "passed")
        let listener = try Peer(["link-echo", place.path("socket")])
        #expect(try listener.line() == "listening")
        let talker = try Peer(["--user", Peer.executable, "link-talk", place.path("socket")], executable: Namespaces.unshare)
        let answer = try talker.line()
        #expect(answer.hasPrefix("error wrongOwner") && answer.contains("does not map"), "\(answer)")
    }

    @Test("Who asks for another user's ring and finds none can use the one it makes") func ownAmongOthers() throws {
        var producer = try ring { $0.allowedOwners = .users([Self.otherUser]) }.makeProducer()
        try producer.send("x")
    }
}

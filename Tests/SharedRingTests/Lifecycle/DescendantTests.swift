import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("What a process starts, or becomes, does not keep its roles", .oneByOne, .serialized)
struct DescendantTests {
    let place = Place()

    /// The files that a process has open in the ring's directory.
    private func openFiles(of process: pid_t) throws -> [String] {
        let directory = "/proc/\(process)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: directory)
            .compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\($0)") }
            .filter { $0.hasPrefix(place.path) || $0.contains("memfd:") }
    }

    @Test("A child that was started with every descriptor it could get holds nothing of the ring", arguments: ["producer", "consumer"])
    func spawned(role: String) throws {
        let peer = try Peer(role, of: "r", in: place, "check-interval=10")
        let child = try #require(pid_t(try peer.ask("spawn")))
        defer { kill(child, SIGKILL) }
        #expect(
            eventually {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(child)/exe"))?.hasSuffix("TestPeer") == false
            })
        #expect(try openFiles(of: peer.pid) != [], "that this shows anything")
        #expect(try openFiles(of: child) == [])
        peer.kill()
        let report = try RingReport("r", options: place.options())
        #expect((role == "producer" ? report.lanes[0].producer : report.consumer).presence == .died)
        #expect(kill(child, 0) == 0, "while it lives")
    }

    @Test("A process that becomes another program has died to the other side, though it lives") func exec() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let peer = try Peer("producer", of: "r", in: place)
        #expect(try peer.ask("send last words") == "sent")
        #expect(try peer.ask("exec") == "executing")
        #expect(try consumer.next(timeout: patience)?.text == "last words")
        expectError(.peerDied, saying: "process \(peer.pid)") { () throws(RingError) in _ = try consumer.next(timeout: patience) }
        #expect(kill(peer.pid, 0) == 0, "it lives")
        #expect(try openFiles(of: peer.pid) == [])
        try ring.makeProducer().close()
    }

    @Test("What a process gives back is free, though one that it is starting has copies of all its descriptors") func copies() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        let producer = try ring.makeProducer()
        let name = try SegmentName("r", in: place.path)
        var lock: RoleLock? = try RoleLock(name.name, in: name.openDirectory())
        #expect(try lock?.take(.consumer) == true)
        let child = ts_start_copy()
        try #require(child > 0)
        defer {
            kill(child, SIGKILL)
            waitpid(child, nil, 0)
        }
        #expect(try openFiles(of: child) != [], "that this shows anything")
        lock = nil
        try ring.makeConsumer().close()
        try producer.close()
        try ring.makeProducer().close()
        try SPSCRing.remove("r", options: place.options())
        #expect(place.names == [])
    }

    @Test("A role belongs to the process: it outlives the thread that took it, and another thread can't take it too") func threads() throws
    {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try Worker { Box(try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10)))) }.join().take()
        let code = try Worker { failure { () throws(RingError) in try ring.makeProducer().close() }?.code }.join()
        #expect(code == .roleTaken)
        var consumer = try Worker { Box(try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))) }.join().take()
        try producer.send("x")
        #expect(try consumer.next(timeout: patience)?.text == "x")
        let box = Box(producer)
        try Worker { try box.take().close() }.join()
        #expect(try consumer.next(timeout: patience) == nil)
    }

    /// In threads of many processes' worth of attaching and starting children, no child may catch a descriptor on its way.
    @Test("Children started while others attach catch nothing") func startedMeanwhile() throws {
        let isDone = Turn()
        defer { isDone.set(1) }
        let begun = Turn()
        let attaching = Worker { [options = place.options()] in
            var count = 0
            while isDone.value == 0 {
                let ring = try SPSCRing.openOrCreate("r", options: options)
                try ring.makeProducer().close()
                try ring.makeConsumer().close()
                count += 1
                begun.set(1)
            }
            return count
        }
        #expect(begun.wait(for: 1))
        for _ in 0..<40 {
            let child = try Peer(["300"], executable: "/bin/sleep")
            try #require(try openFiles(of: child.pid).isEmpty || eventually { (try? openFiles(of: child.pid))?.isEmpty == true })
            child.kill()
        }
        isDone.set(1)
        #expect(try attaching.join() > 0)
        let report = try RingReport("r", options: place.options())
        #expect(report.consumer.presence == .closed && report.lanes[0].producer.presence == .closed)
    }
}

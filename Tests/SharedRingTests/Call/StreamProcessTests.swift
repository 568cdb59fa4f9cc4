import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Streams between processes: parts in order, one end, whatever dies", .oneByOne)
struct StreamProcessTests {
    let place = Place()

    private func make(clients: Int = 4, barrier: RingOptions.Barrier = .automatic) throws -> CallService {
        var options = place.options()
        options.barrier = barrier
        return try CallService.create("c", shape: CallService.Shape(clients: clients, streamCapacity: 256), options: options)
    }

    @Test(
        "A server and a client in two processes, awake and asleep", arguments: [RingOptions.Barrier.automatic, .symmetric],
        ["sleep", "adaptive"])
    func twoProcesses(barrier: RingOptions.Barrier, waiting: String) throws {
        _ = try make(barrier: barrier)
        // Only the other side wakes either of them.
        let server = try Peer("stream-server", of: "c", in: place, "check-interval=3600000", "waiting=\(waiting)")
        #expect(try server.ask("serve") == "serving")
        let client = try Peer("stream-client", of: "c", in: place, "check-interval=3600000", "waiting=\(waiting)")
        #expect(try client.ask("streams 300") == "streamed")
    }

    @Test("A server that is killed: the parts that it sent arrive, then the outcome is unknown, and the slot is used again")
    func serverDies() throws {
        _ = try make(clients: 1)
        let client = try Peer("stream-client", of: "c", in: place, "check-interval=10")
        for turn in 0..<3 {
            let server = try Peer("stream-server", of: "c", in: place)
            #expect(try client.ask("open \(turn)") == "opened")
            #expect(try server.ask("next") == "call \(turn) stream")
            #expect(try server.ask("open") == "open")
            #expect(try server.ask("parts 5") == "sent 5")
            if turn == 1 { #expect(try client.ask("next") == "part 0") }
            if turn != 1 { client.tell("all") }
            server.kill()
            if turn == 1 {
                for number in 1..<5 { #expect(try client.ask("next") == "part \(number)") }
                #expect(try client.ask("next") == "0 parts, may have been executed (unknown): peerDied")
            } else {
                #expect(try client.line() == "5 parts, may have been executed (unknown): peerDied")
            }
        }
    }

    @Test("A server that is killed while it waits for room") func serverDiesWaiting() throws {
        let service = try make(clients: 2)
        let client = try Peer("stream-client", of: "c", in: place, "check-interval=10")
        // A client of its own, for a look at the other one's lane.
        let observer = try service.makeClient(slots: 1)
        let lane = observer.pool.memory.stream(0)
        let server = try Peer("stream-server", of: "c", in: place)
        #expect(try client.ask("open x") == "opened")
        #expect(try server.ask("next") == "call x stream")
        #expect(try server.ask("open") == "open")
        server.tell("parts 100")
        #expect(try client.ask("next") == "part 0")
        #expect(eventually { EventCount.isAnyoneAsleep(lane.roomWord) })
        server.kill()
        #expect(try client.ask("next") == "part 1")
        withExtendedLifetime(observer) {}
        let second = try Peer("stream-server", of: "c", in: place)
        #expect(try client.ask("stop") == "stopped")
        #expect(try client.ask("open y") == "opened")
        #expect(try second.ask("next") == "call y stream")
        #expect(try second.ask("open") == "open")
        client.tell("all")
        #expect(try second.ask("parts 100") == "sent 100")
        #expect(try second.ask("finish done") == "finished")
        #expect(try client.line() == "100 parts, end done")
    }

    @Test("A client that is killed: its server's wait for room ends, and a successor uses the slot") func clientDies() throws {
        _ = try make(clients: 1)
        let server = try Peer("stream-server", of: "c", in: place, "check-interval=10")
        for turn in 0..<3 {
            let first = try Peer("stream-client", of: "c", in: place)
            #expect(try first.ask("open \(turn)") == "opened")
            #expect(try server.ask("next") == "call \(turn) stream")
            #expect(try server.ask("open") == "open")
            server.tell("parts 100")
            #expect(try first.ask("next") == "part 0")
            first.kill()
            #expect(try server.line().hasPrefix("streamStopped after "))
            #expect(try server.ask("finish late") == "finished")
        }
        let client = try Peer("stream-client", of: "c", in: place)
        #expect(try client.ask("open last") == "opened")
        #expect(try server.ask("next") == "call last stream")
        #expect(try server.ask("open") == "open")
        client.tell("all")
        #expect(try server.ask("parts 100") == "sent 100")
        #expect(try server.ask("finish done") == "finished")
        #expect(try client.line() == "100 parts, end done")
    }

    @Test("A successor of a killed client stops the stream that it finds open: the server sees its byte locked, and would wait for ever")
    func successorStops()
        throws
    {
        let service = try make(clients: 1)
        // The server does not look for deaths in this test.
        let server = try Peer("stream-server", of: "c", in: place, "check-interval=3600000")
        let first = try Peer("stream-client", of: "c", in: place)
        #expect(try first.ask("open x") == "opened")
        #expect(try server.ask("next") == "call x stream")
        #expect(try server.ask("open") == "open")
        first.kill()
        server.tell("parts 100")
        let client = try service.makeClient(slots: 1)
        #expect(try server.line().hasPrefix("streamStopped after "))
        #expect(try server.ask("finish late") == "finished")
        let caller = Worker { () throws in
            var stream = try client.stream("y", timeout: patience)
            #expect(try stream.next())
            #expect(stream.text == "0")
            stream.stop()
        }
        #expect(try server.ask("next") == "call y stream")
        #expect(try server.ask("open") == "open")
        #expect(try server.ask("part 0") == "sent")
        try caller.join()
        #expect(try server.ask("stopped") == "yes")
    }

    @Test("A polling client and a polling server learn of a death, too") func polling() throws {
        let service = try make(clients: 2)
        let client = try service.makeClient(options: EndpointOptions(checkInterval: .milliseconds(5)))
        let server = try Peer("stream-server", of: "c", in: place)
        var stream = try client.stream("x", timeout: patience)
        #expect(try server.ask("next") == "call x stream")
        #expect(try server.ask("open") == "open")
        #expect(try server.ask("parts 2") == "sent 2")
        server.kill()
        var parts = 0
        let end = ContinuousClock.now + patience
        expectCallError(.unknown, .peerDied) { () throws(CallError) in
            while ContinuousClock.now < end {
                guard let more = try stream.nextIfAvailable() else { continue }
                if !more { break }
                parts += 1
            }
        }
        #expect(parts == 2)

        var own = try service.makeServer(options: EndpointOptions(checkInterval: .milliseconds(5)))
        let other = try Peer("stream-client", of: "c", in: place)
        #expect(try other.ask("open y") == "opened")
        var writer = try own.next(timeout: patience).stream()
        other.kill()
        expectError(.streamStopped, saying: "has gone") { () throws(RingError) in
            while ContinuousClock.now < end { _ = try writer.trySend("part") }
        }
    }
}

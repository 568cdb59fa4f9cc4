import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Calls between processes: each has one outcome, whatever dies", .oneByOne)
struct CallProcessTests {
    let place = Place()

    private func service(_ shape: CallService.Shape = CallService.Shape(), barrier: RingOptions.Barrier = .automatic) throws -> CallService
    {
        var options = place.options()
        options.barrier = barrier
        return try CallService.create("c", shape: shape, options: options)
    }

    @Test(
        "A server and a client in two processes, awake and asleep", arguments: [RingOptions.Barrier.automatic, .symmetric],
        ["sleep", "adaptive"])
    func twoProcesses(barrier: RingOptions.Barrier, waiting: String) throws {
        _ = try service(barrier: barrier)
        // Only the other side wakes either of them.
        let server = try Peer("call-server", of: "c", in: place, "check-interval=3600000", "waiting=\(waiting)")
        #expect(try server.ask("echo") == "echoing")
        let client = try Peer("call-client", of: "c", in: place, "check-interval=3600000", "waiting=\(waiting)")
        #expect(try client.ask("call hello") == "replied hello")
        #expect(try client.ask("calls 2000") == "called")
        let large = String(repeating: "x", count: 4096)
        #expect(try client.ask("call \(large)") == "replied \(large)")
    }

    @Test("A server that is killed with a call started: unknown. A call that was not started: the next server answers it")
    func serverDies() throws {
        _ = try service()
        let first = try Peer("call-server", of: "c", in: place)
        let started = try Peer("call-client", of: "c", in: place, "check-interval=10")
        let waiting = try Peer("call-client", of: "c", in: place, "check-interval=10")
        started.tell("call one")
        #expect(try first.ask("next") == "call one")
        first.kill()
        #expect(try started.line() == "may have been executed (unknown): peerDied")
        waiting.tell("call two")
        let second = try Peer("call-server", of: "c", in: place)
        #expect(try second.ask("next") == "call two")
        #expect(try second.ask("answer ok") == "answered")
        #expect(try waiting.line() == "replied ok")
        started.tell("call three")
        #expect(try second.ask("next") == "call three")
        #expect(try second.ask("answer again") == "answered")
        #expect(try started.line() == "replied again")
    }

    @Test("A client that is killed leaves its slot to the next, which settles the call")
    func clientDies() throws {
        let service = try service(CallService.Shape(clients: 1))
        let server = try Peer("call-server", of: "c", in: place)
        let first = try Peer("call-client", of: "c", in: place)
        first.tell("call one")
        #expect(try server.ask("next") == "call one")
        first.kill()
        let client = try service.makeClient(slots: 1)
        expectCallError(.notExecuted, .timedOut, saying: "the one slot") { () throws(CallError) in
            _ = try client.call("two", timeout: .milliseconds(1))
        }
        #expect(try server.ask("answer late") == "answered")
        server.tell("next")
        let caller = Worker { () throws in #expect(try client.call("three", timeout: patience).text == "fine") }
        #expect(try server.line() == "call three")
        #expect(try server.ask("answer fine") == "answered")
        try caller.join()
        let report = try RingReport("c", options: place.options())
        #expect(report.callSlots.map(\.lateReplies) == [1])
        #expect(report.callSlots.map(\.calls) == [2])
        #expect(report.servers.map(\.started) == [2] && report.servers.map(\.answered) == [2])
    }
}

/// Checks that the body throws this outcome for this reason, and that the sentence names these facts.
func expectCallError(
    _ outcome: CallError.Outcome, _ code: RingError.Code, saying facts: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(CallError) -> Void
) {
    do throws(CallError) {
        try body()
        Issue.record("no error, instead of \(outcome)", sourceLocation: sourceLocation)
    } catch {
        #expect(error.outcome == outcome && error.reason.code == code, "\(error)", sourceLocation: sourceLocation)
        for fact in facts { #expect(error.description.contains(fact), "\(error)", sourceLocation: sourceLocation) }
    }
}

import CTestSupport
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

@Suite("A client of calls is ended once and for all its copies; what is under way has its outcome", .oneByOne)
struct CallEndTests {
    let place = Place()
    let patient = EndpointOptions(checkInterval: longCheckInterval)

    private func service(clients: Int) throws -> CallService {
        try CallService.anonymous(shape: CallService.Shape(clients: clients, servers: 2))
    }

    /// Whether any process has the byte of that slot, seen by a server.
    private func isFree(_ slot: Int, _ server: borrowing CallServer) throws -> Bool {
        try server.core.memory.attachment.lock.holder(of: .caller(slot)) == .free
    }

    /// Whether the error is that of a client that was ended.
    private static func isEnd(_ error: CallError) -> Bool {
        error.outcome == .notExecuted && error.reason.code == .ended && error.token == nil
            && error.description.contains("this client was ended") && error.description.contains("call service")
    }

    /// The error of a call in a task.
    private static func error(of client: CallClient) async -> CallError? {
        do throws(CallError) {
            _ = try await client.call("x", timeout: asyncPatience)
            return nil
        } catch {
            return error
        }
    }

    private func expectEnded(_ body: () throws(CallError) -> Void) {
        do throws(CallError) {
            try body()
            Issue.record("a client that was ended made a call")
        } catch {
            #expect(Self.isEnd(error), "\(error)")
        }
    }

    @Test("A service is removed at once behind the end of its client, though copies of the client live") func removed() async throws {
        let service = try CallService.create("c", options: place.options())
        let client = try service.makeClient(slots: 3, options: patient)
        let copy = client
        let serving = try ServingThread(echoing: service)
        #expect(try await client.call("x", timeout: asyncPatience).text == "x")
        try serving.end()
        expectError(.inUse, saying: "client in slot 0") { () throws(RingError) in try CallService.remove("c", options: place.options()) }
        try client.end()
        try CallService.remove("c", options: place.options())

        let error = await Self.error(of: copy)
        #expect(error.map(Self.isEnd) == true, "\(String(describing: error))")
        #expect(copy.slots == 3 && copy.requestCapacity == 4096)
    }

    @Test("Every form of a call throws ended, of every copy; ending again does nothing, and resuming changes nothing") func forms() throws {
        let service = try service(clients: 4)
        let client = try service.makeClient(options: patient)
        let copy = client
        try client.end()
        for client in [client, copy] {
            expectEnded { () throws(CallError) in _ = try client.call("x") }
            expectEnded { () throws(CallError) in _ = try client.call([1, 2], timeout: .zero) }
            let written = Mutex(0)
            #expect {
                _ = try client.call(byteCount: 8) { _ in written.withLock { $0 += 1 } }
            } throws: {
                ($0 as? CallError).map(Self.isEnd) == true
            }
            #expect(written.withLock { $0 } == 0, "the body of a call that is not made is not called")
        }
        try copy.end()
        copy.cancel()
        expectEnded { () throws(CallError) in _ = try client.call("x") }
        client.resume()
        expectEnded { () throws(CallError) in _ = try client.call("x") }
        // Another client of the same service is another.
        let serving = try ServingThread(echoing: service)
        let other = try service.makeClient(options: patient)
        #expect(other.slotNumbers == [0])
        #expect(try other.call("x", timeout: patience).text == "x")
        try serving.end()
    }

    @Test(
        "A call under way gets its reply; its slot is free when the reply ends, the others at once",
        arguments: [WaitStrategy.sleep, .adaptive])
    func underWay(waiting: WaitStrategy) throws {
        let service = try CallService.create("c", shape: CallService.Shape(clients: 4), options: place.options())
        let client = try service.makeClient(slots: 4, waiting: waiting, options: patient)
        var server = try service.makeServer(options: patient)
        let gate = Turn()
        let keeping = Worker { () throws in
            let reply = try client.call("kept", timeout: patience)
            gate.set(1)
            #expect(gate.wait(for: 2))
            #expect(reply.text == "late")
        }
        let held = try server.next(timeout: patience).deferred()
        #expect(held.text == "kept")
        let quick = Worker { () throws in _ = try client.call("quick", timeout: patience) }
        try server.next(timeout: patience).reply("")
        try quick.join()
        #expect(client.slotNumbers == [0, 1])

        try client.end()
        #expect(client.slotNumbers == [held.token.slot])
        for slot in 0..<4 { #expect(try isFree(slot, server) == (slot != held.token.slot)) }
        expectError(.inUse, saying: "client in slot \(held.token.slot)") { () throws(RingError) in
            try CallService.remove("c", options: place.options())
        }
        try held.reply("late")
        #expect(gate.wait(for: 1))
        #expect(try !isFree(held.token.slot, server), "the reply lies in the slot")
        gate.set(2)
        try keeping.join()
        #expect(try isFree(held.token.slot, server))
        server.close()
        try CallService.remove("c", options: place.options())
        #expect(client.slotCount == 0)
    }

    @Test(
        "A call that no server has started goes on: a server that comes answers it, and cancelling withdraws it", arguments: [false, true])
    func pending(isCancelled: Bool) throws {
        let service = try service(clients: 2)
        let client = try service.makeClient(slots: 1, waiting: .sleep, options: patient)
        let caller = Worker { () throws in
            do throws(CallError) {
                let text = try client.call("x", timeout: patience).text
                #expect(!isCancelled && text == "y")
            } catch {
                #expect(isCancelled && error.outcome == .notExecuted && error.reason.code == .cancelled, "\(error)")
            }
        }
        #expect(eventually { client.isCallWaiting })
        try client.end()
        var server = try service.makeServer(options: patient)
        #expect(try !isFree(0, server))
        if isCancelled { client.cancel() } else { try server.next(timeout: patience).reply("y") }
        try caller.join()
        #expect(try isFree(0, server))
        #expect(try !server.startsNext())
    }

    @Test("Calls that wait for a slot end at once, and were not executed", arguments: [false, true])
    func waitingForSlot(inTasks: Bool) async throws {
        let service = try service(clients: 2)
        let client = try service.makeClient(slots: 1, waiting: .sleep, options: patient)
        let serving = try ServingThread(echoing: service)
        // The one slot is with a reply.
        let kept = try await client.call("kept", timeout: asyncPatience)
        var workers: [Worker<CallError?>] = []
        var tasks: [Task<CallError?, Never>] = []
        for number in 0..<3 {
            if inTasks {
                tasks.append(Task { await Self.error(of: client) })
            } else {
                workers.append(
                    Worker {
                        do throws(CallError) { _ = try client.call("x") } catch { return error }
                        return nil
                    })
            }
            #expect(await eventually { client.pool.waitingCallers == number + 1 })
        }
        try client.end()
        client.resume()
        for worker in workers {
            let error = try worker.join()
            #expect(error.map(Self.isEnd) == true, "\(String(describing: error))")
        }
        for task in tasks {
            let error = await task.value
            #expect(error.map(Self.isEnd) == true, "\(String(describing: error))")
        }
        #expect(kept.text == "kept")
        try serving.end()
        #expect(try service.report().callSlots.map(\.calls) == [1])
    }

    @Test("A call that was given up leaves its slot with the end; the next client settles it", arguments: [false, true])
    func stillOpen(isEndedFirst: Bool) throws {
        let service = try service(clients: 1)
        let client = try service.makeClient(slots: 1, options: patient)
        var server = try service.makeServer(options: patient)
        let caller = Worker {
            expectCallError(.stillOpen, .cancelled) { () throws(CallError) in _ = try client.call("slow", timeout: patience) }
        }
        let held = try server.next(timeout: patience).deferred()
        if isEndedFirst { try client.end() }
        client.cancel()
        try caller.join()
        #expect(held.isGivenUp)
        try client.end()
        #expect(try isFree(0, server))

        let next = try service.makeClient(slots: 1, options: patient)
        #expect(next.openSlotCount == 1)
        try held.reply("late")
        let other = Worker { () throws in #expect(try next.call("x", timeout: patience).text == "y") }
        try server.next(timeout: patience).reply("y")
        try other.join()
        #expect(next.lateReplies == 1)
    }

    @Test("Threads that call without a pause while the client is ended: each call has its outcome, and then no slot is held") func race()
        throws
    {
        let service = try service(clients: 3)
        let serving = try ServingThread(echoing: service)
        for round in 0..<30 {
            let client = try service.makeClient(slots: 1 + round % 3, options: patient)
            let calls = Atomic(0)
            let callers = (0..<4).map { _ in
                Worker { () -> CallError in
                    while true {
                        do throws(CallError) { _ = try client.call("x", timeout: patience) } catch { return error }
                        calls.add(1, ordering: .relaxed)
                    }
                }
            }
            #expect(eventually { calls.load(ordering: .relaxed) > round })
            try client.end()
            for caller in callers {
                let error = try caller.join()
                #expect(Self.isEnd(error), "\(error)")
            }
            #expect(client.slotCount == 0)
            // No byte is held: others get every slot.
            let others = try (0..<3).map { _ in try service.makeClient(slots: 1, options: patient) }
            #expect(others.flatMap(\.slotNumbers).sorted() == [0, 1, 2])
            for other in others { try other.end() }
        }
        try serving.end()
    }

    @Test("In a forked child, ending throws forked, and the parent's client goes on") func forked() throws {
        let service = try service(clients: 2)
        let client = try service.makeClient(options: patient)
        let ended = try service.makeClient(options: patient)
        try ended.end()
        let child = ts_split()
        if child == 0 {
            var codes: [RingError.Code] = []
            do throws(RingError) { try client.end() } catch { codes.append(error.code) }
            do throws(RingError) { try ended.end() } catch { codes.append(error.code) }
            do throws(CallError) { _ = try client.call("x") } catch { codes.append(error.reason.code) }
            do throws(CallError) { _ = try ended.call("x") } catch { codes.append(error.reason.code) }
            ts_leave(codes == [.forked, .forked, .forked, .forked] ? 0 : 1)
        }
        #expect(end(of: child) == 0)
        let serving = try ServingThread(echoing: service)
        #expect(try client.call("x", timeout: patience).text == "x")
        try client.end()
        try serving.end()
    }
}

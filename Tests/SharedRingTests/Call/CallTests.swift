import CSharedRing
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

/// A server on a thread of its own, for as long as this lives.
final class ServingThread: Sendable {
    private let canceller: Canceller
    private let worker: Worker<Void>
    let served = Atomic(0)

    init(
        _ service: CallService, waiting: WaitStrategy = .adaptive,
        _ handler: @escaping @Sendable (borrowing CallRequest, inout CallAnswer) throws -> Void
    ) throws {
        let box = ServerBox(try service.makeServer(waiting: waiting, options: EndpointOptions(checkInterval: longCheckInterval)))
        canceller = box.canceller
        worker = Worker {
            var server = box.take()
            do { try server.serve(handler) } catch let error as RingError where error.code == .cancelled {}
        }
    }

    /// Echoes.
    convenience init(echoing service: CallService) throws { try self.init(service) { request, answer in try answer.reply(request.bytes) } }

    func end() throws {
        canceller.cancel()
        try worker.join()
    }
}

/// A client that is let go of when that is asked for.
final class Holding: Sendable {
    private let client: Mutex<CallClient?>
    init(_ client: CallClient) { self.client = Mutex(client) }
    func drop() { client.withLock { $0 = nil } }
}

/// A server on its way to a thread.
final class ServerBox: @unchecked Sendable {
    private var server: CallServer?
    let canceller: Canceller

    init(_ server: consuming CallServer) {
        canceller = server.canceller
        self.server = consume server
    }

    func take() -> CallServer { server.take()! }
}

@Suite("Calls: the reply to one's own call, or one clear word", .oneByOne)
struct CallTests {
    let patient = EndpointOptions(checkInterval: longCheckInterval)
    private struct Own: Error {}

    private func service(
        clients: Int = 4, servers: Int = 4, request: Int = 1024, reply: Int = 2048, barrier: RingOptions.Barrier = .automatic
    ) throws -> CallService {
        var options = RingOptions()
        options.barrier = barrier
        return try CallService.anonymous(
            shape: CallService.Shape(clients: clients, servers: servers, requestCapacity: request, replyCapacity: reply), options: options)
    }

    // MARK: Messages

    @Test("Every size up to the capacity comes back, in the line and beyond it", arguments: [RingOptions.Barrier.automatic, .symmetric])
    func sizes(barrier: RingOptions.Barrier) throws {
        let service = try service(barrier: barrier)
        let serving = try ServingThread(service) { request, answer in try answer.reply(request.array + request.array) }
        let client = try service.makeClient(options: patient)
        for size in [0, 1, 7, 8, 24, 25, 47, 48, 49, 64, 100, 1023, 1024] {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ size) }
            #expect(try client.call(bytes, timeout: patience).array == bytes + bytes)
        }
        try serving.end()
    }

    @Test("What does not fit is refused with its size; the slot stays usable") func tooLarge() throws {
        let service = try service(request: 100, reply: 60)
        #expect(service.shape == CallService.Shape(clients: 4, servers: 4, requestCapacity: 100, replyCapacity: 60))
        let serving = try ServingThread(service) { request, answer in
            expectError(.messageTooLarge, saying: "61 bytes", "60") { () throws(RingError) in
                try answer.reply([UInt8](repeating: 1, count: 61))
            }
            if request.byteCount == 1 { try answer.reply("small") }
        }
        let client = try service.makeClient(options: patient)
        expectCallError(.notExecuted, .messageTooLarge, saying: "101 bytes", "100") { () throws(CallError) in
            _ = try client.call([UInt8](repeating: 0, count: 101))
        }
        expectCallError(.failed(.dropped), .callFailed) { () throws(CallError) in
            _ = try client.call([UInt8](repeating: 0, count: 100), timeout: patience)
        }
        #expect(try client.call("x", timeout: patience).text == "small")
        try serving.end()
    }

    @Test("A request and a reply are written where they are read; a reply is copied into a buffer if it fits") func inPlace() throws {
        let service = try service()
        let serving = try ServingThread(service) { request, answer in
            guard let number = request.value(as: UInt64.self) else { return }
            try answer.reply(byteCount: number == 0 ? 8 : 200) { bytes in
                bytes.storeBytes(of: number &+ 1, toByteOffset: bytes.byteCount - 8, as: UInt64.self)
            }
        }
        let client = try service.makeClient(options: patient)
        let small = try client.call(byteCount: 8, timeout: patience) { bytes in bytes.storeBytes(of: 0, as: UInt64.self) }
        #expect(small.value(as: UInt64.self) == 1)
        let reply = try client.call(byteCount: 8, timeout: patience) { bytes in bytes.storeBytes(of: 41, as: UInt64.self) }
        #expect(reply.byteCount == 200)
        #expect(reply.bytes.unsafeLoad(fromByteOffset: 192, as: UInt64.self) == 42)
        var buffer = [UInt8](repeating: 9, count: 256)
        let copied = try reply.copy(into: &buffer)
        #expect(copied == 200)
        #expect(buffer[192] == 42 && buffer[200] == 9)
        var short = [UInt8](repeating: 0, count: 199)
        expectError(.sizeMismatch, saying: "200 bytes", "199") { () throws(RingError) in _ = try reply.copy(into: &short) }
        #expect(throws: Own.self) { _ = try client.call(byteCount: 8) { _ in throw Own() } }
        #expect(throws: CallError.self) { _ = try client.call(byteCount: -1) { _ in } }
        try serving.end()
    }

    // MARK: Outcomes

    @Test("Refused with the service's bytes; dropped; closed; each said so, and each leaves the slot quiet") func failures() throws {
        let service = try service(clients: 1)
        let client = try service.makeClient(slots: 1, options: patient)
        func failing(_ failure: CallError.Failure, _ answer: @escaping @Sendable (consuming CallRequest) throws -> Void) throws -> [UInt8] {
            var server = try service.makeServer(options: patient)
            let caller = Worker { () throws -> [UInt8] in
                do throws(CallError) {
                    _ = try client.call("x", timeout: patience)
                    return []
                } catch {
                    #expect(error.outcome == .failed(failure) && error.reason.code == .callFailed && error.token != nil, "\(error)")
                    return error.refusal
                }
            }
            do { try answer(try server.next(timeout: patience)) } catch is Own {}
            return try caller.join()
        }
        #expect(try failing(.refused) { try $0.refuse("no such key") } == Array("no such key".utf8))
        let long = [UInt8](repeating: 7, count: 2048)
        #expect(try failing(.refused) { try $0.refuse(long) } == long)
        #expect(try failing(.dropped) { _ in } == [])
        #expect(try failing(.dropped) { try $0.reply(byteCount: 5) { _ in throw Own() } } == [])
        let none = try failing(.dropped) { request in
            do throws(RingError) {
                try request.reply([UInt8](repeating: 0, count: 2049))
                Issue.record("it fitted")
            } catch {
                #expect(error.code == .messageTooLarge, "\(error)")
            }
        }
        #expect(none == [])
    }

    @Test("A server that closes answers what it started as closed; what it did not start, the next one answers") func closing() throws {
        let service = try service()
        let client = try service.makeClient(options: patient)
        var server = try service.makeServer(options: patient)
        let first = Worker {
            expectCallError(.failed(.closed), .callFailed) { () throws(CallError) in _ = try client.call("one", timeout: patience) }
        }
        let held = try server.next(timeout: patience).deferred()
        let second = Worker { () throws in #expect(try client.call("two", timeout: patience).text == "two") }
        #expect(eventually { client.isCallWaiting })
        server.close()
        try first.join()
        expectError(.ended, saying: "answered already") { () throws(RingError) in try held.reply("late") }
        let serving = try ServingThread(echoing: service)
        try second.join()
        try serving.end()
    }

    @Test("Without a server, a call is withdrawn at its deadline: it is never executed") func withdrawn() throws {
        let service = try service(clients: 1)
        let client = try service.makeClient(slots: 1, options: patient)
        for number in 0..<3 {
            expectCallError(.notExecuted, .timedOut, saying: "no reply before the deadline", "was not executed") { () throws(CallError) in
                _ = try client.call("\(number)", timeout: number == 0 ? .zero : .milliseconds(1))
            }
        }
        var server = try service.makeServer(options: patient)
        #expect(try !server.startsNext())
        expectError(.timedOut, saying: "call service", "no call") { () throws(RingError) in _ = try server.next(timeout: .zero) }
        let caller = Worker { () throws in #expect(try client.call("x", timeout: patience).text == "y") }
        try server.next(timeout: patience).reply("y")
        try caller.join()
    }

    @Test("Given up when it was started: still open; its slot waits until it is answered, and the late reply is dropped and counted")
    func stillOpen() throws {
        let service = try service(clients: 1)
        let client = try service.makeClient(slots: 1, options: patient)
        var server = try service.makeServer(options: patient)
        let gate = Turn()
        let caller = Worker { () throws in
            expectCallError(.stillOpen, .cancelled, saying: "is still open") { () throws(CallError) in
                _ = try client.call("one", timeout: patience)
            }
            client.resume()
            expectCallError(.notExecuted, .timedOut, saying: "the one slot of this client") { () throws(CallError) in
                _ = try client.call("two", timeout: .milliseconds(1))
            }
            gate.set(1)
            #expect(try client.call("three", timeout: patience).text == "3")
        }
        let first = try server.next(timeout: patience)
        #expect(first.text == "one" && !first.isGivenUp)
        client.cancel()
        #expect(gate.wait(for: 1))
        let isGivenUp = first.isGivenUp
        #expect(isGivenUp)
        try first.reply("1")
        let third = try server.next(timeout: patience)
        #expect(third.text == "three" && !third.isGivenUp)
        try third.reply("3")
        try caller.join()
        #expect(client.lateReplies == 1)
    }

    @Test("Cancelling ends the calls under way at once, and those to come, until the client resumes") func cancelling() throws {
        let service = try service()
        let client = try service.makeClient(slots: 2, waiting: .sleep, options: patient)
        let callers = (0..<3).map { _ in
            Worker { expectCallError(.notExecuted, .cancelled) { () throws(CallError) in _ = try client.call("x") } }
        }
        #expect(eventually { client.waitingCalls == 2 })
        client.cancel()
        for caller in callers { try caller.join() }
        expectCallError(.notExecuted, .cancelled) { () throws(CallError) in _ = try client.call("x") }
        client.resume()
        let serving = try ServingThread(echoing: service)
        #expect(try client.call("x", timeout: patience).text == "x")
        try serving.end()
    }

    @Test("A retry carries the first call's token, which a service may know it by") func tokens() throws {
        let service = try service()
        let client = try service.makeClient(options: patient)
        var server = try service.makeServer(options: patient)
        let given = Worker { () throws -> CallToken? in
            do throws(CallError) { _ = try client.call("pay", timeout: patience) } catch { return error.token }
            return nil
        }
        let first = try server.next(timeout: patience)
        let name = first.token
        let isRetry = first.isRetry
        #expect(!isRetry)
        _ = consume first
        let token = try #require(try given.join())
        #expect(token == name && CallToken(token.description) == token && CallToken("x:1:2") == nil)
        let again = Worker { () throws in #expect(try client.call("pay", retrying: token, timeout: patience).text == "paid") }
        let second = try server.next(timeout: patience)
        #expect(second.isRetry && second.token == token)
        try second.reply("paid")
        try again.join()
        let other = Worker { () throws in #expect(try client.call("pay", timeout: patience).text == "paid") }
        let third = try server.next(timeout: patience)
        #expect(!third.isRetry && third.token != token)
        try third.reply("paid")
        try other.join()
    }

    @Test("What a handler keeps of a call is that call's, also when the slot carries the next one", arguments: [8, 48, 500]) func keeping(
        size: Int
    ) throws {
        let service = try service(clients: 1)
        let client = try service.makeClient(slots: 1, options: patient)
        var server = try service.makeServer(options: patient)
        let tokens = try (1...2).map { try #require(CallToken("\(String(repeating: "\($0)", count: 32)):\($0):\($0)")) }
        let bytes = (1...2).map { [UInt8](repeating: UInt8($0), count: size) }
        let caller = Worker { () throws in
            for (token, bytes) in zip(tokens, bytes) {
                #expect(try client.call(bytes, retrying: token, timeout: patience).text == "kept")
            }
        }
        let first = try server.next(timeout: patience).deferred()
        try first.reply("kept")
        let second = try server.next(timeout: patience)
        // The slot's line, its area and this server's copy have the second call now.
        #expect(first.token == tokens[0] && first.array == bytes[0] && first.isRetry)
        #expect(second.token == tokens[1] && second.array == bytes[1])
        try second.reply("kept")
        try caller.join()
        #expect(first.token == tokens[0] && first.array == bytes[0])
    }

    @Test("A large request that was answered when its server closed shows no bytes of the slot's next call") func goneBytes() throws {
        let service = try service(clients: 1)
        let client = try service.makeClient(slots: 1, options: patient)
        var server = try service.makeServer(options: patient)
        let caller = Worker { () throws -> CallToken? in
            do throws(CallError) { _ = try client.call([UInt8](repeating: 1, count: 512), timeout: patience) } catch { return error.token }
            return nil
        }
        let request = try server.next(timeout: patience)
        #expect(request.array == [UInt8](repeating: 1, count: 512))
        server.close()
        let token = try caller.join()
        expectCallError(.notExecuted, .timedOut) { () throws(CallError) in
            _ = try client.call([UInt8](repeating: 2, count: 512), timeout: .zero)
        }
        #expect(request.array == [] && request.text == "")
        #expect(request.token == token)
    }

    @Test("A call has its timeout once: what went by in waiting for a slot is not had again for the reply") func oneDeadline() {
        for timeout in [nil, .zero, .seconds(3600)] as [Duration?] {
            var moment = CallMoment(timeout)
            let first = moment.deadline.nanoseconds
            let begin = sr_now_ns()
            while sr_now_ns() == begin {}
            #expect(moment.deadline.nanoseconds == first)
        }
    }

    @Test("Cancelling and resuming from two threads: in the end all slots are as the later one said") func cancelAndResume() throws {
        let service = try service()
        let client = try service.makeClient(slots: 4, options: patient)
        // Four slots, for more to disagree.
        let callers = (0..<4).map { _ in
            Worker { expectCallError(.notExecuted, .cancelled) { () throws(CallError) in _ = try client.call("x") } }
        }
        #expect(eventually { client.waitingCalls == 4 })
        client.cancel()
        for caller in callers { try caller.join() }
        for _ in 0..<300 {
            let canceller = Worker { for _ in 0..<8 { client.cancel() } }
            let resumer = Worker { for _ in 0..<8 { client.resume() } }
            try canceller.join()
            try resumer.join()
            guard client.pool.agreesOnCancelling else {
                Issue.record("a slot is cancelled and the client is not, or the other way round")
                return
            }
        }
        client.resume()
        let serving = try ServingThread(echoing: service)
        #expect(try client.call("x", timeout: patience).text == "x")
        try serving.end()
    }

    @Test("Calls started and answered are counted, in whatever way they were answered, and so is each wake of the other side") func counts()
        throws
    {
        let service = try service(clients: 1, servers: 1)
        let client = try service.makeClient(slots: 1, waiting: .sleep, options: patient)
        let memory = client.pool.memory
        let (server, slot) = (memory.server(0), memory.caller(0))
        func asleep(_ count: UnsafeMutablePointer<UInt64>, beyond: UInt64) -> Bool { eventually { sr_load_relaxed_u64(count) > beyond } }
        // A client that sleeps is woken by the answer.
        var first = try service.makeServer(waiting: .sleep, options: patient)
        let caller = Worker { () throws in #expect(try client.call("x", timeout: patience).text == "y") }
        #expect(asleep(sr_caller_sleeps(slot), beyond: 0))
        try first.next(timeout: patience).reply("y")
        #expect(server.pointee.started == 1 && server.pointee.answered == 1 && server.pointee.wakes >= 1)
        try caller.join()
        first.close()
        // A server that sleeps is woken by the request.
        let wakes = slot.pointee.wakes
        let sleeps = sr_load_relaxed_u64(sr_server_sleeps(server))
        let serving = try ServingThread(service, waiting: .sleep) { request, answer in if request.byteCount > 1 { try answer.refuse("no") }
        }
        #expect(asleep(sr_server_sleeps(server), beyond: sleeps))
        expectCallError(.failed(.dropped), .callFailed) { () throws(CallError) in _ = try client.call("x", timeout: patience) }
        #expect(slot.pointee.wakes > wakes)
        expectCallError(.failed(.refused), .callFailed) { () throws(CallError) in _ = try client.call("xx", timeout: patience) }
        try serving.end()
        #expect(server.pointee.started == 3 && server.pointee.answered == 3)
        withExtendedLifetime(client) {}
    }

    // MARK: Slots of the service

    /// Leaves a call in slot 0 that a living server has started and does not answer.
    private func openSlot(_ service: CallService, _ server: inout CallServer) throws -> DeferredCall {
        let predecessor = try service.makeClient(slots: 1, options: patient)
        let caller = Worker { () throws in
            expectCallError(.stillOpen, .cancelled) { () throws(CallError) in _ = try predecessor.call("never answered", timeout: patience)
            }
        }
        let held = try server.next(timeout: patience).deferred()
        predecessor.cancel()
        try caller.join()
        #expect(held.token.slot == 0)
        return held
    }

    /// Waits until no client has slot 0: the thread of a client lets go of it only after its last call.
    private func awaitFirstByte(_ memory: CallMemory) {
        #expect(eventually { (try? memory.attachment.lock.holder(of: .caller(0))) == .free })
    }

    @Test("A new client takes a quiet slot though the first free byte is of an open one, and gives that byte back") func prefersQuiet()
        throws
    {
        let service = try service(clients: 3)
        var slow = try service.makeServer(options: patient)
        let held = try openSlot(service, &slow)
        awaitFirstByte(slow.core.memory)
        let client = try service.makeClient(slots: 1, options: patient)
        #expect(client.slotNumbers == [1])
        #expect(try client.pool.memory.attachment.lock.holder(of: .caller(0)) == .free)
        let serving = try ServingThread(echoing: service)
        #expect(try client.call("x", timeout: patience).text == "x")
        // One that wants more slots gets the quiet ones; the open one is none of its calls.
        let second = try service.makeClient(slots: 2, options: patient)
        #expect(try second.call("y", timeout: patience).text == "y")
        #expect(second.slotNumbers == [2])
        // There is no other: it keeps the open one, and waits for it.
        let third = try service.makeClient(slots: 1, options: patient)
        #expect(third.slotNumbers == [0] && third.openSlotCount == 1)
        expectCallError(.notExecuted, .timedOut, saying: "the one slot of this client") { () throws(CallError) in
            _ = try third.call("z", timeout: .zero)
        }
        try held.reply("late")
        #expect(try third.call("z", timeout: patience).text == "z")
        #expect(third.lateReplies == 1)
        try serving.end()
        slow.close()
        withExtendedLifetime((client, second)) {}
    }

    /// A thread that makes one call.
    private func caller(_ client: CallClient, _ text: String) -> Worker<Void> {
        Worker { () throws in #expect(try client.call(text, timeout: patience).text == text) }
    }

    /// A task that makes one call.
    private func asking(_ client: CallClient, _ text: String) -> Task<Void, any Error> {
        Task { () async throws in #expect(try await client.call(text, timeout: asyncPatience).text == text) }
    }

    @Test("Calls that wait for a slot get one that another client gave back, in the order in which they came", arguments: [false, true])
    func freedElsewhere(inTasks: Bool) async throws {
        let service = try service(clients: 2)
        let order = Mutex<[String]>([])
        let serving = try ServingThread(service) { request, answer in
            order.withLock { $0.append(request.text) }
            try answer.reply(request.bytes)
        }
        let client = try service.makeClient(slots: 2, options: patient)
        let elsewhere = Holding(try service.makeClient(slots: 1, options: patient))
        // Its one slot is with a reply. The service has no other.
        let kept = try await client.call("kept", timeout: asyncPatience)
        var workers: [Worker<Void>] = []
        var tasks: [Task<Void, any Error>] = []
        for number in 0..<3 {
            if inTasks {
                tasks.append(asking(client, "\(number)"))
            } else {
                workers.append(caller(client, "\(number)"))
            }
            #expect(await eventually { client.pool.waitingCallers == number + 1 })
        }
        elsewhere.drop()
        for worker in workers { try worker.join() }
        for task in tasks { try await task.value }
        #expect(order.withLock { $0 } == ["kept", "0", "1", "2"])
        #expect(client.slotNumbers == [0, 1])
        #expect(kept.text == "kept")
        try serving.end()
    }

    @Test("A service that was full is not asked for a slot with every call that finds none") func scansSeldom() throws {
        let service = try service(clients: 2)
        let client = try service.makeClient(slots: 2, options: patient)
        var elsewhere: CallClient? = try service.makeClient(slots: 1, options: patient)
        let slot = try #require(try client.pool.takeNow())
        func fails() throws -> Bool { try client.pool.takeNow() == nil }
        #expect(try fails())
        withExtendedLifetime(elsewhere) {}
        elsewhere = nil
        client.pool.forbidScans()
        #expect(try fails())
        client.pool.allowScans()
        let other = try #require(try client.pool.takeNow())
        #expect(other.number == 1)
        for slot in [slot, other] { client.pool.give(.passRetained(slot)) }
    }

    // MARK: Many

    @Test("Answers come in any order, from any thread, each to its own call") func anyOrder() throws {
        let service = try service(clients: 8)
        let client = try service.makeClient(slots: 8, options: patient)
        var server = try service.makeServer(options: patient)
        let callers = (0..<8).map { number in
            Worker { () throws in #expect(try client.call("\(number)", timeout: patience).text == "re \(number)") }
        }
        var held: [DeferredCall] = []
        for _ in 0..<8 { held.append(try server.next(timeout: patience).deferred()) }
        #expect(Set(held.map(\.text)) == Set((0..<8).map { "\($0)" }))
        for call in held.reversed() { try Worker { try call.reply("re \(call.text)") }.join() }
        for caller in callers { try caller.join() }
        #expect(try !server.startsNext())
    }

    @Test("More callers than slots: each gets its reply, in turn", arguments: [WaitStrategy.sleep, .adaptive]) func pool(
        waiting: WaitStrategy
    ) throws {
        let service = try service()
        let client = try service.makeClient(slots: 2, waiting: waiting, options: patient)
        let serving = try ServingThread(echoing: service)
        let callers = (0..<8).map { number in
            Worker { () throws in
                for turn in 0..<200 {
                    let text = "\(number) \(turn)"
                    #expect(try client.call(text, timeout: patience).text == text)
                }
            }
        }
        for caller in callers { try caller.join() }
        #expect(client.slotCount == 2)
        try serving.end()
    }

    @Test("Several servers share the calls: each is started once") func severalServers() throws {
        let service = try service(clients: 8)
        let starts = Mutex<[String: Int]>([:])
        let servers = try (0..<3).map { _ in
            try ServingThread(service) { request, answer in
                starts.withLock { $0[request.text, default: 0] += 1 }
                try answer.reply(request.bytes)
            }
        }
        let client = try service.makeClient(options: patient)
        let callers = (0..<4).map { number in
            Worker { () throws in
                for turn in 0..<300 { #expect(try client.call("\(number) \(turn)", timeout: patience).text == "\(number) \(turn)") }
            }
        }
        for caller in callers { try caller.join() }
        for server in servers { try server.end() }
        #expect(starts.withLock { $0.count == 1200 && $0.values.allSatisfy { $0 == 1 } })
    }

    @Test("A client that calls without a pause keeps no other waiting for more than its turn") func fair() throws {
        let service = try service(clients: 3)
        var server = try service.makeServer(options: patient)
        let clients = try (0..<3).map { _ in try service.makeClient(slots: 1, options: patient) }
        let callers = clients.map { client in
            Worker { for _ in 0..<50 { _ = try client.call("x", timeout: patience) } }
        }
        var pending: [DeferredCall] = []
        // Once all three wait, they are taken one after another.
        for _ in 0..<50 {
            #expect(eventually { clients.allSatisfy(\.isCallWaiting) })
            var slots: Set<Int> = []
            for _ in 0..<3 {
                let request = try server.next(timeout: patience)
                slots.insert(request.token.slot)
                // Not answered before all three were started: who is answered calls again.
                if slots.count < 3 { pending.append(request.deferred()) } else { try request.reply("y") }
            }
            #expect(slots.count == 3)
            for call in pending { try call.reply("y") }
            pending = []
        }
        for caller in callers { try caller.join() }
    }

    @Test("Of many slots too, a client that calls without a pause keeps no other waiting for more than its turn")
    func fairOverMany() throws {
        let service = try service(clients: 300)
        var server = try service.makeServer(options: patient)
        let clients = try (0..<300).map { _ in try service.makeClient(slots: 1, options: patient) }
        let stop = Atomic(false)
        let done = Atomic(false)
        let busy = clients[5]
        let calling = Worker {
            defer { done.store(true, ordering: .relaxed) }
            while !stop.load(ordering: .relaxed) { _ = try busy.call("x", timeout: patience) }
        }
        for _ in 0..<10 {
            let others = [70, 140, 299].map { clients[$0] }
            let callers = others.map { client in Worker { _ = try client.call("y", timeout: patience) } }
            #expect(eventually { others.allSatisfy(\.isCallWaiting) })
            var served = 0
            var turns = 0
            while served < 3, turns < 20 {
                // The busy one always waits, so only the order of the sweeps brings the others their turn.
                #expect(eventually { busy.isCallWaiting })
                let request = try server.next(timeout: patience)
                turns += 1
                if request.text == "y" { served += 1 }
                try request.reply("z")
            }
            // A turn of the busy one between each 64 slots, at most.
            #expect(served == 3 && turns <= 3 + 6)
            for caller in callers { try caller.join() }
        }
        stop.store(true, ordering: .relaxed)
        // Its last call, if there is one.
        while !done.load(ordering: .relaxed) {
            if let request = try server.nextIfAvailable() { try request.reply("z") }
            usleep(500)
        }
        try calling.join()
    }

    @Test("The numbers of a slot wrap like any other numbers") func wrapping() throws {
        let service = try service(clients: 1)
        let client = try service.makeClient(slots: 1, options: patient)
        client.setNumber(UInt32.max - 2)
        let successor: CallClient
        let serving = try ServingThread(echoing: service)
        for number in 0..<6 { #expect(try client.call("\(number)", timeout: patience).text == "\(number)") }
        #expect(client.number == 3)
        _ = consume client
        successor = try service.makeClient(slots: 1, options: patient)
        #expect(successor.number == 3)
        #expect(try successor.call("x", timeout: patience).text == "x")
        try serving.end()
    }

    // MARK: Tasks

    @Test("In tasks: calls, deadlines and cancellation, with a server in a task") func tasks() async throws {
        let service = try service(clients: 8)
        let client = try service.makeClient(slots: 2, options: patient)
        let task = Task {
            var server = try service.makeServer(options: patient)
            try await server.serve { request in
                if request.text == "hold" { try await Task.sleep(for: asyncPatience) }
                let text = request.text
                try request.reply("re \(text)")
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask { () async throws in
                    for turn in 0..<50 {
                        #expect(try await client.call("\(number) \(turn)", timeout: asyncPatience).text == "re \(number) \(turn)")
                    }
                }
            }
            try await group.waitForAll()
        }
        let held = Task { () -> CallError? in
            do throws(CallError) { _ = try await client.call("hold") } catch { return error }
            return nil
        }
        #expect(await eventually { client.startedCalls == 1 })
        held.cancel()
        let error = try #require(await held.value)
        #expect(error.outcome == .stillOpen && error.reason.code == .cancelled)
        do throws(CallError) {
            _ = try await client.call("never", timeout: .milliseconds(1))
            Issue.record("a reply")
        } catch {
            #expect(error.outcome == .notExecuted && error.reason.code == .timedOut)
        }
        task.cancel()
        await #expect(throws: (any Error).self) { try await task.value }
    }

    @Test("In a task, a request may be lent or written in place; a body that throws makes no call") func lentInTask() async throws {
        let service = try service(clients: 1)
        let client = try service.makeClient(slots: 1, options: patient)
        let task = Task {
            var server = try service.makeServer(options: patient)
            try await server.serve { request in
                let bytes = request.array
                try request.reply(bytes)
            }
        }
        for size in [0, 5, 48, 49, 1024] {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
            #expect(try await client.call(bytes.span.bytes, timeout: asyncPatience).array == bytes)
            // The reply ends with the statement, and with it its hold on the only slot.
            let written = try await client.call(byteCount: size, timeout: asyncPatience) { span in
                for i in 0..<size { span.storeBytes(of: UInt8(truncatingIfNeeded: i), toByteOffset: i, as: UInt8.self) }
            }.array
            #expect(written == bytes)
            await #expect(throws: Own.self) {
                _ = try await client.call(byteCount: size, timeout: asyncPatience) { _ in throw Own() }.byteCount
            }
        }
        do {
            _ = try await client.call(byteCount: 1025) { _ in Issue.record("there is no room for it") }
            Issue.record("a reply")
        } catch let error as CallError {
            #expect(error.outcome == .notExecuted && error.reason.code == .messageTooLarge)
        }
        task.cancel()
        await #expect(throws: (any Error).self) { try await task.value }
        do {
            _ = try await client.call(byteCount: 1, timeout: .milliseconds(1)) { $0.storeBytes(of: 7, toByteOffset: 0, as: UInt8.self) }
            Issue.record("a reply")
        } catch let error as CallError {
            #expect(error.outcome == .notExecuted && error.reason.code == .timedOut)
        }
    }

    @Test("Requests and replies are read as vectors") func vectors() throws {
        let service = try service()
        let client = try service.makeClient()
        for size in [3, 16] {
            let server = try ServingThread(service) { request, answer in
                guard let value = request.value(as: SIMD4<Float>.self) else { return try answer.refuse("another size") }
                try unsafe answer.reply([value * 2].span.bytes)
            }
            let bytes = size == 16 ? unsafe [SIMD4<Float>(1, 2, 3, 4)].withUnsafeBytes { Array($0) } : [1, 2, 3]
            if size == 16 {
                let reply = try client.call(bytes, timeout: patience)
                #expect(reply.value(as: SIMD4<Float>.self) == SIMD4(2, 4, 6, 8))
                #expect(reply.value(as: SIMD8<Float>.self) == nil)
            } else {
                expectCallError(.failed(.refused), .callFailed) { () throws(CallError) in _ = try client.call(bytes, timeout: patience) }
            }
            try server.end()
        }
    }

    @Test("A task that is cancelled serves no further call, though one be there") func cancelledServer() async throws {
        let service = try service()
        let client = try service.makeClient(slots: 3, options: patient)
        let callers = (0..<3).map { _ in Task { try? await client.call("x", timeout: asyncPatience).text } }
        #expect(await eventually { client.waitingCalls == 3 })
        let served = Atomic(0)
        let error = await Task { () -> (any Error)? in
            do {
                var server = try service.makeServer(options: patient)
                try await server.serve { request in
                    served.add(1, ordering: .relaxed)
                    withUnsafeCurrentTask { $0?.cancel() }
                    try request.reply("y")
                }
                return nil
            } catch { return error }
        }.value
        #expect((error as? RingError)?.code == .cancelled)
        #expect(served.load(ordering: .relaxed) == 1)
        for caller in callers { caller.cancel() }
        for caller in callers { _ = await caller.value }
    }

    @Test("An event loop's descriptor is readable while a call waits") func eventSource() throws {
        let service = try service()
        let client = try service.makeClient(options: patient)
        var source = try service.makeServer(options: patient).eventSource()
        let descriptor = source.descriptor
        func isReadable(_ milliseconds: Int32) -> Bool {
            var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            return poll(&event, 1, milliseconds) == 1
        }
        #expect(try !source.startsNext())
        #expect(!isReadable(0))
        for turn in 0..<20 {
            let caller = Worker { () throws in #expect(try client.call("\(turn)", timeout: patience).text == "re \(turn)") }
            #expect(isReadable(patienceMilliseconds))
            while true {
                if let request = try source.poll() {
                    let text = request.text
                    try request.reply("re \(text)")
                    break
                }
                #expect(isReadable(patienceMilliseconds))
            }
            try caller.join()
        }
        var server = source.server()
        #expect(try !server.startsNext())
    }
}

extension CallServer {
    /// Whether there was a call, which is dropped.
    mutating func startsNext() throws(RingError) -> Bool { try nextIfAvailable() != nil }
}

extension CallReply {
    /// Into an array.
    func copy(into buffer: inout [UInt8]) throws(RingError) -> Int {
        var span = buffer.mutableSpan
        var bytes = span.mutableBytes
        return try copy(into: &bytes)
    }
}

extension CallEventSource {
    /// Whether there was a call, which is dropped.
    mutating func startsNext() throws(RingError) -> Bool { try poll() != nil }
}

extension CallClient {
    private var slots: [ClientSlot] { pool.allSlots }
    var waitingCalls: Int { slots.count { if case .pending = $0.look(withdrawing: false) { $0.isOpen } else { false } } }
    var startedCalls: Int { slots.count { if case .started = $0.look(withdrawing: false) { $0.isOpen } else { false } } }
    var isCallWaiting: Bool { waitingCalls > 0 }
    var slotCount: Int { slots.count }
    var slotNumbers: [Int] { slots.map(\.number) }
    var openSlotCount: Int { slots.count(where: \.isOpen) }
    var number: UInt32 { slots[0].n }
    var lateReplies: UInt64 { slots.reduce(0) { $0 + sr_caller_late(pool.memory.caller($1.number)).pointee } }

    /// As if so many calls had been made through its first slot.
    func setNumber(_ n: UInt32) { slots[0].setNumber(n) }
}

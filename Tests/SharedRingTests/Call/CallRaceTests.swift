import CSharedRing
import TestSupport
import Testing

@testable import SharedRing

@Suite("Calls: what the other side does between two looks makes no outcome wrong", .oneByOne)
struct CallRaceTests {
    private let patient = EndpointOptions(checkInterval: longCheckInterval)

    private func service(servers: Int = 2) throws -> CallService {
        try CallService.anonymous(shape: CallService.Shape(clients: 1, servers: servers))
    }

    /// Posts a request of no bytes.
    private func post(_ slot: ClientSlot) {
        _ = unsafe slot.begin(0)
        slot.post(0, retrying: nil)
    }

    /// How the call was settled; nil: it is open.
    private func outcome(_ look: ClientSlot.Look) -> Int32? {
        if case .settled(let word) = look { Int32(sr_call_how(word)) } else { nil }
    }

    private func isStarted(_ look: ClientSlot.Look) -> Bool { if case .started = look { true } else { false } }

    @Test("A server answers and goes while a client asks whether it has gone: the reply counts, and the call is not unknown")
    func answersLast() throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, options: patient)
        let slot = try #require(try client.pool.takeNow())
        let server = try service.makeServer(options: patient)
        let core = server.core
        post(slot)
        let call = try #require(core.poll())
        var asked = 0
        let look = slot.look(withdrawing: false) { who in
            asked += 1
            _ = core.take(call)
            core.finish(call, UInt32(SR_CALL_REPLIED), 0)
            core.close()
            return slot.memory.isGone(who)
        }
        #expect(outcome(look) == Int32(SR_CALL_REPLIED) && asked == 1)
        slot.finish()
        client.pool.give(.passRetained(slot))
        withExtendedLifetime(server) {}
    }

    @Test("A client asks for no other server than the one that the claim names, though a call be started while it asks")
    func startsMeanwhile() throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, options: patient)
        let slot = try #require(try client.pool.takeNow())
        // The slot's last call is a server's that has gone.
        let first = try service.makeServer(options: patient)
        post(slot)
        first.core.drop(try #require(first.core.poll()))
        #expect(outcome(slot.look(withdrawing: false)) == Int32(SR_CALL_DROPPED))
        slot.finish()
        first.core.close()
        let second = try service.makeServer(options: patient)
        var call: ServerCore.Started?
        func isGone(_ who: UInt32) -> Bool {
            let isGone = slot.memory.isGone(who)
            if call == nil { call = second.core.poll() }
            return isGone
        }
        post(slot)
        for _ in 0..<2 { #expect(outcome(slot.look(withdrawing: false, isGone: isGone)) == nil) }
        if call == nil { call = second.core.poll() }
        #expect(isStarted(slot.look(withdrawing: true, isGone: isGone)))
        second.core.drop(try #require(call))
        #expect(outcome(slot.look(withdrawing: true)) == Int32(SR_CALL_DROPPED))
        slot.finish()
        client.pool.give(.passRetained(slot))
        withExtendedLifetime(first) {}
        withExtendedLifetime(second) {}
    }

    @Test(
        "A request rings the servers that sleep, and an answer the client that does",
        arguments: [RingOptions.Barrier.automatic, .symmetric])
    func rings(barrier: RingOptions.Barrier) throws {
        var options = RingOptions()
        options.barrier = barrier
        let service = try CallService.anonymous(shape: CallService.Shape(clients: 1, servers: 1), options: options)
        let client = try service.makeClient(slots: 1, options: patient)
        let slot = try #require(try client.pool.takeNow())
        let server = try service.makeServer(options: patient)
        let eventWord = sr_call_event_word(slot.memory.control)
        let doorbell = sr_caller_doorbell(slot.memory.caller(0))
        // As both sides leave their words when they fall asleep.
        let asleep = EventCount.declareAsleep(eventWord)
        post(slot)
        #expect(sr_load_acquire_u32(eventWord) == asleep &+ 1)
        sr_store_release_u32(doorbell, 1)
        server.core.drop(try #require(server.core.poll()))
        #expect(sr_load_acquire_u32(doorbell) == 0)
        slot.finish()
        client.pool.give(.passRetained(slot))
        withExtendedLifetime(server) {}
    }

    @Test("The next server in a killed one's place rings the clients, and a call that the killed one started is unknown to them")
    func nextServer() throws {
        let service = try service(servers: 1)
        let client = try service.makeClient(slots: 1, options: patient)
        let slot = try #require(try client.pool.takeNow())
        let memory = slot.memory
        post(slot)
        // As a server leaves it that was killed behind its claim, and a client that sleeps.
        sr_store_release_u32(sr_server_epoch(memory.server(0)), 1)
        sr_store_release_u64(sr_caller_claim(memory.caller(0)), sr_call_claim_word(1, sr_call_starter(0, 1)))
        sr_store_release_u32(sr_caller_doorbell(memory.caller(0)), 1)
        let server = try service.makeServer(options: patient)
        #expect(sr_load_acquire_u32(sr_caller_doorbell(memory.caller(0))) == 0)
        #expect(try memory.attachment.lock.holder(of: .server(0)) != .free)
        #expect(outcome(slot.look(withdrawing: false)) == Int32(SR_CALL_UNKNOWN))
        slot.finish()
        client.pool.give(.passRetained(slot))
        withExtendedLifetime(server) {}
    }

    @Test("A request that follows a reply at once is started, whatever the thread that answered does last") func followsReply() throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, options: patient)
        let slot = try #require(try client.pool.takeNow())
        let server = try service.makeServer(options: patient)
        let core = server.core
        let doorbell = sr_caller_doorbell(slot.memory.caller(0))
        let count = 10_000
        // How many calls the answering thread was given; more than there are: it is over.
        let given = Turn()
        defer { given.set(count + 1) }
        let answerer = Worker { () throws in
            for number in 1...count {
                let bound = Patience()
                while given.value < number { try bound.yield() }
                if given.value > count { return }
                core.drop(ServerCore.Started(slot: 0, n: UInt32(number), flags: 0, byteCount: 0))
            }
        }
        for number in 1...count {
            post(slot)
            let call = core.poll()
            try #require(call?.n == UInt32(number), "call \(number) was not started")
            // So the answerer makes a system call behind the reply.
            sr_store_release_u32(doorbell, 1)
            given.set(number)
            let bound = Patience()
            var looks = 0
            while slot.reply() == nil {
                looks += 1
                if looks % 1000 == 0 { try bound.yield() }
            }
            slot.finish()
        }
        try answerer.join()
        client.pool.give(.passRetained(slot))
        withExtendedLifetime(server) {}
    }

    @Test("A server that closes while a handler answers has its byte until the reply is there") func closesBehindAnswer() throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, waiting: .sleep, options: EndpointOptions(checkInterval: .milliseconds(1)))
        let memory = client.pool.memory
        func sleeps() -> UInt64 { sr_load_relaxed_u64(sr_caller_sleeps(memory.caller(0))) }
        let server = try service.makeServer(options: patient)
        let core = server.core
        let isOver = Turn()
        let caller = Worker { () throws in
            defer { isOver.set(1) }
            #expect(try client.call("x", timeout: patience).byteCount == 8)
        }
        var started: ServerCore.Started?
        #expect(
            eventually {
                started = core.poll()
                return started != nil
            })
        var closer: Worker<Void>?
        try core.answer(try #require(started), UInt32(SR_CALL_REPLIED), 8) { bytes in
            closer = Worker { core.close() }
            #expect(eventually { (try? core.requireUsable()) == nil }, "it has begun to close")
            // The client checks on it meanwhile.
            let before = sleeps()
            #expect(eventually { isOver.value == 1 || sleeps() >= before + 3 })
            bytes.storeBytes(of: 7, as: UInt64.self)
        }
        try closer?.join()
        try caller.join()
        withExtendedLifetime(server) {}
    }

    @Test("Withdrawn at the moment at which servers start it: one of them decides, and what was not executed was not started")
    func withdraws() throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, options: patient)
        let slot = try #require(try client.pool.takeNow())
        let isOver = Turn()
        defer { isOver.set(1) }
        let boxes = try (0..<2).map { _ in ServerBox(try service.makeServer(options: patient)) }
        let servers = boxes.map { box in
            Worker { () throws -> [UInt32] in
                let server = box.take()
                var started: [UInt32] = []
                while isOver.value == 0 {
                    guard let call = server.core.poll() else { continue }
                    started.append(call.n)
                    server.core.drop(call)
                }
                withExtendedLifetime(server) {}
                return started
            }
        }
        var withdrawn: Set<UInt32> = []
        // How long the client waits before it withdraws: longer when it was first, and shorter when a server was. So the two meet.
        var pauses = 0
        for _ in 0..<20_000 {
            post(slot)
            for _ in 0..<pauses { sr_pause() }
            var how = outcome(slot.look(withdrawing: true))
            let bound = Patience()
            while how == nil {
                how = outcome(slot.look(withdrawing: true))
                try bound.yield()
            }
            if how == Int32(SR_CALL_NOT_EXECUTED) {
                withdrawn.insert(slot.n)
                pauses = min(pauses + 1, 500)
            } else {
                pauses = max(pauses - 1, 0)
            }
            slot.finish()
        }
        isOver.set(1)
        let started = try servers.map { try $0.join() }
        #expect(started[0].count + started[1].count + withdrawn.count == 20_000)
        #expect(withdrawn.isDisjoint(with: started[0]) && withdrawn.isDisjoint(with: started[1]))
        client.pool.give(.passRetained(slot))
    }
}

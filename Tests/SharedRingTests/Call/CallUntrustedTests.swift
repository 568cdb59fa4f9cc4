import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Calls: whatever an untrusted peer writes, the other side has a typed error or goes on", .oneByOne)
struct CallUntrustedTests {
    private let patient = EndpointOptions(checkInterval: longCheckInterval)
    private let quick = EndpointOptions(checkInterval: .milliseconds(1))

    private func service() throws -> CallService {
        try CallService.anonymous(shape: CallService.Shape(clients: 3, servers: 2, requestCapacity: 200, replyCapacity: 100))
    }

    /// The words of a slot, as an untrusted peer has them.
    private struct Slot {
        let line: UnsafeMutablePointer<sr_call_line>
        let caller: UnsafeMutablePointer<sr_caller_control>

        init(_ memory: CallMemory, _ number: Int) {
            line = memory.line(number)
            caller = memory.caller(number)
        }

        var request: UInt64 {
            get { sr_load_acquire_u64(sr_call_request(line)) }
            nonmutating set { sr_store_release_u64(sr_call_request(line), newValue) }
        }
        var reply: UInt64 {
            get { sr_load_acquire_u64(sr_call_reply(line)) }
            nonmutating set { sr_store_release_u64(sr_call_reply(line), newValue) }
        }
        var claim: UInt64 {
            get { sr_load_acquire_u64(sr_caller_claim(caller)) }
            nonmutating set { sr_store_release_u64(sr_caller_claim(caller), newValue) }
        }
        var sleeps: UInt64 { sr_load_relaxed_u64(sr_caller_sleeps(caller)) }
    }

    // MARK: Before a server

    @Test("An impossible request is answered as malformed, and the server goes on with the next") func malformedRequests() throws {
        let service = try service()
        let client = try service.makeClient(options: patient)
        var server = try service.makeServer(options: patient)
        let slot = Slot(server.core.memory, 1)
        sr_call_slots_used(server.core.memory.control)[0] = .max
        var n: UInt32 = 0
        for (flags, count) in [(0, 201), (0, 0xfff_ffff), (2, 8), (15, 0), (14, 0xfff_ffff)] as [(UInt32, UInt32)] {
            n += 1
            slot.request = sr_call_word(n, flags, count)
            #expect(try !server.startsNext())
            #expect(slot.reply == sr_call_word(n, UInt32(SR_CALL_MALFORMED), 0))
        }
        let caller = Worker { () throws in #expect(try client.call("x", timeout: patience).text == "y") }
        try server.next(timeout: patience).reply("y")
        try caller.join()
    }

    @Test("A request out of order is not started, however often it changes; the bitmap is cut to the slots that there are")
    func outOfOrder() throws {
        let service = try service()
        let server = try service.makeServer(options: patient)
        let memory = server.core.memory
        for word in 0..<16 { sr_call_slots_used(memory.control)[word] = .max }
        let slot = Slot(memory, 2)
        for n in [2, 5, .max, 1 << 31, 0] as [UInt32] {
            slot.request = sr_call_word(n, 0, 8)
            #expect(server.core.poll() == nil)
        }
        slot.claim = sr_call_claim_word(7, 1)
        slot.request = sr_call_word(8, 0, 8)
        #expect(server.core.poll()?.n == 8)
        // It is not answered yet, and the next one is there: no client that keeps the protocol does that.
        slot.request = sr_call_word(9, 0, 8)
        #expect(server.core.poll() == nil)
        #expect(server.core.poll() == nil)
        server.core.drop(ServerCore.Started(slot: 2, n: 8, flags: 0, byteCount: 8))
        #expect(slot.reply == sr_call_word(8, UInt32(SR_CALL_DROPPED), 0))
        // At the end of a check interval it is looked at again.
        #expect(server.core.isReadyOnCheckingPeers())
        #expect(server.core.poll()?.n == 9)
        withExtendedLifetime(server) {}
    }

    @Test("One slot that asks without end gets one turn in a round") func flood() throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, options: patient)
        var server = try service.makeServer(options: patient)
        let slot = Slot(server.core.memory, 1)
        sr_call_slots_used(server.core.memory.control)[0] |= 2
        let caller = Worker { for _ in 0..<20 { _ = try client.call("x", timeout: patience) } }
        var answered = 0
        var n: UInt32 = 0
        while answered < 20 {
            #expect(eventually { client.isCallWaiting })
            var turns = 0
            while true {
                n += 1
                slot.request = sr_call_word(n, 0, 0)
                let request = try server.next(timeout: patience)
                if request.token.slot == 1 {
                    turns += 1
                    try request.reply("")
                } else {
                    try request.reply("y")
                    break
                }
            }
            #expect(turns <= 1)
            answered += 1
        }
        try caller.join()
    }

    @Test("A client that changes its request without end keeps no asynchronous server from its deadline, nor from its cancellation")
    func restless() async throws {
        let service = try service()
        let server = try service.makeServer(options: patient)
        let core = server.core
        sr_call_slots_used(core.memory.control)[0] |= 2
        let end = Canceller(CancelFlag(word: .doorbell(sr_caller_doorbell(core.memory.caller(1))), keeping: core.memory))
        let restless = Worker {
            let slot = Slot(core.memory, 1)
            var n: UInt32 = 2
            while !end.isCancelled {
                slot.request = sr_call_word(n, 0, 0)
                n = n == .max ? 2 : n + 1
            }
        }
        do throws(RingError) {
            _ = try await core.waitWithoutThread(until: Deadline(after: .milliseconds(1)))
            Issue.record("a call")
        } catch { #expect(error.code == .timedOut) }
        let waiting = Task { () -> RingError? in
            do throws(RingError) { _ = try await core.waitWithoutThread(until: .never) } catch { return error }
            return nil
        }
        waiting.cancel()
        #expect(await waiting.value?.code == .cancelled)
        end.cancel()
        try restless.join()
        withExtendedLifetime(server) {}
    }

    @Test("A token is what the client stored, and names no memory") func token() throws {
        let service = try service()
        var server = try service.makeServer(options: patient)
        let slot = Slot(server.core.memory, 0)
        sr_call_slots_used(server.core.memory.control)[0] = 1
        memset(sr_call_token(slot.line), 0xff, 24)
        slot.request = sr_call_word(1, UInt32(SR_CALL_HAS_TOKEN), 48)
        let request = try server.next(timeout: patience)
        #expect(request.token.slot == Int(UInt32.max) && request.token.number == .max && request.isRetry)
        #expect(request.array.count == 48)
        try request.reply("")
    }

    // MARK: Before a client

    /// A call whose slot an untrusted server writes into once it waits.
    private func attacked(
        _ outcome: CallError.Outcome, _ code: RingError.Code, saying facts: String..., sourceLocation: SourceLocation = #_sourceLocation,
        _ attack: (Slot) -> Void
    ) throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, options: quick)
        let caller = Worker { () throws -> CallError? in
            do throws(CallError) { _ = try client.call("x", timeout: patience) } catch { return error }
            return nil
        }
        #expect(eventually { client.isCallWaiting })
        attack(Slot(client.pool.memory, 0))
        let error = try #require(try caller.join(), sourceLocation: sourceLocation)
        #expect(error.outcome == outcome && error.reason.code == code, "\(error)", sourceLocation: sourceLocation)
        for fact in facts { #expect(error.description.contains(fact), "\(error)", sourceLocation: sourceLocation) }
    }

    @Test("An impossible reply is an error that says what it has") func impossibleReplies() throws {
        for (how, count) in [(0, 101), (0, 0xfff_ffff), (1, 101), (7, 0), (15, 5)] as [(UInt32, UInt32)] {
            try attacked(.unknown, .poisoned, saying: "\(count) bytes", "mark \(how)", "100") { $0.reply = sr_call_word(1, how, count) }
        }
    }

    @Test("A claim of a server that can't be is unknown within a check interval; one that says withdrawn is not executed") func claims()
        throws
    {
        try attacked(.unknown, .peerDied) { $0.claim = sr_call_claim_word(1, sr_call_starter(63, 1)) }
        try attacked(.unknown, .peerDied) { $0.claim = sr_call_claim_word(1, sr_call_starter(1, 5)) }
        try attacked(.notExecuted, .callFailed) { $0.claim = sr_call_claim_word(1, 0) }
    }

    @Test("A call whose claim no process stores ends at its deadline; then its slot is passed over, and its byte is another's to take")
    func damagedSlot() throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, options: quick)
        let slot = Slot(client.pool.memory, 0)
        slot.claim = sr_call_claim_word(7, 65)
        expectCallError(.unknown, .poisoned, saying: "slot 0", "of call 7", "call 1", "damaged") { () throws(CallError) in
            _ = try client.call("x", timeout: .milliseconds(1))
        }
        let serving = try ServingThread(echoing: service)
        #expect(try client.call("y", timeout: patience).text == "y")
        #expect(client.slotNumbers == [1])
        #expect(try client.pool.memory.attachment.lock.holder(of: .caller(0)) == .free)
        // Others pass it over too: its byte is the first that is free.
        let other = try service.makeClient(slots: 1, options: quick)
        #expect(try other.call("z", timeout: patience).text == "z")
        #expect(other.slotNumbers == [2])
        // It is as good as any once its words fit again.
        #expect(slot.claim == sr_call_claim_word(7, 65))
        slot.claim = sr_call_claim_word(1, 0)
        slot.reply = sr_call_word(1, UInt32(SR_CALL_NOT_EXECUTED), 0)
        let third = try service.makeClient(slots: 1, options: quick)
        #expect(try third.call("third", timeout: patience).text == "third")
        #expect(third.slotNumbers == [0])
        try serving.end()
        withExtendedLifetime((client, other)) {}
    }

    @Test("A client of several slots gives the byte of a damaged one back at once") func damagedOfSeveral() throws {
        let service = try service()
        let client = try service.makeClient(slots: 2, options: quick)
        let first = try #require(try client.pool.takeNow())
        let second = try #require(try client.pool.takeNow())
        for slot in [first, second] { client.pool.give(.passRetained(slot)) }
        #expect(client.slotNumbers == [0, 1])
        for number in 0..<2 { Slot(client.pool.memory, number).claim = sr_call_claim_word(7, 65) }
        for _ in 0..<2 {
            expectCallError(.unknown, .poisoned) { () throws(CallError) in _ = try client.call("x", timeout: .zero) }
        }
        #expect(client.slotNumbers.count == 1)
        let serving = try ServingThread(echoing: service)
        #expect(try client.call("y", timeout: patience).text == "y")
        #expect(client.slotNumbers == [2])
        try serving.end()
    }

    @Test(
        "A wait whose claim fits nothing goes on past check intervals: it ends with the answer if the words are put right, or with its cancellation"
    )
    func damagedMeanwhile() async throws {
        let service = try service()
        let client = try service.makeClient(slots: 1, options: quick)
        let slot = Slot(client.pool.memory, 0)
        let call = Task { () async throws -> String in try await client.call("x", timeout: asyncPatience).text }
        #expect(await eventually { client.isCallWaiting })
        slot.claim = sr_call_claim_word(7, 65)
        let sleeps = slot.sleeps
        #expect(await eventually { slot.sleeps >= sleeps + 5 })
        slot.claim = 0
        let serving = try ServingThread(echoing: service)
        #expect(try await call.value == "x")
        try serving.end()
        let second = Task { () async -> CallError? in
            do throws(CallError) { _ = try await client.call("x", timeout: asyncPatience) } catch { return error }
            return nil
        }
        #expect(await eventually { client.isCallWaiting })
        slot.claim = sr_call_claim_word(9, 65)
        second.cancel()
        let error = try #require(await second.value)
        #expect(error.outcome == .unknown && error.reason.code == .cancelled, "\(error)")
        withExtendedLifetime(client) {}
    }

    @Test("If every slot is damaged, a client waits to its deadline and says so; it has the byte of one slot all the while")
    func allDamaged() throws {
        let service = try service()
        let observer = try service.makeClient(slots: 1, options: quick)
        let memory = observer.pool.memory
        for number in 0..<3 { Slot(memory, number).claim = sr_call_claim_word(5, 65) }
        let client = try service.makeClient(slots: 2, options: quick)
        for _ in 0..<2 {
            expectCallError(.notExecuted, .timedOut, saying: "the one slot", "slot 1 is damaged") { () throws(CallError) in
                _ = try client.call("x", timeout: .milliseconds(5))
            }
        }
        #expect(client.slotNumbers == [1])
        // A reply that no server gave: the slot looks quiet, and its claim is of the call before.
        let slot = Slot(memory, 2)
        slot.claim = 0
        slot.request = sr_call_word(1, 0, 0)
        slot.reply = sr_call_word(1, 0, 0)
        expectCallError(.notExecuted, .timedOut) { () throws(CallError) in _ = try client.call("x", timeout: .milliseconds(5)) }
        slot.claim = sr_call_claim_word(1, 0)
        let serving = try ServingThread(echoing: service)
        #expect(try client.call("x", timeout: patience).text == "x")
        #expect(client.slotNumbers == [2])
        try serving.end()
        withExtendedLifetime(observer) {}
    }

    @Test("Whatever all words hold, in whatever order: data or a typed error, and an end", arguments: 0..<20) func noise(seed: UInt64)
        throws
    {
        var random = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        func word() -> UInt64 {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return random
        }
        let service = try service()
        let client = try service.makeClient(slots: 3, options: quick)
        var server = try service.makeServer(options: quick)
        let memory = server.core.memory
        let size = memory.shape.controlSize
        for _ in 0..<300 {
            for _ in 0..<word() % 6 {
                // Not the first block: flags of the segment, which mean something else.
                let place = UnsafeMutableRawPointer(memory.control) + 128 + Int(word() % UInt64((size - 128) / 8)) * 8
                let value = word() % 3 == 0 ? word() : word() % 4 << 32 | word() % 300
                sr_store_release_u64(place, value)
            }
            do throws(CallError) { _ = try client.call([UInt8](repeating: 1, count: Int(word() % 201)), timeout: .zero).array } catch {
                #expect(error.reason.code != .system, "\(error)")
            }
            if let request = try server.nextIfAvailable() {
                _ = (request.array, request.token, request.isGivenUp)
                if word() % 2 == 0 { try request.reply([UInt8](repeating: 2, count: Int(word() % 101))) }
            }
        }
        _ = try? RingReport(service.report())
    }
}

extension CallService {
    /// For an inspection of an anonymous one.
    fileprivate func report() throws -> InspectedRing {
        let descriptor = try duplicateDescriptor()
        defer { close(descriptor) }
        return try InspectedRing(descriptor: descriptor, options: handle.options)
    }
}

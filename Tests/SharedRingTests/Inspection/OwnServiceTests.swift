import CSharedRing
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A call service is examined by the value that one has", .oneByOne)
struct OwnServiceTests {
    let place = Place()
    private let shape = CallService.Shape(clients: 3, servers: 2, requestCapacity: 100, replyCapacity: 200)

    /// What both say of a service with one server, and a client that has made one call.
    private func requireFacts(of service: CallService, isAnonymous: Bool) throws {
        let server = try service.makeServer()
        let client = try service.makeClient(slots: 1)
        expectCallError(.notExecuted, .timedOut) { () throws(CallError) in _ = try client.call("x", timeout: .zero) }
        let (report, check) = (try service.report(), try service.check())
        #expect(report.kind == .call && report.isAnonymous == isAnonymous && report.label == service.label)
        #expect(report.capacity == 100 && report.replyCapacity == 200 && report.callSlotCount == 3 && report.serverCount == 2)
        #expect(report.servers.map(\.role.presence) == [.attached])
        #expect(report.callSlots.map(\.client.presence) == [.attached] && report.callSlots.map(\.calls) == [1])
        #expect(check.damage.isEmpty && check.report.instance == report.instance && check.report.callSlots.map(\.calls) == [1])
        try client.end()
        server.close()
        let after = try service.report()
        #expect(after.servers.map(\.role.presence) == [.closed] && after.callSlots.map(\.client.presence) == [.closed])
    }

    @Test("A service with a name, by the value that made or found it") func named() throws {
        let made = try CallService.create("c", shape: shape, options: place.options())
        try requireFacts(of: made, isAnonymous: false)
        let found = try CallService.open("c", options: place.options())
        #expect(try found.report().fileName == FileName("c") && found.report().directory == place.path)
        #expect(try found.report().instance == made.report().instance)
        try CallService.remove("c", options: place.options())
        try requireFacts(of: CallService.openOrCreate("c", shape: shape, options: place.options()), isAnonymous: false)
    }

    @Test("A service without a name, by its value and by a descriptor") func anonymous() throws {
        var options = RingOptions()
        options.label = "store"
        let service = try CallService.anonymous(shape: shape, options: options)
        try requireFacts(of: service, isAnonymous: true)
        #expect(try service.report().name == "store")
        let descriptor = try service.duplicateDescriptor()
        defer { close(descriptor) }
        let received = try CallService.open(descriptor: descriptor)
        let (report, check) = (try received.report(), try received.check())
        #expect(try report.instance == service.report().instance && check.report.instance == report.instance)
        #expect(report.isAnonymous && report.name == "descriptor \(descriptor)" && report.callSlots.map(\.calls) == [1])
    }

    @Test("The value of a service that was removed or replaced examines no other one, and says what it is about") func replaced() throws {
        let service = try CallService.create("c", shape: shape, options: place.options())
        let either = try CallService.openOrCreate("c", shape: shape, options: place.options())
        try CallService.remove("c", options: place.options())
        expectError(.notFound, saying: "call service 'c'") { () throws(RingError) in _ = try service.report() }
        expectError(.notFound, saying: "call service 'c'") { () throws(RingError) in _ = try either.check() }
        let other = try CallService.create("c", shape: shape, options: place.options())
        expectError(.replaced, saying: "call service 'c'") { () throws(RingError) in _ = try service.report() }
        expectError(.replaced) { () throws(RingError) in _ = try service.check() }
        #expect(try either.report().instance == other.report().instance, "this value leads to whatever has the name")
    }

    @Test("A check finds damage, and names the slot") func damaged() throws {
        let service = try CallService.create("c", shape: shape, options: place.options())
        let client = try service.makeClient(slots: 1)
        client.pool.memory.caller(0).pointee.claim = 7 << 32
        let damage = try service.check().damage
        #expect(damage.first?.detail.contains("slot 0 has call 0, and its claim is of call 7") == true, "\(damage)")
        withExtendedLifetime(client) {}
    }

    @Test("A report says which call was given up while its server is at it") func givenUp() throws {
        let service = try CallService.anonymous(shape: shape)
        var server = try service.makeServer()
        let client = try service.makeClient(slots: 1)
        let caller = Worker {
            expectCallError(.stillOpen, .cancelled) { () throws(CallError) in _ = try client.call("x", timeout: patience) }
        }
        let held = try server.next(timeout: patience).deferred()
        #expect(try service.report().callSlots.map(\.isGivenUp) == [false])
        client.cancel()
        try caller.join()
        let slot = try #require(try service.report().callSlots.first)
        #expect(slot.isGivenUp && slot.state == .started && slot.server == 0)
        try held.reply("late")
        let after = try #require(try service.report().callSlots.first)
        #expect(!after.isGivenUp && after.state == .quiet)
        server.close()
    }

    @Test("A forked child has no way to its parent's service without a name") func forked() throws {
        let service = try CallService.anonymous(shape: shape)
        let child = ts_split()
        if child == 0 {
            var codes: [RingError.Code] = []
            do throws(RingError) { _ = try service.report() } catch { codes.append(error.code) }
            do throws(RingError) { _ = try service.check() } catch { codes.append(error.code) }
            ts_leave(codes == [.forked, .forked] ? 0 : 1)
        }
        #expect(end(of: child) == 0)
        #expect(try service.report().servers.isEmpty)
    }
}

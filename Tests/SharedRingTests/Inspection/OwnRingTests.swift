import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A ring is examined by its name, by a descriptor, and by the value or the link that one has", .oneByOne)
struct OwnRingTests {
    let place = Place()

    private var feed: RingOptions {
        var options = RingOptions(capacity: 4096)
        options.label = "feed"
        return options
    }

    /// One message waits; the ring's producer has closed.
    private func send(_ ring: some MessageRing) throws {
        var producer = try ring.makeProducer()
        try producer.send("abc")
        try producer.close()
    }

    /// What all four say of such a ring.
    private func requireFacts(_ report: RingReport, _ check: RingCheck, _ statistics: RingStatistics, _ tap: consuming RingTap) throws {
        #expect(report.lanes.count == 1 && report.lanes[0].backlog > 0 && report.producerAttachments == 1)
        #expect(check.messages == 1 && check.byteCount == 3 && check.damage.isEmpty && check.report.instance == report.instance)
        #expect(statistics.lanes.count == 1 && statistics.lanes[0].messages == 1 && statistics.report.instance == report.instance)
        let events = try tap.poll()
        guard case .message(let message)? = events.first else {
            Issue.record("\(events)")
            return
        }
        #expect(message.bytes == Array("abc".utf8))
        let (isRemoved, capacity) = (tap.isRemoved, tap.capacity)
        #expect(!isRemoved && capacity == report.capacity)
    }

    private func requireFacts(of ring: some MessageRing, isAnonymous: Bool) throws {
        let report = try ring.report()
        #expect(report.isAnonymous == isAnonymous && report.capacity == ring.capacity && report.label == ring.label)
        try requireFacts(report, ring.check(), ring.statistics(), ring.tap())
    }

    @Test("A ring with a name, by the value that made or found it") func named() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        try send(ring)
        try requireFacts(of: ring, isAnonymous: false)
        try requireFacts(of: SPSCRing.open("r", options: place.options()), isAnonymous: false)
        let many = try MPSCRing.openOrCreate("m", lanes: 3, options: place.options())
        try send(many)
        try requireFacts(of: many, isAnonymous: false)
        #expect(try many.report().fileName == FileName("m") && many.report().directory == place.path && many.report().kind == .mpsc)
    }

    @Test("The value of a ring that was removed or replaced examines no other one") func replaced() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        let either = try SPSCRing.openOrCreate("r", options: place.options())
        try SPSCRing.remove("r", options: place.options())
        expectError(.notFound, saying: "'r'") { () throws(RingError) in _ = try ring.report() }
        expectError(.notFound) { () throws(RingError) in _ = try either.report() }
        let other = try SPSCRing.create("r", options: place.options())
        expectError(.replaced, saying: "'r'") { () throws(RingError) in _ = try ring.report() }
        expectError(.replaced) { () throws(RingError) in _ = try ring.check() }
        expectError(.replaced) { () throws(RingError) in _ = try ring.statistics() }
        expectError(.replaced) { () throws(RingError) in _ = try ring.tap() }
        #expect(try either.report().instance == other.report().instance, "this value leads to whatever has the name")
    }

    @Test("A ring without a name, by its value and by a descriptor") func anonymous() throws {
        let ring = try SPSCRing.anonymous(options: feed)
        try send(ring)
        try requireFacts(of: ring, isAnonymous: true)
        #expect(try ring.report().name == "feed" && ring.report().directory == "")

        let many = try MPSCRing.anonymous(lanes: 2, order: .total)
        try send(many)
        try requireFacts(of: many, isAnonymous: true)
        let descriptor = try many.duplicateDescriptor()
        defer { close(descriptor) }
        try requireFacts(
            RingReport(descriptor: descriptor), RingCheck(descriptor: descriptor), RingStatistics(descriptor: descriptor),
            RingTap(descriptor: descriptor))
        let report = try RingReport(descriptor: descriptor)
        #expect(report.isAnonymous && report.name == "descriptor \(descriptor)" && report.kind == .mpsc && report.isTotallyOrdered)
        #expect(try report.instance == many.report().instance)
        #expect(fcntl(descriptor, F_GETFD) >= 0, "it stays its caller's")
    }

    @Test("A descriptor that leads to no ring, or to memory that can be truncated, is refused by its number") func otherDescriptors() throws
    {
        expectError(.system, saying: "descriptor -1") { () throws(RingError) in _ = try RingReport(descriptor: -1) }
        _ = try SPSCRing.create("r", options: place.options())
        let named = open(place.path("r"), O_RDWR)
        defer { close(named) }
        expectError(.notSealed, saying: "descriptor \(named)") { () throws(RingError) in _ = try RingTap(descriptor: named) }
        expectError(.notSealed) { () throws(RingError) in _ = try RingCheck(descriptor: named) }
    }

    @Test("Both rings of a link, while it lives and when it has ended") func link() throws {
        let path = place.path("service")
        let listener = try LinkListener(path: path)
        let worker = Worker { Box(try Link.connect(path: path, timeout: patience)) }
        var server = try listener.accept(timeout: patience)
        var client = try worker.join().take()

        try server.producer.send("abc")
        let (outgoing, incoming) = (server.outgoingRing, client.incomingRing)
        let report = try outgoing.report()
        #expect(report.isAnonymous && report.consumer.presence == .attached)
        #expect(try incoming.report().name == path)
        #expect(try report.instance == incoming.report().instance, "both sides mean the same ring")
        #expect(try report.instance != server.incomingRing.report().instance)
        #expect(try client.outgoingRing.report().instance == server.incomingRing.report().instance)
        try requireFacts(report, outgoing.check(), outgoing.statistics(), outgoing.tap())
        try requireFacts(incoming.report(), incoming.check(), incoming.statistics(), incoming.tap())
        expectError(.roleTaken) { () throws(RingError) in _ = try outgoing.makeProducer() }

        let text = try client.consumer.next()?.text
        #expect(text == "abc")
        try client.close()
        try server.close()
        let after = try outgoing.report()
        #expect(after.consumer.presence == .closed && after.lanes[0].producer.presence == .closed)
        #expect(try outgoing.statistics().lanes[0].messages == 1)
    }

    @Test("A handle of the other kind makes no ring value") func otherKind() throws {
        let single = try SPSCRing.create("s", options: place.options())
        let many = try MPSCRing.anonymous(lanes: 2, options: feed)
        expectError(.incompatible, saying: "'s'", "of kind spsc, not of kind mpsc") { () throws(RingError) in
            _ = try MPSCRing(handle: single.handle)
        }
        expectError(.incompatible, saying: "'feed'", "of kind mpsc with 2 lanes, not of kind spsc") { () throws(RingError) in
            _ = try SPSCRing(handle: many.handle)
        }
        try send(SPSCRing(handle: single.handle))
        #expect(try MPSCRing(handle: many.handle).laneCount == 2 && single.check().messages == 1)
    }
}

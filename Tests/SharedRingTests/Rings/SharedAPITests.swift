import TestSupport
import Testing

@testable import SharedRing

@Suite("What all rings, and both consumers, have in common", .oneByOne)
struct SharedAPITests {
    /// By what the two protocols promise alone.
    private func transfer<Ring: MessageRing, Source: MessageSource & ~Copyable>(
        _ ring: Ring, to consumer: consuming Source
    ) throws -> [String] {
        let (isPeerAttached, largest, isCancelled) = (consumer.isPeerAttached, consumer.largestMessage, consumer.canceller.isCancelled)
        #expect(!isPeerAttached && largest == ring.largestMessage && !isCancelled)
        expectError(.timedOut) { () throws(RingError) in try consumer.waitForPeer(timeout: .zero) }
        try ring.withProducer(options: EndpointOptions(checkInterval: .milliseconds(10))) { producer throws(RingError) in
            for text in ["a", "b", "c", "d"] { try producer.send(text) }
            producer.makeRingPersistent()
        }
        var texts: [String] = []
        if let message = try consumer.next() { texts.append(message.text) }
        if let message = consumer.nextIfAvailable() { texts.append(message.text) }
        if case .message(let message) = try consumer.poll() { texts.append(message.text) }
        consumer.drain { message in texts.append(message.text) }
        if try consumer.next() != nil { Issue.record("a message behind the end") }
        let isPersistent = consumer.isRingPersistent
        #expect(isPersistent)
        let isRemoved = try consumer.removeRingIfUnused()
        #expect(!isRemoved, "it is persistent")
        try consumer.close()
        return texts
    }

    @Test("One function serves both kinds of ring") func generic() throws {
        let place = Place()
        let single = try SPSCRing.create("s", options: place.options())
        #expect(try transfer(single, to: single.makeConsumer()) == ["a", "b", "c", "d"])
        let merging = try MPSCRing.create("m", lanes: 2, options: place.options())
        #expect(try transfer(merging, to: merging.makeConsumer(ending: .whenAllEnded())) == ["a", "b", "c", "d"])
        #expect(SPSCRing.kind == .spsc && MPSCRing.kind == .mpsc)
        #expect(try RingReport("m", options: place.options()).kind == .mpsc)
        expectError(.incompatible, saying: "of kind mpsc with 2 lanes, not of kind spsc") { () throws(RingError) in
            _ = try SPSCRing.open("m", options: place.options())
        }
    }

    @Test("An error says what it is about: a ring, a directory, a link or a descriptor") func subjects() {
        func subject(_ body: () throws(RingError) -> Void) -> RingError.Subject? {
            do throws(RingError) {
                try body()
                return nil
            } catch {
                #expect(error.description.hasPrefix("\(error.subject): "), "\(error)")
                return error.subject
            }
        }
        let place = Place()
        var nowhere = RingOptions()
        nowhere.directory = place.path("nowhere")
        #expect(subject { () throws(RingError) in _ = try SPSCRing.open("r", options: place.options()) } == .ring("r"))
        #expect(subject { () throws(RingError) in _ = try SPSCRing.open("r", options: nowhere) } == .directory(place.path("nowhere")))
        #expect(subject { () throws(RingError) in _ = try RingReport.names(options: nowhere) } == .directory(place.path("nowhere")))
        #expect(subject { () throws(RingError) in _ = try SPSCRing.open(descriptor: -1) } == .descriptor(-1))
        #expect(subject { () throws(RingError) in _ = try SPSCRing.open(descriptor: 0) } == .descriptor(0), "it is no ring")
        #expect(subject { () throws(RingError) in _ = try Link.connect(path: place.path("s")) } == .link(place.path("s")))
    }
}

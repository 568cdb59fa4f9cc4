import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("A name that an untrusted peer gives to something else", .oneByOne)
struct ReplacedTests {
    let place = Place()

    @Test("Under attached endpoints: they go on with the memory they have, and do not remove what is not theirs") func attached() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        var consumer = try ring.makeConsumer()
        _ = try SPSCRing.create("other", options: place.options())
        #expect(rename(place.path("other"), place.path("r")) == 0)

        try producer.send("x")
        #expect(try consumer.pollText() == "x")
        var untrusted = try SPSCRing.open("r", options: place.options()).makeConsumer()
        try producer.send("y")
        #expect(try untrusted.pollText() == "(empty)")
        #expect(try consumer.pollText() == "y")
        try untrusted.close()
        try producer.close()
        #expect(try consumer.pollText() == "(ended)")
        #expect(try !consumer.removeRingIfUnused())
        #expect(place.names == ["r"])
    }

    @Test("Between opening and attaching, by each kind of thing") func between() throws {
        let ways: [(String, RingError.Code, (Place) -> Void)] = [
            ("nothing", .notFound, { _ in }),
            ("another ring", .replaced, { _ = try? SPSCRing.create("r", options: $0.options()) }),
            ("a ring of another kind", .replaced, { _ = try? MPSCRing.create("r", lanes: 2, options: $0.options()) }),
            ("a directory", .notARing, { mkdir($0.path("r"), 0o700) }),
            ("a FIFO", .notARing, { mkfifo($0.path("r"), 0o600) }),
            (
                "a link to the ring itself", .notARing,
                {
                    link($0.path("kept"), $0.path("real"))
                    unlink($0.path("kept"))
                    symlink("real", $0.path("r"))
                }
            ),
            ("a text", .notARing, { _ = FileManager.default.createFile(atPath: $0.path("r"), contents: Data("hello".utf8)) }),
            (
                "a copy of the ring", .damaged,
                { place in
                    let bytes = FileManager.default.contents(atPath: place.path("kept"))!
                    _ = FileManager.default.createFile(atPath: place.path("r"), contents: bytes.dropLast())
                }
            ),
        ]
        for (what, code, put) in ways {
            let place = Place()
            let ring = try SPSCRing.create("r", options: place.options())
            rename(place.path("r"), place.path("kept"))
            put(place)
            expectError(code) { () throws(RingError) in _ = try ring.makeProducer() }
            expectError(code) { () throws(RingError) in _ = try ring.makeConsumer() }
            #expect(Set(place.names).isSubset(of: ["r", "kept", "real"]), "\(what): \(place.names)")
        }
    }

    @Test("A byte for byte copy is not the ring: an attached process meets none of the old one, and nothing is made anew") func copy()
        throws
    {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        try producer.send("x")
        let bytes = FileManager.default.contents(atPath: place.path("r"))!
        unlink(place.path("r"))
        try bytes.write(to: URL(fileURLWithPath: place.path("r")))
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        #expect(try consumer.pollText() == "x")
        // In the copy no process holds the producer's byte, and its epoch says that one attached.
        expectError(.peerDied) { () throws(RingError) in _ = try consumer.next(timeout: patience) }
        try producer.send("y")
        #expect(try consumer.pollText() == "(empty)")
    }

    /// Two rings change names all the time: a process that attaches has mapped and locked one and the same.
    @Test("While others attach, over and over: what is locked is what is mapped") func exchanged() throws {
        for name in ["a", "b"] { _ = try SPSCRing.create(name, options: place.options()) }
        let isOver = Turn()
        let begun = Turn()
        let (one, other) = (place.path("a"), place.path("b"))
        let untrusted = Worker {
            var count = 0
            while isOver.value == 0 && count < 5_000_000 {
                if ts_exchange(one, other) == 0 { count += 1 }
                begun.set(1)
            }
            return count
        }
        defer { isOver.set(1) }
        #expect(begun.wait(for: 1))
        let ring = try SPSCRing.openOrCreate("a", options: place.options())
        for _ in 0..<300 {
            let failure = failure { () throws(RingError) in
                let consumer = try ring.makeConsumer()
                let attachment = consumer.core.attachment
                let isSame = (try? attachment.lock.isOf(attachment.segment)) ?? false
                #expect(isSame)
                try consumer.close()
            }
            #expect(failure == nil || failure?.code == .inUse, "\(failure!)")
        }
        isOver.set(1)
        #expect(try untrusted.join() > 0)
        #expect(place.names == ["a", "b"])
    }
}

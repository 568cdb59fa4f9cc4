import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Stale rings go, and no process ever loses anything by it", .oneByOne)
struct StaleRingTests {
    let place = Place()

    private func outcomes(_ force: Bool = false, isDryRun: Bool = false) throws -> [String: String] {
        let rings = try StaleRing.removeAll(includingUndelivered: force, dryRun: isDryRun, options: place.options())
        return Dictionary(
            uniqueKeysWithValues: rings.map { ring in
                let word =
                    switch ring.outcome {
                    case .removed: "removed"
                    case .removedUnfinished: "unfinished"
                    case .kept(.neverUsed): "never used"
                    case .kept(.undelivered): "undelivered \(ring.messages) \(ring.byteCount) \(ring.streamEnds)"
                    case .kept(.awaitsSubscribers(let names)): "awaits \(names.joined(separator: ", "))"
                    case .kept(.holdsValues): "values"
                    case .kept(.inUse): "in use"
                    case .kept(.damaged): "damaged"
                    case .kept(.refused(let error)): error.code == .damaged ? "damaged header" : "\(error.code)"
                    }
                return (ring.name, word)
            })
    }

    /// A ring of each sort; the attached endpoint is the caller's to keep.
    private func make() throws -> Consumer {
        _ = try SPSCRing.create("fresh", options: place.options())
        func used(_ name: String, _ texts: [String], closes: Bool, isRead: Bool) throws {
            let ring = try SPSCRing.create(name, options: place.options())
            var producer = try ring.makeProducer()
            for text in texts { try producer.send(text) }
            if closes { try producer.close() } else { _ = consume producer }
            guard isRead else { return }
            var consumer = try ring.makeConsumer()
            while try consumer.pollText() != (closes ? "(ended)" : "(empty)") {}
            try consumer.close()
        }
        try used("done", ["a"], closes: true, isRead: true)
        try used("dead", [], closes: false, isRead: false)
        try used("cut", ["a"], closes: false, isRead: true)
        try used("full", ["abc", "de"], closes: false, isRead: false)
        try used("end", [], closes: true, isRead: false)
        try used("hurt", ["abc"], closes: false, isRead: false)
        let header = try RingReport("hurt", options: place.options()).header(in: place)
        Forgery(path: place.path("hurt")).store(1, at: header.dataOffset)
        try Data("text".utf8).write(to: URL(fileURLWithPath: place.path("file")))
        mkdir(place.path("directory"), 0o700)
        return try SPSCRing.create("busy", options: place.options()).makeConsumer()
    }

    private static let expected = [
        "fresh": "never used", "done": "removed", "dead": "removed", "cut": "removed", "full": "undelivered 2 5 0",
        "end": "undelivered 0 0 1", "hurt": "damaged", "file": "notARing", "directory": "notARing", "busy": "in use",
    ]

    @Test("Each sort of ring has its fate; a dry run foretells it and changes nothing") func fates() throws {
        let attached = try make()
        let before = place.names
        #expect(try outcomes(isDryRun: true) == Self.expected)
        #expect(place.names == before)
        #expect(try outcomes() == Self.expected)
        #expect(place.names == ["busy", "directory", "end", "file", "fresh", "full", "hurt"])

        #expect(try outcomes(true, isDryRun: true)["full"] == "removed")
        let forced = try outcomes(true)
        #expect(forced["full"] == "removed" && forced["end"] == "removed")
        #expect(place.names == ["busy", "directory", "file", "fresh", "hurt"], "force takes nothing else")
        try attached.close()
        #expect(try outcomes()["busy"] == "removed", "it has been used")
    }

    @Test("A ring that keeps a durable subscriber's place stays, though nothing waits in it, until it is forced or that one was removed")
    func durable() throws {
        for name in ["forced", "left"] {
            let ring = try BroadcastRing.create(name, options: place.options())
            var publisher = try ring.makePublisher()
            var subscriber = try ring.makeSubscriber(.durable, as: "audit")
            try publisher.send("x")
            #expect(try subscriber.pollText() == "x")
            #expect(try subscriber.pollText() == "(empty)")
            try subscriber.close()
            _ = consume publisher
        }
        let kept = ["forced": "awaits audit", "left": "awaits audit"]
        #expect(try outcomes(isDryRun: true) == kept)
        #expect(try outcomes() == kept)
        let forced = StaleRing.remove("forced", includingUndelivered: true, options: place.options())
        guard case .removed = forced.outcome else { return #expect(Bool(false), "\(forced.outcome)") }
        #expect(place.names == ["left"])
        try BroadcastRing.open("left", options: place.options()).removeSubscriber(named: "audit")
        #expect(try outcomes() == ["left": "removed"])
        #expect(place.names == [])
    }

    @Test("Others' rings are left alone", .enabled(if: geteuid() == 0, "giving files away needs root")) func others() throws {
        _ = try SPSCRing.create("theirs", options: place.options()).makeConsumer()
        chown(place.path("theirs"), 4711, 4711)
        #expect(try outcomes(true) == ["theirs": "wrongOwner"])
        #expect(place.names == ["theirs"])
    }

    @Test("What a creator left that died before its ring had a name is no ring to list, and goes; while it lives it is left alone")
    func unfinished() throws {
        _ = try SPSCRing.create("r", options: place.options())
        let header = try RingReport("r", options: place.options()).header(in: place)
        let file = try SegmentName("r", in: place.path).temporary(for: header.instance)
        let name = try #require(file.text)
        rename(place.path("r"), place.path(name))
        // Named like it, but a user's own file.
        _ = try SPSCRing.create(".r.own", options: place.options())
        try Data().write(to: URL(fileURLWithPath: place.path(".r.\(String(header.instance.high, radix: 36))0")))
        #expect(try RingReport.names(options: place.options()) == [".r.own"])

        do {
            let creator = try SegmentName("r", in: place.path).openDirectory()
            let lock = try RoleLock(file, in: creator)
            defer { withExtendedLifetime(lock) {} }
            #expect(try lock.takeEverything())
            #expect(try outcomes(true, isDryRun: true)[name] == "in use")
            #expect(try outcomes(true)[name] == "in use")
            withExtendedLifetime((creator, lock)) {}
        }
        // It may have died before it had allocated all, too. Under any other name such a file is damaged.
        let start = try Data(contentsOf: URL(fileURLWithPath: place.path(name))).prefix(512)
        try start.write(to: URL(fileURLWithPath: place.path("other")))
        expectError(.damaged) { () throws(RingError) in _ = try SPSCRing.open("other", options: place.options()) }
        #expect(try outcomes(true, isDryRun: true)["other"] == "damaged header")
        unlink(place.path("other"))
        for size in [512, 5000] {
            try start.write(to: URL(fileURLWithPath: place.path("whole")))
            truncate(place.path("whole"), size)
            rename(place.path(name), place.path("aside"))
            rename(place.path("whole"), place.path(name))
            expectError(.damaged) { () throws(RingError) in _ = try SPSCRing.open(name, options: place.options()) }
            #expect(try outcomes(isDryRun: true)[name] == "unfinished")
            #expect(try outcomes()[name] == "unfinished")
            rename(place.path("aside"), place.path(name))
        }
        #expect(try outcomes(isDryRun: true)[name] == "unfinished")
        #expect(try outcomes()[name] == "unfinished")
        #expect(place.names.count == 2 && !place.names.contains(name))
    }

    /// One that dies before its file has a header leaves a file that can't be known to be a ring's.
    @Test("Creators killed at random under a temporary name: their rings are not listed, and go if they can be known") func killedCreators()
        throws
    {
        for round in 0..<25 {
            let peer = try Peer(["churn", "r", "100000", "\(round)", "directory=\(place.path)", "deny=O_TMPFILE"])
            #expect(eventually { !place.names.isEmpty })
            usleep(UInt32.random(in: 0...3000))
            peer.kill()
            #expect(try RingReport.names(options: place.options()).allSatisfy { $0 == "r" })
            for (name, outcome) in try outcomes(true) {
                #expect(name == "r" || outcome == "unfinished" || outcome == "notARing", "\(name): \(outcome)")
            }
            for name in place.names where name != "r" {
                expectError(.notARing) { () throws(RingError) in _ = try SPSCRing.open(name, options: place.options()) }
                unlink(place.path(name))
            }
            // And whatever is there, the next one can use the name.
            try SPSCRing.openOrCreate("r", options: place.options()).makeProducer().close()
        }
    }

    /// A ring that holds a message is never stale; so a sender finds its ring there, however many clear up meanwhile.
    @Test("While others clear up, no message that was sent is lost") func race() throws {
        let isDone = Turn()
        defer { isDone.set(1) }
        let haveRemoved = Turn()
        let cleaners = (0..<2).map { _ in
            Worker { [options = place.options()] in
                while isDone.value == 0 {
                    for ring in try StaleRing.removeAll(options: options) {
                        if case .removed = ring.outcome { haveRemoved.set(1) }
                    }
                }
            }
        }
        var i = 0
        let patience = Patience()
        let rounds = Int(soaking: 600)
        while i < rounds || haveRemoved.value == 0 {
            i += 1
            if i > rounds { try patience.yield() }
            var producer = try SPSCRing.openOrCreate("r", options: place.options()).makeProducer()
            try producer.send("\(i)")
            try producer.close()
            var consumer = try SPSCRing.openOrCreate("r", options: place.options()).makeConsumer()
            #expect(try consumer.pollText() == "\(i)")
            #expect(try consumer.pollText() == "(ended)")
            try consumer.close()
            if i % 8 == 0 { sched_yield() }
        }
        isDone.set(1)
        for cleaner in cleaners { try cleaner.join() }
    }
}

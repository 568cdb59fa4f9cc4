import Foundation
import TestSupport
import Testing
import TestPeer

@testable import SharedRing

@Suite("Making, attaching and removing race, and no process is harmed", .oneByOne, .serialized)
struct LifeTests {
    let place = Place()

    /// shared/models/life.pml's assertion: while a role is held, the name stands for the very file it is held in.
    @Test("In threads: who holds a role holds it in the ring that has the name") func threads() throws {
        let workers = (0..<4).map { number in
            Worker { [place] in
                var random = SplitMix(seed: UInt64(number))
                var violations = 0
                var attached = 0
                let name = try SegmentName("a", in: place.path)
                func check(_ attachment: SharedRing.Attachment) throws {
                    attached += 1
                    for _ in 0..<3 {
                        let now = try name.facts(in: name.openDirectory())
                        if now?.isSameFile(as: attachment.segment.facts) != true { violations += 1 }
                        sched_yield()
                    }
                }
                for _ in 0..<400 {
                    let choice = random.next() % 4
                    do throws(RingError) {
                        let ring = try SPSCRing.openOrCreate("a", options: place.options())
                        switch choice {
                        case 0:
                            let producer = try ring.makeProducer()
                            try? check(producer.core.attachment)
                            try producer.close()
                        case 1:
                            let consumer = try ring.makeConsumer()
                            try? check(consumer.core.attachment)
                            try consumer.close()
                        case 2:
                            var consumer = try ring.makeConsumer()
                            _ = try? consumer.removeRingIfUnused()
                        default: try SPSCRing.remove("a", options: place.options())
                        }
                    } catch {
                        let expected: [RingError.Code] = choice < 3 ? [.roleTaken] : [.inUse, .notFound]
                        guard expected.contains(error.code) else { throw error }
                    }
                }
                return (violations, attached)
            }
        }
        var attached = 0
        for worker in workers {
            let result = try worker.join()
            #expect(result.0 == 0)
            attached += result.1
        }
        #expect(attached > 10)
        #expect(place.names == ["a"] || place.names == [], "nothing half-made is left: \(place.names)")
    }

    @Test("One who attaches while another removes ends up in a ring that has the name") func attachAgainstRemove() throws {
        let isDone = Turn()
        let removers = (0..<2).map { _ in
            Worker { [place] in
                while isDone.value == 0 {
                    do throws(RingError) {
                        try SPSCRing.remove("d", options: place.options())
                    } catch {
                        guard [.notFound, .inUse].contains(error.code) else { throw error }
                    }
                }
            }
        }
        defer { isDone.set(1) }
        let name = try SegmentName("d", in: place.path)
        var strays = 0
        for _ in 0..<2000 {
            let producer = try SPSCRing.openOrCreate("d", options: place.options()).makeProducer()
            let attachment = producer.core.attachment
            let now = try name.facts(in: name.openDirectory())
            if now?.isSameFile(as: attachment.segment.facts) != true { strays += 1 }
            try producer.close()
        }
        #expect(strays == 0)
        isDone.set(1)
        for remover in removers { try remover.join() }
    }

    @Test("In processes: a role that is held can't be taken again by the name") func processes() throws {
        let peers = try (0..<3).map { try Peer(["churn", "a", "300", "\($0)", "directory=\(place.path)"]) }
        for peer in peers {
            let answer = try peer.line()
            #expect(answer.hasPrefix("attached "), "\(answer)")
            #expect(try peer.wait() == 0)
        }
        #expect(place.names == ["a"] || place.names == [])
    }

    @Test("A process that opens a name finds a whole ring, however often it is made and removed") func neverHalfMade() throws {
        let isDone = Turn()
        let makers = Worker { [place] in
            while isDone.value == 0 {
                _ = try SPSCRing.create("b", options: place.options())
                try SPSCRing.remove("b", options: place.options())
            }
        }
        defer { isDone.set(1) }
        let opener = Worker { [place] in
            var found = 0
            var tries = 0
            let patience = Patience()
            while tries < 3000 || found < 100 {
                tries += 1
                if tries > 3000 { try patience.yield() }
                do throws(RingError) {
                    _ = try SPSCRing.open("b", options: place.options())
                    found += 1
                } catch {
                    guard error.code == .notFound else { throw error }
                }
            }
            return found
        }
        #expect(try opener.join() >= 100)
        isDone.set(1)
        try makers.join()
    }

    @Test("Of many who create, one does; of many who remove, one does, and the others find nothing") func oneWins() throws {
        for _ in 0..<50 {
            func winners(_ code: RingError.Code, _ body: @escaping @Sendable () throws(RingError) -> Void) throws -> Int {
                let gate = Gate(4)
                let workers = (0..<4).map { _ in
                    Worker {
                        gate.pass()
                        do throws(RingError) {
                            try body()
                            return 1
                        } catch {
                            #expect(error.code == code, "\(error)")
                            return 0
                        }
                    }
                }
                return try workers.reduce(0) { try $0 + $1.join() }
            }
            let created = try winners(.alreadyExists) { [place] () throws(RingError) in
                _ = try SPSCRing.create("c", options: place.options())
            }
            #expect(created == 1)
            let removed = try winners(.notFound) { [place] () throws(RingError) in
                try SPSCRing.remove("c", options: place.options())
            }
            #expect(removed == 1)
        }
    }

    /// Its consumer may have seen the end record, which a producer stores before it unlocks its byte.
    @Test("A producer that has closed, and has not come to giving its byte back, does not keep a ring from being removed") func closing()
        throws
    {
        let name = try SegmentName("b", in: place.path)
        var isRemoved = false
        for _ in 0..<50 where !isRemoved {
            let ring = try SPSCRing.openOrCreate("b", options: place.options())
            try ring.makeProducer().close()
            var consumer = try ring.makeConsumer()
            _ = try consumer.poll()
            let lock = try RoleLock(name.name, in: name.openDirectory())
            #expect(try lock.take(.lane(0)))
            let isAsked = Turn()
            let closing = Worker {
                _ = isAsked.wait(for: 1)
                usleep(1000)
                lock.unlock(.lane(0))
            }
            isAsked.set(1)
            // False where that thread got no processor for 20 milliseconds.
            isRemoved = try consumer.removeRingIfUnused()
            try closing.join()
            try consumer.close()
        }
        #expect(isRemoved)
    }
}

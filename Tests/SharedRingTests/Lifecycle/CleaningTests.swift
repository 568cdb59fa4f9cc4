import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Who cleans up may die doing so, and what is to stay stays", .oneByOne, .serialized)
struct CleaningTests {
    let place = Place()

    /// The mark is looked at with every byte locked; so one that an attached process set is either seen or not yet set.
    @Test("A ring that was made persistent while its consumer was about to remove it is never removed") func persistence() throws {
        for _ in 0..<100 {
            let ring = try SPSCRing.openOrCreate("r", options: place.options())
            let gate = Gate(2)
            let maker = Worker { [path = place.path("r")] in
                gate.pass()
                var producer = try ring.makeProducer()
                producer.makeRingPersistent()
                var before = stat()
                #expect(stat(path, &before) == 0, "it is attached, so the name stands")
                try producer.close()
                var after = stat()
                #expect(stat(path, &after) == 0 && before.st_ino == after.st_ino)
                return after.st_ino
            }
            var consumer = try ring.makeConsumer()
            gate.pass()
            for _ in 0..<20 {
                _ = try consumer.poll()
                if try consumer.removeRingIfUnused() { break }
            }
            let inode = try maker.join()
            // Not persistent until the producer came; what the consumer removed before was another ring.
            var now = stat()
            #expect(stat(place.path("r"), &now) == 0 && now.st_ino == inode)
            try? consumer.close()
            try SPSCRing.remove("r", options: place.options())
        }
    }

    private func ring() throws(RingError) -> MPSCRing {
        try MPSCRing.openOrCreate("r", lanes: 3, order: .total, options: place.options())
    }

    /// A producer that was killed between its ticket floor and its commit: nothing with a later ticket may be delivered.
    private func leaveTicketFloor() throws {
        do {
            var producer = try ring().makeProducer()
            try producer.send("committed")
        }
        let header = try RingReport("r", options: place.options()).header(in: place)
        let file = Forgery(path: place.path("r"))
        file.store(1, at: header.laneOffset(0))
        file.store(2, at: header.controlOffset + 128)  // it had drawn its ticket, too
        #expect(try RingCheck("r", options: place.options()).lanes[0].ticketFloor == 1)
    }

    @Test("A consumer killed with the dead producer's byte in its hand: the next one clears the ticket floor, and delivers")
    func killedWhileClearing() throws {
        try leaveTicketFloor()
        // What `clearDeadFloors` has taken when the kill comes before its store.
        let name = try SegmentName("r", in: place.path)
        let directory = try name.openDirectory()
        var lock: RoleLock? = try RoleLock(name.name, in: directory)
        #expect(try lock?.take(.lane(0)) == true)
        var second = try ring().makeProducer()
        try second.send("later")

        var consumer = try ring().makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .milliseconds(10)))
        #expect(try consumer.next(timeout: patience)?.text == "committed")
        // As long as the byte is held its holder may be a producer that is alive and about to commit.
        expectError(.timedOut) { () throws(RingError) in _ = try consumer.next(timeout: .milliseconds(60)) }
        let dead = lock.take()  // the kernel lets go when the process has died
        _ = consume dead
        #expect(try consumer.next(timeout: patience)?.text == "later")
        #expect(try RingCheck("r", options: place.options()).lanes[0].ticketFloor == nil)
    }

    @Test("The lane of a producer that died with a ticket floor, taken by a new one: the floor is gone before it sends") func takenOver()
        throws
    {
        try leaveTicketFloor()
        var consumer = try ring().makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: .seconds(600)))
        var producer = try ring().makeProducer()
        #expect(try RingCheck("r", options: place.options()).lanes[0].ticketFloor == nil)
        try producer.send("new")
        #expect(try consumer.next(timeout: patience)?.text == "committed")
        #expect(try consumer.next(timeout: patience)?.text == "new")
    }

    /// Real processes, killed at random between everything there is.
    @Test("Consumers killed while they clear up after killed producers, again and again") func torture() throws {
        let peer = try Peer([
            "torture", "kind=mpsc", "order=total", "senders=3", "messages=6000", "kill-receiver=yes", "directory=\(place.path)",
            "seconds=240",
            "seed=\(UInt32.random(in: 1 ... .max))",
        ])
        let seed = try peer.line()
        let result = try peer.line(within: 250)
        #expect(result.hasPrefix("passed: ") && result.hasSuffix("0 lost, 0 doubled"), "\(seed): \(result)")
    }
}

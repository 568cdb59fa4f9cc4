import CSharedRing
import Foundation
import TestSupport
import Testing

@testable import SharedRing

@Suite("Statistics say what the endpoints did, and nothing that is written there makes reading fail", .oneByOne)
struct RingStatisticsTests {
    let place = Place()

    private func statistics() throws -> RingStatistics { try RingStatistics("r", options: place.options()) }
    private func lane(_ number: Int = 0) throws -> RingStatistics.Lane {
        try #require(try statistics().lanes.first { $0.number == number })
    }

    @Test("A ring that no process has attached to has counted nothing; one that is not there is not found") func nobody() throws {
        expectError(.notFound) { () throws(RingError) in _ = try RingStatistics("r", options: place.options()) }
        _ = try SPSCRing.create("r", options: place.options())
        let statistics = try statistics()
        #expect(statistics.lanes.isEmpty && statistics.consumerSleeps == 0 && statistics.report.consumer.presence == .neverCame)
    }

    @Test(
        "Messages and their bytes are counted, however they are sent, in every kind of ring and of barrier",
        arguments: [MPSCRing.Order.perProducer, .total], [RingOptions.Barrier.automatic, .symmetric])
    func sends(order: MPSCRing.Order, barrier: RingOptions.Barrier) throws {
        var options = place.options()
        options.barrier = barrier
        let ring = try MPSCRing.create("r", lanes: 2, order: order, options: options)
        var first = try ring.makeProducer()
        var second = try ring.makeProducer()
        try first.send("abc")
        #expect(try first.trySend([1, 2]))
        try first.send(value: UInt64(7))
        #expect(try lane().messages == 3 && lane().byteCount == 13)
        let claim = try first.claim(byteCount: 100)
        try claim.commit(byteCount: 10)
        _ = try first.claim(byteCount: 50)  // dropped
        #expect(try lane().messages == 4 && lane().byteCount == 23)
        var batch = first.batch()
        for count in 1...3 { try batch.append([UInt8](repeating: 0, count: count)) }
        #expect(try lane().messages == 4, "nothing of a batch is there before its commit")
        batch.commit()
        #expect(try lane().messages == 7 && lane().byteCount == 29)
        #expect(try lane(1).messages == 0 && lane(1).byteCount == 0)
        try second.send("d")
        #expect(try lane(1).messages == 1 && lane(1).byteCount == 1)
        #expect(try lane().wakes == 0 && lane().wakesElided == 7)
        #expect(try lane().producer.presence == .attached && lane().sleeps == 0 && lane().full == 0)
    }

    @Test("Counters go on from one producer to the next, and an end is no message") func succession() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        for turn in 1...3 {
            var producer = try ring.makeProducer()
            try producer.send("abc")
            try producer.close()
            #expect(try lane().messages == UInt64(turn) && lane().byteCount == UInt64(3 * turn))
        }
        let killed = try Peer("producer", of: "r", in: place)
        #expect(try killed.ask("send abc") == "sent")
        killed.kill()
        #expect(try lane().messages == 4 && lane().producer.presence == .died)
        _ = try ring.makeProducer()
        #expect(try lane().messages == 4)
    }

    @Test("No room is counted when it is found, and the backlog with it") func full() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        let message = [UInt8](repeating: 1, count: 1000)
        #expect(try lane().backlog == 0 && lane().largestBacklog == 0)
        var sent = 0
        while try producer.trySend(message) { sent += 1 }
        #expect(sent == 4)
        #expect(try lane().full == 1 && lane().backlog == 4032 && lane().largestBacklog == 4032)
        #expect(try !producer.trySend(message))
        #expect(try lane().full == 2)
        expectError(.timedOut) { () throws(RingError) in try producer.send(message, timeout: .milliseconds(20)) }
        #expect(try lane().full == 3)

        var consumer = try ring.makeConsumer()
        for _ in 0..<4 { #expect(try consumer.receive() == message) }
        #expect(try lane().backlog == 0 && lane().largestBacklog == 4032 && lane().messages == 4)
    }

    @Test("A batch that finds no room, sends what it holds and waits, counts that once") func fullBatch() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        let message = [UInt8](repeating: 1, count: 1000)
        var batch = producer.batch()
        for _ in 0..<4 { try batch.append(message) }
        #expect(try lane().full == 0)
        do throws(RingError) {
            try batch.append(message, timeout: .milliseconds(20))
            Issue.record("there was room")
        } catch {
            #expect(error.code == .timedOut)
        }
        batch.commit()
        #expect(try lane().full == 1 && lane().messages == 4)
    }

    @Test("A producer that sleeps for room is counted, and the consumer that wakes it") func producerSleeps() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer(waiting: .sleep)
        let message = [UInt8](repeating: 1, count: 1000)
        while try producer.trySend(message) {}
        let box = Box(producer)
        let waiter = Worker {
            var producer = box.take()
            try producer.send(message, timeout: patience)
        }
        #expect(eventually { (try? lane().sleeps) ?? 0 > 0 })
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: longCheckInterval))
        #expect(try consumer.receive() == message)
        _ = try waiter.join()
        #expect(try lane().messages == 5 && lane().sleeps > 0)
    }

    @Test("The consumer's wake of a sleeping producer is counted") func producerWakes() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var consumer = try ring.makeConsumer()
        var producer = try ring.makeProducer(waiting: .sleep, options: EndpointOptions(checkInterval: longCheckInterval))
        let message = [UInt8](repeating: 1, count: 1000)
        while try producer.trySend(message) {}
        let control = Forgery(path: place.path("r"))
        let doorbell = try statistics().report.header(in: place).laneOffset(0) + 384
        let box = Box(producer)
        let waiter = Worker {
            var producer = box.take()
            try producer.send(message, timeout: patience)
        }
        #expect(eventually { control.load(at: doorbell) & 0xffff_ffff == 1 })
        #expect(try consumer.receive() == message)
        _ = try waiter.join()
        #expect(try lane().producerWakes == 1)
    }

    @Test("A consumer that sleeps is counted, and the producer that wakes it; the other messages took no wake") func consumerSleeps() throws
    {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        for _ in 0..<3 { try producer.send("a") }
        let box = Box(try ring.makeConsumer(waiting: .sleep, options: EndpointOptions(checkInterval: longCheckInterval)))
        let waiter = Worker {
            var consumer = box.take()
            for _ in 0..<4 { _ = try consumer.receive(timeout: patience) }
        }
        #expect(eventually { (try? statistics().consumerSleeps) == 1 && (try? lane().backlog) == 0 })
        #expect(try lane().wakes == 0)
        try producer.send("b")
        _ = try waiter.join()
        #expect(try lane().wakes == 1 && lane().wakesElided == 3)
    }

    @Test("Waiting without a thread is sleeping, too") func asynchronousSleeps() async throws {
        let ring = try SPSCRing.create("r", options: place.options())
        var producer = try ring.makeProducer()
        let box = Box(try ring.makeConsumer(options: EndpointOptions(checkInterval: longCheckInterval)))
        let task = Task {
            let consumer = box.take()
            try await consumer.waitUntilReady(timeout: asyncPatience)
        }
        // Not `eventually`: the task needs the thread. And long: other suites' tests block the pool's two threads.
        let end = ContinuousClock.now + asyncPatience
        while try statistics().consumerSleeps == 0, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(1)) }
        #expect(try statistics().consumerSleeps > 0)
        #expect(try producer.trySend("a".utf8.map { $0 }))
        try await task.value
        #expect(try lane().messages == 1)
    }

    @Test("Of a broadcast in which no subscriber holds anything nothing waits, in the statistics as in the report") func unheld() throws {
        var producer = try BroadcastRing.create("b", options: place.options(capacity: 65536)).makeProducer()
        for i in 0..<100 { #expect(try producer.trySend([UInt8](repeating: UInt8(i), count: 16))) }
        let statistics = try RingStatistics("b", options: place.options())
        #expect(statistics.lanes[0].messages == 100 && statistics.lanes[0].backlog == 0)
        #expect(try RingReport("b", options: place.options()).lanes[0].backlog == 0)
        try producer.close()
    }

    @Test("Absurd values are taken as they are found; only the backlog stays between 0 and the capacity") func absurd() throws {
        let ring = try SPSCRing.create("r", options: place.options())
        let producer = try ring.makeProducer()
        let file = Forgery(path: place.path("r"))
        let control = try statistics().report.header(in: place).laneOffset(0)
        for offset in stride(from: 144, to: 256, by: 8) { file.store(.max, at: control + offset) }
        file.store(0, at: control + 128)
        for (tail, head, backlog) in [
            (0, .max, 1), (.max, 0, 0), (1 << 63, 0, 0), (5000, 0, 4096), (0, 5000, 0), (1 << 62, 0, 4096), (17, 3, 14),
        ] as [(UInt64, UInt64, Int)] {
            file.store(tail, at: control + 136)
            file.store(tail, at: control + 160)  // the bound
            file.store(head, at: control + 256)
            #expect(try lane().backlog == backlog, "tail \(tail), head \(head)")
        }
        let lane = try lane()
        #expect(lane.messages == .max && lane.wakes == .max && lane.wakesElided == 0 && lane.largestBacklog == .max)
        withExtendedLifetime(producer) {}
    }

    @Test("Reading takes no role: processes that are stopped or dead are in no reader's way") func stopped() throws {
        let producer = try Peer("producer", of: "r", in: place)
        let consumer = try Peer("consumer", of: "r", in: place)
        #expect(try producer.ask("send abc") == "sent")
        for peer in [producer, consumer] { peer.stop() }
        #expect(try lane().messages == 1 && lane().producer.presence == .attached)
        #expect(try statistics().report.consumer.presence == .attached)
        for peer in [producer, consumer] { peer.kill() }
        #expect(try lane().messages == 1 && lane().producer.presence == .died)
    }
}

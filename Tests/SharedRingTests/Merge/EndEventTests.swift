import CTestSupport
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import SharedRing

/// Whether a descriptor is readable, now or within a time.
private func isReadable(_ descriptor: Int32, within milliseconds: Int32 = 0) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, milliseconds) == 1
}

@Suite("The end of a producer is an event, also for who waits without a thread", .oneByOne)
struct EndEventTests {
    private let ring: MPSCRing

    init() throws { ring = try MPSCRing.anonymous(lanes: 4, options: RingOptions(capacity: 4096)) }

    /// A source that waits.
    private func source() throws -> EventSource<MergingConsumer> {
        var source = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))).eventSource()
        #expect(try source.drain { _ in } == .empty)
        #expect(source.nextEnd() == nil)
        return source
    }

    @Test("An event source is readable for a close and for a death, without any message, and gives each end once")
    func eventSource() throws {
        var source = try source()
        var first: Producer? = try ring.makeProducer()
        let second = try ring.makeProducer()
        #expect(try source.drain { _ in } == .empty)
        try second.close()
        try #require(isReadable(source.descriptor, within: patienceMilliseconds))
        #expect(try source.drain { _ in } == .empty)
        let closed = source.nextEnd()
        #expect(closed?.lane == 1 && closed?.isDeath == false)
        first = nil
        _ = first == nil
        var died: ProducerEnd?
        while died == nil {
            try #require(isReadable(source.descriptor, within: patienceMilliseconds))
            #expect(try source.drain { _ in } == .empty)
            died = source.nextEnd()
        }
        #expect(died?.lane == 0 && died?.isDeath == true)
        #expect(source.nextEnd() == nil)
        #expect(source.ends == ProducerEnds(closed: 1, died: 1))
        try source.close()
    }

    @Test("Ends come behind the messages before them, whether asked for before draining or after it", arguments: [true, false])
    func order(asksFirst: Bool) throws {
        var source = try source()
        for round in 0..<50 {
            var producer = try ring.makeProducer()
            try producer.send("\(round)")
            try producer.close()
            var events: [String] = []
            while events.count < 2 {
                try #require(isReadable(source.descriptor, within: patienceMilliseconds))
                if asksFirst { while let end = source.nextEnd() { events.append("end \(end.isDeath)") } }
                try source.drain { events.append($0.text) }
                if !asksFirst { while let end = source.nextEnd() { events.append("end \(end.isDeath)") } }
            }
            #expect(events == ["\(round)", "end false"])
        }
        try source.close()
    }

    @Test("Who never asks for ends comes to rest, and can ask later") func neverAsks() throws {
        var source = try source()
        // A lane each: of streams without a message that follow each other in one lane, a consumer that comes late sees one end.
        let (first, second, third) = (Box(try ring.makeProducer()), Box(try ring.makeProducer()), Box(try ring.makeProducer()))
        for producer in [first, second, third] { try producer.take().close() }
        // Once for each end at most, and once for what a drain saw itself.
        var rounds = 0
        while source.ends.closed < 3 || isReadable(source.descriptor, within: 50) {
            try #require(isReadable(source.descriptor, within: patienceMilliseconds))
            #expect(try source.drain { _ in } == .empty)
            rounds += 1
            try #require(rounds <= 6)
        }
        for _ in 0..<3 { #expect(source.nextEnd()?.isDeath == false) }
        #expect(source.nextEnd() == nil)
        try source.close()
    }

    @Test("A task's wait ends for an end, once; a message is waited for behind it") func ready() async throws {
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        try ring.makeProducer().close()
        try await consumer.waitUntilReady(timeout: asyncPatience)
        await #expect(throws: RingError.self) { try await consumer.waitUntilReady(timeout: .milliseconds(20)) }
        let end = consumer.nextEnd()
        #expect(end?.lane == 0 && end?.isDeath == false)

        let sending = Task { [ring] in
            try ring.makeProducer().close()
            let producer = try ring.makeProducer()
            try await producer.send("behind an end")
            try producer.close()
        }
        #expect(try await consumer.next(timeout: asyncPatience)?.text == "behind an end")
        try await sending.value
        try consumer.close()
    }

    @Test("forEach reports ends while no message comes, and of all before it returns") func forEach() async throws {
        var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: 2), options: EndpointOptions(checkInterval: .milliseconds(10)))
        let first = try ring.makeProducer()
        let second = Box(try ring.makeProducer())
        try first.close()
        let reportedCount = Turn()
        let sending = Task {
            // The first one's end is reported although nothing else comes.
            let isReported = await eventually(within: asyncPatienceSeconds) { reportedCount.value == 1 }
            #expect(isReported)
            let producer = second.take()
            try await producer.send("last")
            try producer.close()
        }
        var events: [String] = []
        try await consumer.forEach(ended: { end in
            events.append("end \(end.lane)")
            reportedCount.set(1)
        }) { message in events.append(message.text) }
        try await sending.value
        #expect(events == ["end 0", "last", "end 1"])
        #expect(consumer.nextEnd() == nil)
    }

    @Test("What an ended closure throws ends forEach, and the other ends are kept") func throwing() async throws {
        struct Refused: Error {}
        var consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let first = try ring.makeProducer()
        let second = try ring.makeProducer()
        try first.close()
        try second.close()
        var isRefused = false
        do { try await consumer.forEach(ended: { _ in throw Refused() }) { _ in } } catch is Refused { isRefused = true }
        #expect(isRefused)
        #expect(consumer.nextEnd()?.lane == 1)
        try consumer.close()
    }

    @Test("A sequence of messages gives the ends that were seen") func messages() async throws {
        let messages = try ring.makeConsumer(ending: .whenAllEnded(atLeast: 1), options: EndpointOptions(checkInterval: .milliseconds(10)))
            .messages()
        let producer = try ring.makeProducer()
        try await producer.send("one")
        try producer.close()
        for try await message in messages { #expect(message.text == "one") }
        let end = messages.nextEnd()
        #expect(end?.lane == 0 && end?.isDeath == false)
        #expect(messages.nextEnd() == nil)
    }

    @Test("In a forked child there are no ends, and nothing hangs") func forked() throws {
        var source = try source()
        try ring.makeProducer().close()
        try #require(isReadable(source.descriptor, within: patienceMilliseconds))
        #expect(try source.drain { _ in } == .empty)
        let child = ts_split()
        if child == 0 { ts_leave(source.nextEnd() == nil ? 0 : 1) }
        #expect(end(of: child) == 0)
        #expect(source.nextEnd() != nil)
        try source.close()
    }
}

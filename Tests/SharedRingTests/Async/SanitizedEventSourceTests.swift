import CSharedRing
import CTestSupport
import Dispatch
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

extension EventSource where Source: ~Copyable {
    /// The text of the next message that is there now; "(empty)", "(ended)".
    fileprivate mutating func pollText() throws(RingError) -> String {
        switch try poll() {
        case .message(let message): message.text
        case .empty: "(empty)"
        case .ended: "(ended)"
        }
    }
}

/// Used on one queue only.
private final class Handed: @unchecked Sendable {
    var source: EventSource<Consumer>

    init(_ source: consuming EventSource<Consumer>) { self.source = source }
}

@Suite("A descriptor that is readable while messages wait", .oneByOne)
struct SanitizedEventSourceTests {
    private let ring: SPSCRing

    init() throws { ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096)) }

    @Test("It is level-triggered: readable until the answer is empty, and again when something comes") func level() throws {
        var producer = try ring.makeProducer()
        var source = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))).eventSource()
        #expect(isReadable(source.descriptor), "at first, since its owner has not polled yet")
        #expect(try source.pollText() == "(empty)")
        for round in 0..<200 {
            #expect(!isReadable(source.descriptor))
            try producer.send("a\(round)")
            try producer.send("b\(round)")
            try #require(isReadable(source.descriptor, within: patienceMilliseconds))
            #expect(try source.pollText() == "a\(round)")
            #expect(isReadable(source.descriptor), "something is left")
            #expect(try source.pollText() == "b\(round)")
            #expect(try source.pollText() == "(empty)")
        }
        try producer.close()
        try #require(isReadable(source.descriptor, within: patienceMilliseconds))
        #expect(try source.pollText() == "(ended)")
        try source.close()
    }

    @Test("A death and a cancellation make it readable, and are reported") func ends() throws {
        var producer: Producer? = try ring.makeProducer()
        let consumer = try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10)))
        let canceller = consumer.canceller
        var source = try consumer.eventSource()
        #expect(try source.pollText() == "(empty)")
        producer = nil
        _ = producer == nil
        try #require(isReadable(source.descriptor, within: patienceMilliseconds))
        expectError(.peerDied) { () throws(RingError) in _ = try source.pollText() }
        #expect(try source.pollText() == "(empty)")

        canceller.cancel()
        try #require(isReadable(source.descriptor, within: patienceMilliseconds))
        for _ in 0..<2 { expectError(.cancelled) { () throws(RingError) in _ = try source.pollText() } }
        canceller.reset()
        #expect(try source.pollText() == "(empty)")
        #expect(!isReadable(source.descriptor))
    }

    @Test("Draining says why it stopped; a body that throws gets its message again") func drain() throws {
        struct Refused: Error {}
        var producer = try ring.makeProducer()
        var source = try ring.makeConsumer(acknowledgement: .manual).eventSource()
        for number in 0..<5 { try producer.send("\(number)") }
        var texts: [String] = []
        #expect(throws: Refused.self) { try source.drain { _ in throw Refused() } }
        #expect(try source.drain(limit: 3) { texts.append($0.text) } == .limitReached)
        #expect(isReadable(source.descriptor))
        #expect(try source.drain { texts.append($0.text) } == .empty)
        #expect(!isReadable(source.descriptor))
        try producer.waitUntilAcknowledged(timeout: patience)
        try producer.send("5")
        try producer.close()
        try #require(isReadable(source.descriptor, within: patienceMilliseconds))
        #expect(try source.drain { texts.append($0.text) } == .ended)
        #expect(texts == (0...5).map { "\($0)" })
        try source.acknowledge()
        try source.close()
    }

    @Test("The consumer comes back; dropping the source while it waits frees the role") func back() throws {
        var producer = try ring.makeProducer()
        var source = try ring.makeConsumer(options: EndpointOptions(checkInterval: longCheckInterval)).eventSource()
        #expect(try source.pollText() == "(empty)")
        var consumer = source.consumer()
        try producer.send("synchronous again")
        #expect(try consumer.pollText() == "synchronous again")

        source = try consumer.eventSource()
        #expect(try source.pollText() == "(empty)")
        _ = consume source
        try ring.makeConsumer().close()
    }

    /// An owner that polls although its descriptor is not readable may take the endpoint back, and arm it again, before the waiter thread has come to setting
    /// the descriptor for the wait before.
    @Test("A descriptor that is set late, for a wait that is over, is not readable for good") func late() throws {
        var producer = try ring.makeProducer()
        var source = try ring.makeConsumer(options: EndpointOptions(checkInterval: longCheckInterval)).eventSource()
        #expect(try source.pollText() == "(empty)")
        _ = sr_event_set(source.descriptor)
        #expect(isReadable(source.descriptor), "that this shows anything")
        #expect(try source.pollText() == "(empty)")
        #expect(!isReadable(source.descriptor))
        try producer.send("a")
        try #require(isReadable(source.descriptor, within: patienceMilliseconds))
        #expect(try source.pollText() == "a")
        #expect(isReadable(source.descriptor), "its owner has not been told that it is empty")
    }

    @Test("epoll: many rings in one loop, edge- and level-triggered, lose nothing", arguments: [false, true])
    func epoll(isEdgeTriggered: Bool) throws {
        let rings = 20
        let count = 500
        let loop = ts_epoll()
        defer { close(loop) }
        let sources = UnsafeMutablePointer<EventSource<Consumer>>.allocate(capacity: rings)
        defer { sources.deallocate() }
        var workers: [Worker<Void>] = []
        for index in 0..<rings {
            let ring = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
            (sources + index).initialize(
                to: try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(50))).eventSource())
            #expect(ts_epoll_add(loop, sources[index].descriptor, isEdgeTriggered ? 1 : 0, Int32(index)) == 0)
            let box = Box(try ring.makeProducer(options: EndpointOptions(checkInterval: .milliseconds(10))))
            workers.append(
                Worker {
                    var producer = box.take()
                    for number in 0..<count {
                        try producer.send(value: number)
                        if number % 100 == 0 { usleep(500) }
                    }
                    try producer.close()
                })
        }
        defer { for index in 0..<rings { (sources + index).deinitialize(count: 1) } }
        var next = [Int](repeating: 0, count: rings)
        var ended = 0
        while ended < rings {
            let index = Int(ts_epoll_next(loop, patienceMilliseconds))
            try #require(index >= 0, "\(next)")
            taking: while true {
                switch try sources[index].poll() {
                case .message(let message):
                    let number = message.integer(as: Int.self)
                    #expect(number == next[index])
                    next[index] += 1
                case .empty: break taking
                case .ended: ended += 1
                }
            }
        }
        #expect(next == [Int](repeating: count, count: rings))
        for worker in workers { try worker.join() }
    }

    @Test("Dispatch: a read source takes everything to the end") func dispatch() throws {
        let box = Handed(try ring.makeConsumer(options: EndpointOptions(checkInterval: .milliseconds(10))).eventSource())
        let descriptor = box.source.descriptor
        let received = Mutex<[String]>([])
        let done = DispatchSemaphore(value: 0)
        let reading = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: DispatchQueue(label: "ring"))
        reading.setEventHandler {
            while let text = try? box.source.pollText(), text != "(empty)" {
                received.withLock { $0.append(text) }
                if text == "(ended)" { done.signal() }
            }
        }
        reading.activate()
        var producer = try ring.makeProducer()
        for number in 0..<1000 {
            try producer.send("\(number)")
            if number % 100 == 0 { usleep(500) }
        }
        try producer.close()
        #expect(done.wait(timeout: .now() + patienceSeconds) == .success)
        reading.cancel()
        #expect(received.withLock { $0 } == (0..<1000).map { "\($0)" } + ["(ended)"])
    }

    @Test("Many lanes, acknowledged by hand") func lanes() throws {
        let ring = try MPSCRing.anonymous(lanes: 2, options: RingOptions(capacity: 4096))
        var source = try ring.makeConsumer(
            ending: .whenAllEnded(), acknowledgement: .manual, options: EndpointOptions(checkInterval: .milliseconds(10))
        ).eventSource()
        #expect(try source.pollText() == "(empty)")
        expectError(.alreadyWaiting) { () throws(RingError) in try source.acknowledge() }
        let worker = Worker {
            var producer = try ring.makeProducer()
            try producer.send("x")
            try producer.close()
        }
        try #require(isReadable(source.descriptor, within: patienceMilliseconds))
        #expect(try source.pollText() == "x")
        try source.acknowledge()
        try worker.join()
        var answer = try source.pollText()
        while answer == "(empty)" {
            try #require(isReadable(source.descriptor, within: patienceMilliseconds))
            answer = try source.pollText()
        }
        #expect(answer == "(ended)")
    }
}

// A consumer in an event loop: its descriptor is readable while messages wait.
import Dispatch
import SharedRing

/// On one queue only.
final class Receiving: @unchecked Sendable {
    private var source: EventSource<Consumer>
    private let reading: any DispatchSourceRead
    private let done: @Sendable () -> Void

    init(_ consumer: consuming Consumer, on queue: DispatchQueue, done: @escaping @Sendable () -> Void) throws {
        source = try consumer.eventSource()
        reading = DispatchSource.makeReadSource(fileDescriptor: source.descriptor, queue: queue)
        self.done = done
        reading.setEventHandler { self.takeWhatIsThere() }
        reading.activate()
    }

    private func takeWhatIsThere() {
        do {
            let result = try source.drain { message in print(message.text) }
            if result == .ended { stop() }
        } catch {
            print(error)
            stop()
        }
    }

    private func stop() {
        reading.cancel()
        done()
    }
}

let ring = try SPSCRing.anonymous()
let isOver = DispatchSemaphore(value: 0)
let receiving = try Receiving(ring.makeConsumer(), on: DispatchQueue(label: "ring")) { isOver.signal() }
do {
    var producer = try ring.makeProducer()
    try producer.send("by way of Dispatch")
    try producer.close()
}
isOver.wait()
withExtendedLifetime(receiving) {}

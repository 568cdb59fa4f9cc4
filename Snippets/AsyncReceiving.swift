// Consumers in tasks and actors: waiting without holding a thread.
import SharedRing

/// Messages in place, to the end of the stream.
func receive(from ring: SPSCRing) async throws {
    var consumer = try ring.makeConsumer()
    try await consumer.forEach { message in print(message.text) }
    try consumer.close()
}

/// The same by hand, for a loop that has more to decide.
func poll(_ ring: SPSCRing) async throws {
    var consumer = try ring.makeConsumer(acknowledgement: .manual)
    receiving: while true {
        try consumer.acknowledge()  // before waiting: the sender may be waiting for this space
        try await consumer.ready(timeout: .seconds(10))
        while true {
            switch try consumer.tryNext() {
            case .message(let message): print(message.tag, message.byteCount)
            case .empty: continue receiving
            case .ended: break receiving
            }
        }
    }
    try consumer.acknowledge()  // the end, too
    try consumer.close()
}

/// Copies, which may be kept and sent anywhere.
func keep(from ring: SPSCRing) async throws -> [OwnedMessage] {
    var kept: [OwnedMessage] = []
    for try await message in try ring.makeConsumer().messages() {
        kept.append(message)
    }
    return kept
}

/// An endpoint that is made where it is used.
func collect(from ring: SPSCRing) -> Task<Int, any Error> {
    Task {
        var consumer = try ring.makeConsumer()
        var count = 0
        try await consumer.forEach { _ in count += 1 }
        return count
    }
}

/// An endpoint moves into a task by way of an optional.
func start(_ consumer: consuming Consumer) -> Task<Int, any Error> {
    var box: Consumer? = consume consumer
    return Task {
        var consumer = box.take()!
        var count = 0
        try await consumer.forEach { _ in count += 1 }
        return count
    }
}

/// An actor keeps its endpoints; what waits is `ready`, what follows is synchronous.
actor Relay {
    private var consumer: Consumer
    private var producer: Producer

    init(_ consumer: consuming Consumer, _ producer: consuming Producer) {
        self.consumer = consumer
        self.producer = producer
    }

    func run() async throws {
        var isOver = false
        while !isOver {
            try await consumer.ready()
            var batch: [[UInt8]] = []
            isOver = try take(into: &batch)
            for bytes in batch {
                while try !producer.trySend(bytes) { try await producer.ready(for: bytes.count) }
            }
        }
    }

    /// What is there now, or some of it. True: the stream has ended behind it.
    private func take(into batch: inout [[UInt8]]) throws -> Bool {
        while batch.count < 100 {
            switch try consumer.tryNext() {
            case .message(let message): batch.append(message.array)
            case .empty: return false
            case .ended: return true
            }
        }
        return false
    }
}

/// In asynchronous code `send` waits for room without holding a thread.
func send(_ texts: [String], to ring: SPSCRing) async throws {
    var producer = try ring.makeProducer()
    for text in texts { try await producer.send(text) }
    try producer.close()
}

let ring = try SPSCRing.anonymous()
try await send(["one", "two"], to: ring)
try await receive(from: ring)
try await send(["three"], to: ring)
try await poll(ring)
try await send(["four", "five"], to: ring)
print(try await keep(from: ring).map(\.text))
let counting = start(try ring.makeConsumer())
try await send(["six"], to: ring)
print(try await counting.value)
let collecting = collect(from: ring)
try await send(["six and a half"], to: ring)
print(try await collecting.value)

let further = try SPSCRing.anonymous()
let relay = Relay(try ring.makeConsumer(), try further.makeProducer())
async let relaying: Void = relay.run()
try await send(["seven", "eight"], to: ring)
try await relaying
var end = try further.makeConsumer()
print(try end.receive()!.count, try end.receive()!.count)

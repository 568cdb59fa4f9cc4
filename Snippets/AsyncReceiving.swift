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
        try await consumer.waitUntilReady(timeout: .seconds(10))
        while true {
            switch try consumer.poll() {
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

/// An actor that many tasks send through. Those that wait for room are served in the order in which they called.
actor SharedProducer {
    private let producer: Producer

    init(_ producer: consuming Producer) { self.producer = producer }

    func deliver(_ text: String) async throws { try await producer.send(text) }

    /// Ends the stream behind everything that was called before. A `deliver` that comes later throws `ended`.
    func finish() async throws { try await producer.end() }
}

/// An actor that receives: what waits is `waitUntilReady`, what follows is synchronous.
actor Relay {
    private var consumer: Consumer
    private let producer: Producer

    init(_ consumer: consuming Consumer, _ producer: consuming Producer) {
        self.consumer = consumer
        self.producer = producer
    }

    func run() async throws {
        var isOver = false
        while !isOver {
            try await consumer.waitUntilReady()
            var batch: [[UInt8]] = []
            isOver = try take(into: &batch)
            for bytes in batch { try await producer.send(bytes) }
        }
        try consumer.end()
        try await producer.end()
    }

    /// What is there now, or some of it. True: the stream has ended behind it.
    private func take(into batch: inout [[UInt8]]) throws -> Bool {
        while batch.count < 100 {
            switch try consumer.poll() {
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
    let producer = try ring.makeProducer()
    for text in texts { try await producer.send(text) }
    try await producer.end()
}

/// A loop of one's own. The message is a view into the ring, as in synchronous code.
func receiveAll(from ring: SPSCRing) async throws {
    var consumer = try ring.makeConsumer()
    while let message = try await consumer.next(timeout: .seconds(10)) { print(message.tag, message.text) }
    try consumer.close()
}

/// Closed when the body returns. Should it throw, the stream reads as cut off.
func sendInScope(_ texts: [String], to ring: SPSCRing) async throws {
    try await ring.withProducer { producer in
        for text in texts { try await producer.send(text) }
    }
}

/// Written in place: the claim is awaited, the rest is as in synchronous code.
func sendInPlace(_ values: [Double], to ring: SPSCRing) async throws {
    var producer = try ring.makeProducer()
    for value in values {
        var claim = try await producer.claim(byteCount: 8)
        var bytes = claim.bytes
        bytes.storeBytes(of: value, as: Double.self)
        claim.commit()
    }
    try producer.close()
}

/// Eight tasks send through one producer.
func sendFromEight(through shared: SharedProducer) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<8 {
            group.addTask {
                for number in 0..<1000 { try await shared.deliver("\(caller): \(number)") }
            }
        }
        try await group.waitForAll()
    }
    try await shared.finish()
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
print(try await keep(from: further).map(\.text))

try await sendInScope(["nine"], to: ring)
try await receiveAll(from: ring)
try await sendInPlace([10], to: ring)
try await receive(from: ring)

let tiny = try SPSCRing.anonymous(options: RingOptions(capacity: 4096))
let shared = SharedProducer(try tiny.makeProducer())
async let delivering: Void = sendFromEight(through: shared)
print(try await keep(from: tiny).count)
try await delivering

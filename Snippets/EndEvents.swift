// A service learns which of its producers have ended.
import SharedRing

/// Serves all producers, and reports which have ended.
func serve(_ ring: MPSCRing) async throws {
    var consumer = try ring.makeConsumer()
    try await consumer.forEach(ended: { end in print(end) }) { message in print(message.text) }
}

let ring = try MPSCRing.anonymous(lanes: 2)
let service = Task { try await serve(ring) }
do {
    let producer = try ring.makeProducer()
    try await producer.send("hello")
    try await producer.waitUntilAcknowledged()
    try producer.close()
}
service.cancel()
do { try await service.value } catch let error as RingError where error.code == .cancelled {}

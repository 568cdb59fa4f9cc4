// A handler with side effects: a message counts as done only when its effect is there.
import SharedRing

func handle(_ text: String) { print("done:", text) }

func work(on ring: SPSCRing) throws(RingError) {
    var consumer = try ring.makeConsumer(acknowledgement: .manual)
    while let message = try consumer.next() {
        handle(message.text)
        _ = consume message
        // Killed before this line, and the next consumer gets the message again.
        try consumer.acknowledge()
    }
    try consumer.close()
}

func fill(_ ring: SPSCRing) throws(RingError) {
    var producer = try ring.makeProducer()
    try producer.send("one")
    try producer.send("two")
    try producer.close()
}

let ring = try SPSCRing.anonymous()
try fill(ring)
try work(on: ring)

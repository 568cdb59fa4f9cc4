// Many small messages: committed together, received together.
import SharedRing

func sendMany(to ring: SPSCRing) throws(RingError) {
    var producer = try ring.makeProducer()
    var batch = producer.batch()
    for number in 0..<1000 as Range<UInt64> {
        try batch.append(value: number)
    }
    batch.commit()
    try producer.close()
}

func receiveMany(from ring: SPSCRing) throws(RingError) -> UInt64 {
    var consumer = try ring.makeConsumer()
    var sum: UInt64 = 0
    while true {
        // Waits for one, then takes what is there without waiting.
        guard let first = try consumer.next() else { return sum }
        sum += first.integer() ?? 0
        _ = consume first
        consumer.drain(limit: 256) { message in sum += message.integer() ?? 0 }
    }
}

let ring = try SPSCRing.anonymous()
try sendMany(to: ring)
print(try receiveMany(from: ring))

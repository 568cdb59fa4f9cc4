// Values without padding, tags, and messages written and read in place.
import SharedRing

struct Quote: AnyBytes {
    var price: Double
    var size: UInt64
}

func sendQuotes(to ring: SPSCRing) throws(RingError) {
    var producer = try ring.makeProducer()
    // Copied into the ring as it lies in memory. The tag is yours.
    try producer.send(value: Quote(price: 1.0842, size: 100), tag: 1)

    // Written in place: no copy. Committing fewer bytes than claimed is fine; dropping the claim sends nothing.
    var claim = try producer.claim(byteCount: 1024)
    var bytes = claim.bytes
    bytes.storeBytes(of: 1.0843, toByteOffset: 0, as: Double.self)
    bytes.storeBytes(of: 200, toByteOffset: 8, as: UInt64.self)
    try claim.commit(byteCount: 16, tag: 1)
    try producer.close()
}

func receiveQuotes(from ring: SPSCRing) throws(RingError) {
    var consumer = try ring.makeConsumer()
    while let message = try consumer.next() {
        guard message.tag == 1, let quote = message.value(as: Quote.self) else { continue }  // nil: it has another size
        print(quote.price, quote.size)
    }
}

let ring = try SPSCRing.anonymous()
try sendQuotes(to: ring)
try receiveQuotes(from: ring)

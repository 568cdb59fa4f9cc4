// The README's sample: one process sends, another receives.
import SharedRing

func send() throws(RingError) {
    var producer = try SPSCRing.openOrCreate("prices").makeProducer()
    try producer.send("EURUSD 1.0842")
    try producer.close()
}
func receive() throws(RingError) {
    var consumer = try SPSCRing.openOrCreate("prices").makeConsumer()
    while let message = try consumer.next() { print(message.text) }
}

try send()
try receive()
try SPSCRing.remove("prices")

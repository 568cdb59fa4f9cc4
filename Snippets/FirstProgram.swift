import SharedRing

func send() throws(RingError) {
    var producer = try SPSCRing.openOrCreate("hello").makeProducer()
    for number in 1...5 { try producer.send("hello \(number)") }
    try producer.close()
}
func receive() throws(RingError) {
    var consumer = try SPSCRing.openOrCreate("hello").makeConsumer()
    while let message = try consumer.next() { print(message.text) }
    try consumer.close()
}

do {
    switch CommandLine.arguments.last {
    case "send": try send()
    case "receive": try receive()
    default: print("say send or receive")
    }
} catch {
    print(error)
}

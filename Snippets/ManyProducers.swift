// Many processes send, one receives what all of them sent.
import SharedRing

func log(_ line: String) throws(RingError) {
    var producer = try MPSCRing.openOrCreate("log", lanes: 64).makeProducer()
    try producer.send(line)
    try producer.close()
}
func collect() throws(RingError) {
    var consumer = try MPSCRing.openOrCreate("log", lanes: 64).makeConsumer(ending: .whenAllEnded(atLeast: 3))
    while let message = try consumer.next() { print(message.lane, message.text) }
}

for line in ["one", "two", "three"] { try log(line) }
try collect()
try MPSCRing.remove("log")

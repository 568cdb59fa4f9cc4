// One sender, and many receivers that each get every message.
import SharedRing

func publish() throws(RingError) {
    var publisher = try BroadcastRing.openOrCreate("news").makePublisher()
    try publisher.send("EURUSD 1.0842")
    try publisher.close()
}
func follow() throws(RingError) {
    var subscriber = try BroadcastRing.openOrCreate("news").makeSubscriber(.lossy, from: .last(10))
    while let message = try subscriber.next() { print(message.text) }
    print("missed \(subscriber.missed.messages) messages")
}

try publish()
try follow()
try BroadcastRing.remove("news")

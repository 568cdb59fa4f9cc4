// How a stream ends, and what a program does about it.
import SharedRing

func receiveAll(from ring: SPSCRing) throws(RingError) {
    var consumer = try ring.makeConsumer()
    while true {
        do throws(RingError) {
            guard let message = try consumer.next(timeout: .seconds(5)) else {
                print("the producer closed: that was all")
                return
            }
            print(message.text)
        } catch {
            switch error.code {
            case .peerDied: print("cut off: the producer went away without closing")
            case .timedOut: print("nothing for five seconds")
            default: throw error
            }
            return
        }
    }
}

func sendAndDrop(to ring: SPSCRing) throws(RingError) {
    var producer = try ring.makeProducer()
    try producer.send("sent, so it arrives")
    // Not closed: reads as a death at the other end.
}

let ring = try SPSCRing.anonymous()
try sendAndDrop(to: ring)
try receiveAll(from: ring)

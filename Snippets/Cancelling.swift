// Another thread ends a wait.
import SharedRing

func receive(from ring: SPSCRing, handingOut show: (Canceller) -> Void) throws(RingError) {
    var consumer = try ring.makeConsumer()
    show(consumer.canceller)  // Sendable: keep it where the stopping side finds it
    while let message = try consumer.next() { print(message.text) }
}

let ring = try SPSCRing.anonymous()
do throws(RingError) {
    try receive(from: ring) { canceller in canceller.cancel() }
} catch {
    print(error.code == .cancelled ? "cancelled" : "\(error)")
}

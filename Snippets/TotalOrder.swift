// What was sent first is received first, whichever process sent it; and how a stream of many senders ends.
import SharedRing

func makeJournal() throws(RingError) -> MPSCRing {
    try MPSCRing.openOrCreate("journal", lanes: 16, order: .total, options: RingOptions(capacity: 1 << 18))
}

func receiveJournal(from ring: MPSCRing, writers: Int) throws(RingError) {
    var consumer = try ring.makeConsumer(ending: .whenAllEnded(atLeast: writers))
    do throws(RingError) {
        while let message = try consumer.next() {
            print(message.sequence, message.lane, message.text)  // the sequence grows, across all lanes
        }
        print("all \(consumer.ends.closed) writers closed")
    } catch {
        guard error.code == .peerDied else { throw error }
        print("\(consumer.ends.died) writers went away without closing; everything they sent is there")
    }
}

func writeByTurns(to ring: MPSCRing) throws(RingError) {
    var first = try ring.makeProducer()
    var second = try ring.makeProducer()
    try first.send("a")
    try second.send("b")
    try first.send("c")
    try first.close()
    try second.close()
}

let ring = try makeJournal()
try writeByTurns(to: ring)
try receiveJournal(from: ring, writers: 2)
try MPSCRing.remove("journal")

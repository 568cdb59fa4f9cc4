// expected: overlapping accesses to 'consumer'
import SharedRing

func readAfterClosing(_ ring: SPSCRing) throws(RingError) -> Int {
    var consumer = try ring.makeConsumer()
    guard let message = try consumer.next() else { return 0 }
    try consumer.close()
    return message.byteCount
}

// expected: cannot return a ~Escapable result
import SharedRing

func firstBytes(of ring: SPSCRing) throws(RingError) -> RawSpan? {
    var consumer = try ring.makeConsumer()
    return try consumer.next()?.bytes
}

// expected: overlapping accesses to 'producer'
import SharedRing

func twoClaims(_ producer: inout Producer) throws(RingError) {
    let first = try producer.claim(byteCount: 8)
    let second = try producer.claim(byteCount: 8)
    first.commit()
    second.commit()
}

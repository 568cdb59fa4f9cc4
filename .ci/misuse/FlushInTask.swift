// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func flushInTask(_ ring: SPSCRing) async throws {
    try ring.flush()
}

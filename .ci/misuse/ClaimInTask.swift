// expected: expression is 'async' but is not marked with 'await'
import SharedRing

func claimInTask(of producer: inout Producer) async throws {
    var claim = try producer.claim(byteCount: 8)
    claim.commit()
}
